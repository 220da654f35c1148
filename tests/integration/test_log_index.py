"""Where records are in the log, as rows say it: of all kinds and ages, on a replica, and where nobody gives places."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import flask
import psycopg
from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import make_key, parse_note
from datastorage_common.times import rfc3339

from app import create_app
from app.services import Services
from tests.conftest import settings_for
from tests.integration.service import EVENTS, NOTIFICATIONS, problem
from tests.integration.test_log_http import as_text, root_by_path
from tests.log_growth import sign
from tests.log_record import canonical, parse
from tests.log_support import insert_old, sequencers, turn, waiting
from tests.read_limits import bearer, named_principals
from tests.support import Database, event, notification, wait_until

KEY = make_key("log.example/one", bytes(range(32)))


def leaf_of(said: dict[str, Any]) -> bytes:
    """The leaf hash of the entry in a proof of a record from before the log, which has a salt."""
    assert (said["entry"].pop("v"), len(said["salt"])) == (0, 32)
    entry = canonical({**said["entry"], "v": Decimal(0)})
    return sha256(b"\0" + entry.encode()).digest()


def test_records_from_before_the_log(database: Database, make_app: Callable[..., flask.Flask]) -> None:
    insert_old(database, 40, [datetime.now(UTC).date()])
    with sequencers(database) as [one]:
        wait_until(lambda: turn(one) or database.query("SELECT size FROM log_head") == [(60,)], what="all are taken in")
    sign(database, KEY)
    client = make_app(audit={"record_service": False}).test_client()
    rows = parse(client.get(EVENTS, query_string={"limit": 1000}).data)["data"]
    assert sorted(row["log_index"] for row in rows) == list(range(40))
    for row in rows[:3]:
        said, index, path, note = as_text(client.get(f"{EVENTS}/{row['event_id']}/proof"))
        leaf = leaf_of(said)
        point = parse_checkpoint(parse_note(note.encode()).text)
        assert root_by_path(index, point.size, leaf, path) == point.root
        assert row["log_index"] == index
    listed = parse(client.get(NOTIFICATIONS, query_string={"limit": 1000}).data)["data"]
    assert sorted(row["log_index"] for row in listed) == list(range(40, 60))
    for row in listed[:3]:
        said, index, path, note = as_text(client.get(f"{NOTIFICATIONS}/{row['id']}/proof"))
        leaf = leaf_of(said)
        point = parse_checkpoint(parse_note(note.encode()).text)
        assert root_by_path(index, point.size, leaf, path) == point.root
        assert row["log_index"] == index


def test_a_record_without_a_place(database: Database) -> None:
    """Nobody gives places here: it is stored, it is shown, and there is no proof of it."""
    parts = Services(settings_for(database, audit={"record_service": False}))
    app = create_app(parts.settings, parts)
    parts.database.start()
    parts.flusher.start()
    try:
        client = app.test_client()
        ident, again = str(uuid.uuid4()), str(uuid.uuid4())
        yesterday = rfc3339(datetime.now(UTC) - timedelta(days=1))
        assert client.post(EVENTS, json=event(event_id=ident, event_timestamp=yesterday)).status_code == 201
        number = client.post(NOTIFICATIONS, json=notification()).json["id"]
        problem(client.get(f"{EVENTS}/{ident}/proof"), 404, "no-checkpoint", f"{EVENTS}/{ident}/proof")
        with sequencers(database) as [one]:
            turn(one)
        assert waiting(database) == 0
        sign(database, KEY)
        assert client.get(f"{EVENTS}/{ident}/proof").status_code == 200
        # The same id on another day, which has no place yet, must not be taken for it.
        for body in (event(event_id=ident), event(event_id=again)):
            assert client.post(EVENTS, json=body).status_code == 201
        later = client.post(NOTIFICATIONS, json=notification(notification_id="n-2")).json["id"]
        rows = client.get(EVENTS).json["data"]
        assert [(row["event_id"], row["log_index"]) for row in rows if row["log_index"] is not None] == [(ident, 0)]
        assert client.get(f"{EVENTS}/{ident}").json["log_index"] is None
        by_id = {row["id"]: row.get("log_index") for row in client.get(NOTIFICATIONS).json["data"]}
        assert by_id == {number: 1, later: None}
        for path in (f"{EVENTS}/{ident}", f"{EVENTS}/{again}", f"{NOTIFICATIONS}/{later}"):
            problem(client.get(f"{path}/proof"), 404, "not-yet-in-log", f"{path}/proof")
    finally:
        parts.stop()


def test_the_log_is_asked_of_the_primary_and_rows_of_the_replica(
    make_app: Callable[..., flask.Flask], database: Database, template: str
) -> None:
    """What stands for the replica is a database that is behind: it has the records, and no place of them yet."""
    behind = database.server.make_database(template)
    client = make_app(database={"read_url": behind.service_url}, audit={"record_service": False}).test_client()
    ident = str(uuid.uuid4())
    assert client.post(EVENTS, json=event(event_id=ident)).status_code == 201
    wait_until(lambda: waiting(database) == 0, what="it has its place")
    sign(database, KEY)
    wait_until(lambda: client.get("/api/v1/log/checkpoint").status_code == 200, what="the primary's checkpoint")
    assert client.get(f"{EVENTS}/{ident}").status_code == 404, "the replica has not got it"
    assert client.get(f"{EVENTS}/{ident}/proof").status_code == 200
    columns = "event_id, event_date, event_version, event_type, event_timestamp, event_category, event_action, "
    columns += (
        "event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id, digest, salt"
    )
    with psycopg.connect(database.superuser_url) as one, psycopg.connect(behind.superuser_url) as other:
        [row] = one.execute(f"SELECT {columns.replace('event_data', 'event_data::text')} FROM audit_events").fetchall()
        other.execute("ALTER TABLE audit_events DISABLE TRIGGER USER")
        places = ", ".join(["%s"] * len(row))
        other.execute("SELECT audit_ensure_partition(%s)", (row[1],))
        other.execute(f"INSERT INTO audit_events ({columns}) VALUES ({places})", row)
    assert client.get(f"{EVENTS}/{ident}").json["log_index"] is None
    behind.drop()


def test_who_reads_within_limits_is_not_told_how_many_records_there_are(
    database: Database, make_app: Callable[..., flask.Flask]
) -> None:
    with named_principals():
        client = make_app(audit={"record_service": False}).test_client()
    wide, narrow = bearer("unlimited"), bearer("categories")
    ident = str(uuid.uuid4())
    assert client.post(EVENTS, json=event(event_id=ident), headers=wide).status_code == 201
    assert client.post(NOTIFICATIONS, json=notification(), headers=wide).status_code == 201
    wait_until(lambda: waiting(database) == 0, what="both have their places")
    for path in (EVENTS, NOTIFICATIONS):
        [told] = client.get(path, headers=wide).json["data"]
        [row] = client.get(path, headers=narrow).json["data"]
        assert isinstance(told["log_index"], int)
        assert row.get("log_index") is None
        assert {**told, "log_index": None} == {**row, "log_index": None}
    assert client.get(f"{EVENTS}/{ident}", headers=narrow).json["log_index"] is None
