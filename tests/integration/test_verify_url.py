"""Every record as the feed gives it, held against its entry: what a superuser edits is found without the database."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from datastorage_client.problems import problem
from datastorage_client.verify.steps import Fetch
from datastorage_client.verify.tiles import Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.whole import Whole, check_whole

from app import create_app
from app.services import Services
from tests.conftest import settings_for
from tests.support import Database
from tests.verify_edits import (
    Edit,
    change_old_salt,
    delete_act,
    delete_event,
    delete_newest,
    delete_old_salt,
    detach_the_month,
    nothing_in_place_of_a_digest,
    swap_contents,
)
from tests.verify_rows import CHANGES, TABLES, Conn, change, checked, columns, keys, record_of
from tests.verify_support import KEY, pinned

# Of the log itself, or of records that it does not know: these are others' to find.
EDITS: list[Callable[[Conn], Edit]] = [
    delete_event, delete_newest, delete_act, detach_the_month, swap_contents, change_old_salt, delete_old_salt,
    nothing_in_place_of_a_digest,
]  # fmt: skip


class InTransaction:
    """In place of the service's reader: what one transaction sees, which will be undone."""

    def __init__(self, conn: Conn) -> None:
        self._conn = conn
        self._lock = threading.Lock()

    def read_newest(self, query: Callable[[Any], Any]) -> Any:
        with self._lock, self._conn.transaction():
            return query(self._conn)

    read = read_newest


@pytest.fixture(scope="module")
def parts(log_of_all_kinds: Database) -> Services:
    # Not started: nothing is written.
    return Services(settings_for(log_of_all_kinds, audit={"record_access": False}))


@pytest.fixture(scope="module")
def app(parts: Services) -> flask.Flask:
    return create_app(parts.settings, parts)


@pytest.fixture
def conn(log_of_all_kinds: Database, parts: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Conn]:
    """A superuser whom no trigger sees; the service reads in his transaction."""
    with pinned(log_of_all_kinds) as conn, contextlib.suppress(_UndoneError), conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        monkeypatch.setattr(parts, "reader", InTransaction(conn))
        yield conn
        raise _UndoneError


class _UndoneError(Exception):
    pass


@pytest.fixture
def fetch(app: flask.Flask) -> Fetch:
    def fetch(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        answer = app.test_client().get(path, headers={"Accept": accept})
        if answer.status_code != 200:
            raise problem(answer.status_code, answer.headers, answer.data)
        return answer.data

    return fetch


def looked_at(fetch: Fetch) -> Whole:
    note = fetch("/api/v1/log/checkpoint", "text/plain")
    return check_whole(fetch, Tree(Tiles(fetch), Trust((KEY.verifier,)).check(note)))


def test_all_is_well(conn: Conn, fetch: Fetch) -> None:
    found = looked_at(fetch)
    assert (found.first, found.not_compared) == (None, None)
    assert (found.compared, found.kinds.total()) == (781, 781)
    assert found.kinds == checked(conn).entries


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_a_record_is_covered(conn: Conn, fetch: Fetch, table: str) -> None:
    """What is found in the database is found without it, and said in the same words."""
    turns = itertools.cycle(keys(conn, table))
    for column, kind, nullable in columns(conn, table):
        tos = [CHANGES[kind].format(c=column)]
        tos += ["NULL"] if nullable else []
        # What no record can have, and the service cannot read.
        never = ["'infinity'", "'-infinity'"] if kind == "timestamp with time zone" else []
        if column == "actor_ip":
            # The mask that it gets otherwise is in no answer.
            tos[0] = "coalesce(actor_ip, '192.0.2.1') + 1"
        for to in [*tos, *never]:
            key = next(turns)
            record = record_of(conn, table, key)
            conn.execute("SAVEPOINT before")
            if change(conn, table, key, column, to):
                found = looked_at(fetch).first
                assert found is not None, (table, column, to)
                assert found.record == record, (table, column, to, found)
                if to in never:
                    assert found.text.startswith("the service cannot give its record: "), (table, column, to, found)
                elif column != "salt":  # of an old record it hides the one that lies apart
                    assert found == checked(conn).first, (table, column, to)
            conn.execute("ROLLBACK TO before")
    assert looked_at(fetch).well


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_each_change_of_a_record_is_found(conn: Conn, fetch: Fetch, edit: Callable[[Conn], Edit]) -> None:
    done = edit(conn)
    found = looked_at(fetch)
    assert found.first == checked(conn).first
    if done.record is not None:
        assert found.first is not None
        assert found.first.record == done.record
