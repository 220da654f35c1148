"""Queries: on the replica where there is one and it answers, else on the primary."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from app.postgres.database import Database
from app.postgres.errors import OutageError
from app.postgres.replica import Replica, ReplicaAwayError
from app.postgres.sessions import Connection

T = TypeVar("T")


class Reader:
    """Where a query is run. Safe to share between threads."""

    def __init__(self, primary: Database, replica: Replica | None) -> None:
        self._primary = primary
        self._replica = replica

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a pooled connection; on a replica what was written a moment ago may not be there yet.

        Raises OutageError at once while PostgreSQL is known to be away; errors of psycopg and of the pool pass through.
        """
        if self._replica is not None:
            with contextlib.suppress(ReplicaAwayError):
                return self._replica.read(query)
        return self._primary.read(query)

    def read_newest(self, query: Callable[[Connection], T]) -> T:
        """As `read`, on the primary while it answers: for what must not go back from one answer to the next.

        On a replica it would: which of the two was asked changes, and it may be behind what others have seen already.
        """
        try:
            return self._primary.read(query)
        except OutageError:
            if self._replica is None:
                raise
        with contextlib.suppress(ReplicaAwayError):
            return self._replica.read(query)
        raise OutageError

    def renew(self) -> None:
        """Drop pooled connections after an outage: they lead nowhere, or to a server that is a standby by now."""
        self._primary.renew()
        if self._replica is not None:
            self._replica.database.renew()
