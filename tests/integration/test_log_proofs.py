"""Proofs of events and notifications: from what the API says of a record to the root that was signed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import make_key, parse_note
from datastorage_common.times import rfc3339
from werkzeug.test import TestResponse

from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, NOW, Service, problem, running
from tests.integration.test_log_http import as_text, hashes, root_by_path
from tests.log_record import event_steps, notification_steps, parse
from tests.log_support import waiting
from tests.read_limits import LIMITS, NARROW, bearer, named_principals
from tests.support import PostgresServer, event, notification, wait_until

KEY = make_key("log.example/one", bytes(range(32)))
HEADERS = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(KEY.encode())
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str, key_file: Path) -> Iterator[Service]:
    """A service that signs its log, on a clock of its own, with principals of all kinds."""
    log = {"key_file": str(key_file)}
    with named_principals(), running(postgres, template, log=log, audit={"record_service": False}) as s:
        yield s


def now_event(**members: Any) -> dict[str, Any]:
    return event(**{"event_timestamp": rfc3339(NOW), **members})


def now_notification(**members: Any) -> dict[str, Any]:
    return notification(**{"sent_at": rfc3339(NOW), "notification_id": str(uuid.uuid4()), **members})


def proof(service: Service, path: str, who: str = "unlimited", **parameters: str) -> TestResponse:
    return service.client.get(f"{path}/proof", query_string=parameters, headers=bearer(who))


def signed(service: Service, path: str, **parameters: str) -> TestResponse:
    """The proof of a record, as soon as there is one."""
    answers: list[TestResponse] = []

    def there() -> bool:
        answers.append(proof(service, path, **parameters))
        return answers[-1].status_code == 200

    wait_until(there, what="the record is in a signed checkpoint")
    for early in answers[:-1]:
        slug = early.json["type"].rpartition("/")[2]
        assert (early.status_code, slug) in ((404, "not-yet-in-log"), (404, "no-checkpoint")), early.text
        assert (early.headers.get("Retry-After") == "1") == (slug == "not-yet-in-log")
        assert early.headers["Cache-Control"] == "no-store"
    return answers[-1]


def check(answer: TestResponse, leaf: bytes) -> tuple[dict[str, Any], int]:
    """What a proof says, and at which index, once it is seen to lead from this leaf to the signed root."""
    said, index, path, note = as_text(answer)
    parsed = parse_note(note.encode())
    assert KEY.verifier.signed(parsed) is not None
    point = parse_checkpoint(parsed.text)
    assert root_by_path(index, point.size, leaf, path) == point.root
    assert answer.headers["Cache-Control"] == "private, no-store"
    return said, index


def first_event(service: Service, **parameters: str) -> dict[str, Any]:
    answer = service.client.get(EVENTS, query_string=parameters, headers=bearer("unlimited"))
    row: dict[str, Any] = parse(answer.data)["data"][0]
    return row


def test_an_event(service: Service) -> None:
    ident = str(uuid.uuid4())
    body = now_event(event_id=ident, event_data={"n": 1.5, "t": "é"}, correlation_id=ident)
    posted = service.post(body, headers={**HEADERS, **bearer("unlimited")})
    assert posted.status_code == 201, posted.text
    answer = signed(service, f"{EVENTS}/{ident}")
    assert answer.content_type == "text/plain; charset=utf-8"
    row = first_event(service, correlation_id=ident)
    said = as_text(answer)[0]
    assert said.keys() == {"entry", "salt"}
    [steps] = event_steps(row, bytes.fromhex(said["salt"]))
    assert json.loads(steps.entry) == said["entry"]
    _, index = check(answer, steps.leaf)
    assert row["log_index"] == index
    by_id = service.client.get(f"{EVENTS}/{ident}", headers=bearer("unlimited"))
    assert by_id.json["log_index"] == index
    accepting = {**bearer("unlimited"), "Accept": "application/json"}
    as_json = service.client.get(f"{EVENTS}/{ident}/proof", headers=accepting)
    assert (as_json.content_type, as_json.headers["Vary"]) == ("application/json", "Accept")
    assert as_json.json["index"] == index
    assert {name: as_json.json[name] for name in said} == said
    point = parse_checkpoint(parse_note(as_json.json["checkpoint"].encode()).text)
    assert root_by_path(index, point.size, steps.leaf, hashes(as_json.json["hashes"])) == point.root


def test_a_notification(service: Service) -> None:
    body = now_notification(remediation_id="of-the-proof")
    number = service.post(body, NOTIFICATIONS, headers=bearer("unlimited")).json["id"]
    answer = signed(service, f"{NOTIFICATIONS}/{number}")
    listed = service.client.get(
        NOTIFICATIONS, query_string={"remediation_id": "of-the-proof"}, headers=bearer("unlimited")
    )
    [row] = parse(listed.data)["data"]
    assert row["recorded_by"] == "unlimited"
    steps = notification_steps(row, bytes.fromhex(as_text(answer)[0]["salt"]))
    said, index = check(answer, steps.leaf)
    assert json.loads(steps.entry) == said["entry"]
    assert row["log_index"] == index
    for wrong in (number + 1000, 0, "x"):
        assert proof(service, f"{NOTIFICATIONS}/{wrong}").status_code == 404


def test_an_id_that_was_used_on_several_days(service: Service) -> None:
    """Side by side, with notifications in between, so that nothing but the entry tells which is which."""
    ident = str(uuid.uuid4())
    for days in (2, 0, 1):
        told = now_notification()
        assert service.post(told, NOTIFICATIONS, headers=bearer("unlimited")).status_code == 201
        moment = rfc3339(NOW - timedelta(days=days))
        body = now_event(event_id=ident, event_timestamp=moment, event_data={"day": days}, correlation_id=ident)
        assert service.post(body, headers=bearer("unlimited")).status_code == 201
    seen = set()
    for days in (0, 1, 2):
        day = (NOW - timedelta(days=days)).date().isoformat()
        answer = signed(service, f"{EVENTS}/{ident}", event_date=day)
        said, index, _, _ = as_text(answer)
        assert (said["entry"]["id"], said["entry"]["on"]) == (ident, day)
        row = first_event(service, correlation_id=ident, since=day, until=f"{day}T23:59:59Z")
        [steps] = event_steps(row, bytes.fromhex(said["salt"]))
        check(answer, steps.leaf)
        assert row["log_index"] == index
        seen.add(index)
    assert len(seen) == 3
    newest = as_text(proof(service, f"{EVENTS}/{ident}"))[0]
    assert newest["entry"]["on"] == NOW.date().isoformat(), "as GET by its id"
    other = proof(service, f"{EVENTS}/{ident}", event_date="2026-01-01")
    problem(other, 404, "not-found", f"{EVENTS}/{ident}/proof")


@pytest.mark.parametrize(
    "day", ["", "2026-1-5", "2026-02-30", "2026-W01-1", "20260105", "٢٠٢٦-٠١-٠٥", "x" * 5000, "-001-01-01"]
)
def test_what_is_no_day(service: Service, day: str) -> None:
    answer = proof(service, f"{EVENTS}/{uuid.uuid4()}", event_date=day)
    assert answer.status_code == 400
    assert answer.json["field_errors"].keys() == {"event_date"}


def test_whoever_may_read_a_record_may_read_its_proof_and_nobody_else(service: Service) -> None:
    """What there is of others' records shows in nothing."""
    kinds = [(team, category) for team in ("payments", "shop", None) for category in ("gateway", "datastorage.access")]
    missing = f"{EVENTS}/{uuid.uuid4()}"
    for team, category in kinds:
        ident = str(uuid.uuid4())
        body = now_event(event_id=ident, namespace=team, event_category=category)
        assert service.post(body, headers=bearer("unlimited")).status_code == 201
        path = f"{EVENTS}/{ident}"
        signed(service, path)
        for who in LIMITS:
            answer = proof(service, path, who)
            assert answer.status_code == service.client.get(path, headers=bearer(who)).status_code
            if answer.status_code == 404:
                nothing = proof(service, missing, who)
                assert answer.data.replace(path.encode(), missing.encode()) == nothing.data
                assert answer.headers["Cache-Control"] == nothing.headers["Cache-Control"]
                assert b"salt" not in answer.data
    told = now_notification()
    number = service.post(told, NOTIFICATIONS, headers=bearer("unlimited")).json["id"]
    signed(service, f"{NOTIFICATIONS}/{number}")
    for who in NARROW:
        answer = proof(service, f"{NOTIFICATIONS}/{number}", who)
        assert answer.status_code == (200 if LIMITS[who].admits(None, "notification") else 404), who
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_a_proof_of_a_sensitive_event_is_an_access(service: Service) -> None:
    ident = str(uuid.uuid4())
    body = now_event(event_id=ident, is_sensitive=True)
    assert service.post(body, headers=bearer("unlimited")).status_code == 201
    signed(service, f"{EVENTS}/{ident}")
    accesses = service.database.query(
        "SELECT count(*) FROM audit_events "
        "WHERE event_category = 'datastorage.access' AND event_data->'event_ids' ? %s",
        ident,
    )
    assert accesses == [(1,)]


def test_a_large_page_says_where_each_is(service: Service) -> None:
    correlation = str(uuid.uuid4())
    batch = [now_event(correlation_id=correlation, event_data={"t": "x" * 180_000}) for _ in range(5)]
    assert service.post(batch, BATCH, headers=bearer("unlimited")).status_code == 201
    wait_until(lambda: waiting(service.database) == 0, what="each has its place")
    answer = service.client.get(
        EVENTS, query_string={"correlation_id": correlation, "limit": "1000"}, headers=bearer("one")
    )
    assert answer.json["data"] == []
    rows = service.client.get(
        EVENTS, query_string={"correlation_id": correlation, "limit": "1000"}, headers=bearer("unlimited")
    ).json["data"]
    indexes = sorted(row["log_index"] for row in rows)
    assert indexes == list(range(indexes[0], indexes[0] + 5))
