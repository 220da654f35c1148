"""Where a query is run."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.postgres.database import Database
from app.postgres.errors import OutageError
from app.postgres.reader import Reader
from app.postgres.replica import Replica, ReplicaAwayError


class Place:
    """Stands for a pool or a replica: answers each query with its name, or fails."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.renewed = 0
        self.database = self

    def read(self, query: Any) -> str:
        if self.error is not None:
            raise self.error
        return self.name

    def renew(self) -> None:
        self.renewed += 1


def reader(primary: Place, replica: Place | None = None) -> Reader:
    return Reader(cast("Database", primary), cast("Replica | None", replica))


def ask(made: Reader) -> Any:
    return made.read(lambda conn: conn)


def test_the_replica_is_asked_first_and_the_primary_where_it_is_away() -> None:
    primary, replica = Place("primary"), Place("replica")
    assert ask(reader(primary)) == "primary"
    assert ask(reader(primary, replica)) == "replica"
    replica.error = ReplicaAwayError()
    assert ask(reader(primary, replica)) == "primary"


def test_a_replica_answers_while_the_primary_is_away_and_other_errors_pass_through() -> None:
    primary, replica = Place("primary", OutageError()), Place("replica")
    assert ask(reader(primary, replica)) == "replica"
    replica.error = ReplicaAwayError()
    with pytest.raises(OutageError):
        ask(reader(primary, replica))
    replica.error = LookupError()
    with pytest.raises(LookupError):
        ask(reader(primary, replica))


def test_the_connections_of_both_are_renewed() -> None:
    primary, replica = Place("primary"), Place("replica")
    reader(primary).renew()
    reader(primary, replica).renew()
    assert (primary.renewed, replica.renewed) == (2, 1)
