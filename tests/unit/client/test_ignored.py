"""What the service ignored is said in the log, once for each name, by every way of sending, and hinders nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from datastorage_client import BufferedAuditStore, DataStorageClient, ignored
from datastorage_client.cli.http_client import HTTPClient

from tests.unit.client.test_client import CREATED, WORKFLOW, Both, answer, both
from tests.unit.fakes import HOUR, UUID_1, event
from tests.unit.stub_service import StubService

__all__ = ["both"]


@pytest.fixture(autouse=True)
def _a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ignored, "_told", set())


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


def said(caplog: pytest.LogCaptureFixture) -> list[Any]:
    of_ours = [r for r in caplog.records if r.name == "datastorage_client.ignored"]
    assert {r.levelno for r in of_ours} <= {logging.WARNING}
    return [r.args[0] for r in of_ours if isinstance(r.args, tuple)]


def test_each_name_is_said_once(both: Both, stub: StubService, caplog: pytest.LogCaptureFixture) -> None:
    created = {**CREATED, "event_id": UUID_1}
    for names in (["actor"], ["actor", "target"], ["target"]):
        stub.script.append(answer(201, {**created, "ignored": names}))
        made = both.call(stub.url, "create_event", event(event_id=UUID_1, actor="x"))
        assert made.ignored == names
    assert said(caplog) == ["actor", "target"]
    assert "does not know the member 'actor' and ignored it" in caplog.text


def test_of_a_batch_and_of_workflows(both: Both, stub: StubService, caplog: pytest.LogCaptureFixture) -> None:
    body = {"event_ids": [UUID_1], "message": "m", "duplicates": [], "ignored": {"0": ["one", "two"]}}
    stub.script.append(answer(201, body))
    made = both.call(stub.url, "create_events", [event(event_id=UUID_1)])
    assert made.ignored.to_dict() == {"0": ["one", "two"]}
    stored = {**WORKFLOW, "workflow_id": UUID_1, "content_hash": "0" * 64, "status": "active", "detected_labels": {}}
    stored |= {"total_executions": 0, "successful_executions": 0, "is_latest_version": True}
    stored |= {"created_at": "2026-01-05T10:00:00Z", "updated_at": "2026-01-05T10:00:00Z"}
    stub.script.append(answer(201, {**stored, "ignored": ["bogus"]}))
    assert both.call(stub.url, "create_workflow", {**WORKFLOW, "bogus": 1}).ignored == ["bogus"]
    assert said(caplog) == ["one", "two", "bogus"]


def test_of_the_buffered_store(stub: StubService, caplog: pytest.LogCaptureFixture) -> None:
    with DataStorageClient(stub.url) as client, BufferedAuditStore(client) as store:
        for _ in range(2):
            body = {"event_ids": [UUID_1], "message": "m", "duplicates": [], "ignored": {"0": ["actor"]}}
            stub.script.append(answer(201, body))
            store.store(event(event_id=UUID_1, actor="x"))
            assert store.flush(timeout=HOUR)
        assert store.stats().written == 2
    assert said(caplog) == ["actor"]


def test_of_the_commands(stub: StubService, caplog: pytest.LogCaptureFixture) -> None:
    stub.script.append(answer(202, {"ignored": {"3": ["actor"]}}))
    assert HTTPClient(stub.url).post("/api/v1/audit/events/batch", b"[]", repeatable=True).status == 202
    assert said(caplog) == ["actor"]


def told(content: bytes, method: str = "POST") -> None:
    request = httpx.Request(method, "http://127.0.0.1/api/v1/audit/events")
    ignored.warn_of_ignored(request, httpx.Response(200, content=content))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b'{"ignored"', b'["ignored"]', b'{"ignored": 5}', b'{"ignored": [5, null]}'),
        *(b'{"ignored": {"0": 1}}', b'{"a": "\\"ignored\\""}', b'{"ignored": ' + b"[" * 100_000),
    ],
)
def test_an_answer_of_another_form_is_no_fault(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    told(content)
    assert said(caplog) == []


def test_of_a_change(caplog: pytest.LogCaptureFixture) -> None:
    told(b'{"ignored": ["created_at"]}', "PATCH")
    assert said(caplog) == ["created_at"]


def test_what_is_only_read_is_not_looked_into(caplog: pytest.LogCaptureFixture) -> None:
    told(b'{"ignored": ["a"]}', "GET")
    assert said(caplog) == []


def test_a_name_breaks_no_line_and_made_up_ones_end(caplog: pytest.LogCaptureFixture) -> None:
    told(json.dumps({"ignored": ["a\nb\x1b[31m", *(f"m{n}" for n in range(1500))]}).encode())
    assert len(said(caplog)) == 1000
    assert all(r.getMessage().isprintable() for r in caplog.records)
