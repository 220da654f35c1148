"""What is found stored is answered as kept, or taken out of the queue, only once every standby has it that has to.

Whoever stored it may have been told that its outcome is unknown.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import flask
import pytest
import redis

from app.dlq.keys import KEYS
from app.services import Services
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS
from tests.support import Valkey, event, notification, postgres_server, wait_until
from tests.unconfirmed import LET_GO, answers, let_go, wait_for_standbys

pytestmark = pytest.mark.embedded


def test_a_repetition_is_answered_when_the_standbys_have_the_first(
    make_services_on: Callable[..., flask.Flask],
) -> None:
    with postgres_server() as server:
        database = server.make_database()
        app = make_services_on(database)
        one, two, three, four = (event(event_id=str(uuid.uuid4())) for _ in range(4))
        unknown = [(503, "unknown"), (503, "unknown")]
        assert answers(app, database, EVENTS, one) == [*unknown, (200, None)]
        assert answers(app, database, BATCH, [two, three]) == [*unknown, (200, None)]
        # Some are there for long, and some are new.
        assert answers(app, database, BATCH, [one, four]) == [*unknown, (200, None)]
        # 409, identical: the sender takes that for kept.
        assert answers(app, database, NOTIFICATIONS, notification()) == [*unknown, (409, None)]
        assert (database.count(), database.count("notification_audit")) == (4, 1)


def test_a_queue_entry_stays_until_the_standbys_have_its_record(
    make_services_on: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis
) -> None:
    with postgres_server() as server:
        database = server.make_database()
        app = make_services_on(database, redis={"url": valkey.url(0)})
        services: Services = app.extensions["datastorage"]
        assert services.queue_watch is not None
        watch = services.queue_watch
        wait_until(lambda: watch.state.connected, what="Redis connected")
        wait_for_standbys(database, "nobody")
        stored, waits = (
            "SELECT count(*) FROM audit_events",
            "SELECT true FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        )
        assert let_go(app, database, EVENTS, event()).status_code == 202
        assert database.query(stored) == [(1,)]
        for _ in range(3):
            wait_until(lambda: database.query(waits), what="replay waits for a standby")
            assert streams.xlen(KEYS["events"].stream) == 1
            database.query(LET_GO)
        wait_for_standbys(database, "")
        wait_until(lambda: streams.xlen(KEYS["events"].stream) == 0, what="replayed")
        assert database.query(stored) == [(1,)]
        assert streams.xlen(KEYS["events"].dead) == 0
