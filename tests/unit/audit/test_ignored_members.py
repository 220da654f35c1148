"""Every answer that says that something was kept names the members that were not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from app.audit.outcome import NotificationRow, Outcome, Spilled, Stored
from app.services import Services
from tests.unit.fakes import UUID_1, event, make_client, make_services, notification

EVENTS, BATCH, NOTIFICATIONS = (f"/api/v1/audit/{p}" for p in ("events", "events/batch", "notifications"))
ROW = NotificationRow(1, datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC))


def answered(path: str, body: Any, outcome: Outcome) -> tuple[int, dict[str, Any], Services]:
    services = make_services(outcome=outcome)
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = make_client(services).post(
        path, data=data, content_type="application/json", headers={"X-Request-ID": "one"}
    )
    return answer.status_code, orjson.loads(answer.data), services


@pytest.mark.parametrize(("outcome", "status"), [(Stored(), 201), (Stored(duplicates=(0,)), 200), (Spilled(), 202)])
def test_of_an_event_and_of_a_batch(outcome: Outcome, status: int) -> None:
    right, wrong = event(event_id=UUID_1), event(event_id=UUID_1, actor={"id": 1}, recorded_by="mallory")
    for path, plain, told, ignored in (
        (EVENTS, right, wrong, ["actor", "recorded_by"]),
        (BATCH, [right], [wrong], {"0": ["actor", "recorded_by"]}),
    ):
        code, without, before = answered(path, plain, outcome)
        assert code == status
        assert "ignored" not in without
        code, said, after = answered(path, told, outcome)
        assert code == status
        assert said == {**without, "ignored": ignored}
        # What is kept is the same, to the digest.
        assert after.ingest.requests == before.ingest.requests  # type: ignore[attr-defined]


@pytest.mark.parametrize(("outcome", "status"), [(Stored(notification=ROW), 201), (Spilled(), 202)])
def test_of_a_notification(outcome: Outcome, status: int) -> None:
    code, without, _ = answered(NOTIFICATIONS, notification(), outcome)
    assert (code, without.get("ignored")) == (status, None)
    code, said, _ = answered(NOTIFICATIONS, notification(severity="high"), outcome)
    assert (code, said) == (status, {**without, "ignored": ["severity"]})


@pytest.mark.parametrize(("sent", "shown"), [(rb"\ud800", "\\ud800"), (rb"\u0000", "\0"), (b"\xc3\xbc", "ü")])
def test_a_name_of_odd_characters_hinders_no_answer(sent: bytes, shown: str) -> None:
    body = orjson.dumps(event())[:-1] + b',"' + sent + b'":1}'
    for path, whole, ignored in ((EVENTS, body, [shown]), (BATCH, b"[" + body + b"]", {"0": [shown]})):
        code, said, services = answered(path, whole, Stored())
        assert (code, said["ignored"]) == (201, ignored)
        assert len(services.ingest.requests) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "right"), [(EVENTS, event()), (BATCH, event()), (NOTIFICATIONS, notification())], ids=lambda v: str(v)[-9:]
)
def test_a_refusal_names_them_too(path: str, right: dict[str, Any]) -> None:
    missing = next(iter(right))
    body = {k: v for k, v in right.items() if k != missing} | {f"x{n}": 1 for n in range(25)}
    code, said, _ = answered(path, [body] if path == BATCH else body, Stored())
    assert code == 400
    assert list(said["field_errors"]) == [f"[0].{missing}" if path == BATCH else missing]
    named = said["ignored"]["0"] if path == BATCH else said["ignored"]
    assert (named, said["ignored_more"]) == ([f"x{n}" for n in range(20)], 5)
