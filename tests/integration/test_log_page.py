"""What docs/log.md says of a record's entry is what the log has: from the API's answer to the entry, by other code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
import yaml

from app.auth.principal import token_digest
from tests.integration.service import EVENTS
from tests.log_check import entries_of
from tests.log_record import event_steps, notification_steps, parse
from tests.support import ROOT, Database, event, notification, wait_until

NOTIFICATIONS = "/api/v1/audit/notifications"
PAGE = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
HEADERS = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
# Written in other forms than the canonical one.
DATA = (
    b'{"z": 1.50, "a": 1e2, "big": 123456789012345678901234567890, "tiny": -1.20e-7, "zero": -0.0, "list": [1, '
    b'"\\u00e9", null, true, {"b": 0.10, "\\ud83d\\ude00": "\\t\\u0001\\u007f\\"\\\\/"}]}'
)


def in_the_log(database: Database, size: int) -> list[bytes]:
    wait_until(lambda: database.query("SELECT size FROM log_head") == [(size,)], what="everything is in the log")
    rows = database.query("SELECT entries FROM log_bundles ORDER BY bundle")
    return [entry for (kept,) in rows for entry in entries_of(bytes(kept))]


@pytest.mark.parametrize("members", [{}, {"trace_id": "its own"}, {"actor_ip": "2001:DB8::1", "namespace": "täst"}])
def test_an_event(make_app: Callable[..., flask.Flask], database: Database, members: dict[str, Any]) -> None:
    client = make_app(audit={"record_service": False, "record_access": False}).test_client()
    body = (
        flask.json.dumps(event(event_data={}, **members))
        .encode()
        .replace(b'"event_data": {}', b'"event_data": ' + DATA)
    )
    assert DATA in body
    answer = client.post(EVENTS, data=body, content_type="application/json", headers=HEADERS)
    assert answer.status_code == 201, answer.data
    [row] = parse(client.get(EVENTS).data)["data"]
    [(salt, digest)] = database.query("SELECT salt, digest FROM audit_events")
    [steps] = event_steps(row, bytes(salt))
    assert steps.digest == bytes(digest)
    assert in_the_log(database, 1) == [steps.entry.encode()]
    [(hashes,)] = database.query("SELECT hashes FROM log_tiles")
    assert bytes(hashes) == steps.leaf
    example = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
    [query] = [
        block for block in re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if example in block
    ]
    assert database.query(query.replace(example, row["event_id"])) == [(0, bytes(salt).hex(), 1, steps.leaf.hex())]


def test_a_notification(make_app: Callable[..., flask.Flask], database: Database) -> None:
    client = make_app().test_client()
    assert client.post(NOTIFICATIONS, json=notification(message_summary='tab\t "é" 😀 \x7f')).status_code == 201
    [row] = parse(client.get(NOTIFICATIONS).data)["data"]
    [(salt, digest)] = database.query("SELECT salt, digest FROM notification_audit")
    steps = notification_steps(row, bytes(salt))
    assert steps.digest == bytes(digest)
    assert in_the_log(database, 1) == [steps.entry.encode()]


def test_the_answer_to_a_notification_has_all_of_its_entry(
    make_app: Callable[..., flask.Flask], database: Database, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(yaml.safe_dump([{"name": "alice", "sha256": token_digest("a").hex(), "scopes": ["audit:write"]}]))
    client = make_app(auth={"mode": "token", "tokens_file": str(tokens)}).test_client()
    answer = client.post(NOTIFICATIONS, json=notification(), headers={"Authorization": "Bearer a"})
    assert answer.status_code == 201, answer.data
    assert parse(answer.data)["recorded_by"] == "alice"
    [(salt,)] = database.query("SELECT salt FROM notification_audit")
    assert in_the_log(database, 1) == [notification_steps(parse(answer.data), bytes(salt)).entry.encode()]
