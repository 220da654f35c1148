"""The feed while PostgreSQL is away, from a real standby that is behind: nobody is sent back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from datastorage_common.notes import SigningKey, make_key
from werkzeug.test import TestResponse

from app.transparency.memories import FileMemory
from app.transparency.origins import start_origin
from tests.integration.service import BATCH, problem
from tests.log_support import waiting
from tests.standby import Pair, superuser, synchronous_pair
from tests.support import event, wait_until
from tests.verify_support import KEY, pinned, sign

pytestmark = pytest.mark.embedded
FEED = "/api/v1/audit/feed"
NEW_KEY = make_key("new.example.org", b"3" * 32)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with synchronous_pair() as made:
        yield made


@pytest.fixture
def app(pair: Pair, make_services_on: Callable[..., flask.Flask]) -> flask.Flask:
    """The service on the primary, with the standby to read from."""
    replica = {"read_url": pair.standby_database().service_url, "connect_timeout": 1.0}
    return make_services_on(pair.database, database=replica, audit={"record_service": False})


def ask(app: flask.Flask, after: str | None = None, **parameters: Any) -> TestResponse:
    asked = {**parameters, **({} if after is None else {"after": after})}
    return app.test_client().get(FEED, query_string=asked)


def indexes(answer: TestResponse) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [row["log_index"] for row in answer.json["events"]]


def post(app: flask.Flask, pair: Pair, count: int) -> None:
    answer = app.test_client().post(BATCH, json=[event() for _ in range(count)])
    assert answer.status_code == 201, answer.text
    wait_until(lambda: waiting(pair.database) == 0, what="every record has its place in the log")


def hold_back(pair: Pair) -> None:
    """The standby has all that there is now, and from here on keeps what comes without showing it."""
    [(now,)] = superuser(pair.primary, "SELECT pg_current_wal_insert_lsn()::text")
    replayed = f"SELECT pg_last_wal_replay_lsn() >= '{now}'"
    wait_until(lambda: superuser(pair.standby, replayed) == [(True,)], what="the standby shows all there is")
    superuser(pair.standby, "SELECT pg_wal_replay_pause()")
    state = "SELECT pg_get_wal_replay_pause_state()"
    wait_until(lambda: superuser(pair.standby, state) == [("paused",)], what="it is held back")


def name_anew(pair: Pair, folder: Path, key: SigningKey) -> None:
    with pinned(pair.database, pair.database.owner_url) as conn:
        start_origin(conn, [FileMemory(str(folder / "signed"))], key.name, "the key was seen", None)
    sign(pair.database, key, origin=key.name)


def lose_the_primary(app: flask.Flask, pair: Pair) -> None:
    pair.primary.kill()
    wait_until(lambda: ask(app).status_code == 200, what="the standby is read")


def test_the_feed_is_read_from_the_primary_and_from_a_standby_while_that_is_away(app: flask.Flask, pair: Pair) -> None:
    post(app, pair, 5)
    sign(pair.database)
    early = ask(app, limit=2).json["next"]
    hold_back(pair)
    post(app, pair, 3)
    sign(pair.database)
    assert indexes(ask(app)) == list(range(8)), "what the standby does not show is there"
    late = ask(app, limit=7).json["next"]
    lose_the_primary(app, pair)
    assert indexes(ask(app)) == list(range(5))
    rest = ask(app, early)
    assert (indexes(rest), rest.json["caught_up"]) == ([2, 3, 4], True)
    for wait in (0, 1):
        beyond = ask(app, late, wait=wait)
        assert (beyond.status_code, beyond.json) == (200, {"events": [], "next": late, "caught_up": True})
    assert problem(ask(app, late[:-1] + "x"), 400, "validation-error", FEED)["field_errors"].keys() == {"after"}
    # What it has got, though not shown, was committed: it goes on there.
    superuser(pair.standby, "SELECT pg_wal_replay_resume()")
    wait_until(lambda: indexes(ask(app, late)) == [7], what="the standby shows what it has got")
    assert indexes(ask(app, rest.json["next"])) == [5, 6, 7]
    pair.primary.start()
    wait_until(lambda: app.extensions["datastorage"].monitor.state.connected, what="the primary is back")
    post(app, pair, 1)
    sign(pair.database)
    assert indexes(ask(app, late)) == [7, 8]


def test_a_name_that_the_standby_has_not_heard_of_sends_nobody_back(
    app: flask.Flask, pair: Pair, tmp_path: Path
) -> None:
    post(app, pair, 5)
    sign(pair.database, KEY)
    old = ask(app, limit=3).json["next"]
    hold_back(pair)
    name_anew(pair, tmp_path, NEW_KEY)
    post(app, pair, 2)
    sign(pair.database, NEW_KEY, origin=NEW_KEY.name)
    early = problem(ask(app, old), 410, "feed-restarted", FEED)["next"]
    late = ask(app).json["next"]
    lose_the_primary(app, pair)
    assert indexes(ask(app, old)) == [3, 4]
    beyond = ask(app, late)
    assert (beyond.status_code, beyond.json) == (200, {"events": [], "next": late, "caught_up": True})
    # Who is at a place that the standby has goes on, and need not start anew when the primary is there again.
    followed = ask(app, early)
    assert indexes(followed) == [3, 4]
    pair.primary.start()
    wait_until(lambda: app.extensions["datastorage"].monitor.state.connected, what="the primary is back")
    assert indexes(ask(app, followed.json["next"])) == [6, 7]
    assert indexes(ask(app, late)) == []
