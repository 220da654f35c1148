"""The client's own part: attempts, tokens, exceptions, pages."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any

import httpx
import pytest
from datastorage_client import (
    AsyncDataStorageClient,
    Backoff,
    BatchSizeExceededError,
    BufferFullError,
    ConflictError,
    ConnectionFailedError,
    DataStorageClient,
    ProblemError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    ValidationError,
)
from datastorage_client.models import AuditEventAccepted, AuditEventCreated, WorkflowRequest
from datastorage_client.problems import problem, retry_after
from datastorage_client.transport import repeatable

from app.problems import Problem
from tests.support import event, free_port, notification
from tests.unit.stub_service import Canned, Request, StubService, busy

CREATED = {"event_id": str(uuid.uuid4()), "event_timestamp": "2026-01-05T10:00:00Z", "message": "created"}
WORKFLOW = {
    "workflow_name": "w",
    "version": "1",
    "name": "n",
    "description": "d",
    "content": "c",
    "execution_engine": "tekton",
    "labels": {"signal_type": "a", "severity": "high", "component": "c", "environment": "e", "priority": "P1"},
}


def answer(status: int, body: Any, **headers: str) -> Canned:
    sent = (("Content-Type", "application/json"), *headers.items())
    return Canned(status, json.dumps(body).encode(), sent)


def refused(slug: str, **members: Any) -> Canned:
    made = Problem(slug, "no", members=members)
    headers = (("Content-Type", "application/problem+json"), *made.headers.items())
    return Canned(made.kind.status, made.body("https://kubernaut.ai/problems", "/x"), headers)


def authorization(request: Request) -> str:
    return httpx.Headers(request.headers)["Authorization"]


class Both:
    """A call of either client, by name: what holds for one holds for the other."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def call(self, url: str, name: str, *arguments: Any, client: dict[str, Any] | None = None, **more: Any) -> Any:
        options = {"retry_for": 5.0, **(client or {})}
        if self.kind == "sync":
            with DataStorageClient(url, **options) as made:
                result = getattr(made, name)(*arguments, **more)
                return list(result) if name.startswith("iter_") else result

        async def run() -> Any:
            async with AsyncDataStorageClient(url, **options) as made:
                result = getattr(made, name)(*arguments, **more)
                return [row async for row in result] if name.startswith("iter_") else await result

        return asyncio.run(run())


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off of a millisecond; Retry-After as it is."""
    wait = Backoff.wait
    monkeypatch.setattr(Backoff, "wait", lambda self, n, after=None: wait(Backoff(0.001, 0.001), n, after))


def test_an_event_gets_its_id_before_the_first_attempt_and_keeps_it(both: Both) -> None:
    with StubService() as stub:
        stub.script.extend([busy(), Canned(0), busy(outcome="unknown"), Canned(502), answer(201, CREATED)])
        made = both.call(stub.url, "create_event", event())
    assert isinstance(made, AuditEventCreated)
    ids = {json.loads(r.body)["event_id"] for r in stub.requests}
    assert len(stub.requests) == 5
    assert len(ids) == 1


def test_accepted_is_an_answer_of_its_own(both: Both) -> None:
    accepted = {**CREATED, "status": "accepted"}
    with StubService() as stub:
        stub.script.append(answer(202, accepted))
        assert isinstance(both.call(stub.url, "create_event", event()), AuditEventAccepted)


def test_batches_and_pages(both: Both) -> None:
    with StubService() as stub:
        for n in range(3):
            made = both.call(stub.url, "create_events", [event(event_data={"n": n, "m": m}) for m in range(4)])
            assert len(made.event_ids) == 4
        rows = both.call(stub.url, "iter_events", page_size=5, correlation_id="correlation-1", event_outcome="success")
        assert len({r.event_id for r in rows}) == 12
        pages = [r.query for r in stub.requests if r.method == "GET"]
        assert [("cursor" in q, q["limit"], q["count"]) for q in pages] == [
            (False, "5", "none"),
            (True, "5", "none"),
            (True, "5", "none"),
        ]
        assert not any("offset" in q for q in pages), "a cursor excludes it"
        assert both.call(stub.url, "get_event", str(rows[0].event_id)).event_id == rows[0].event_id


def test_a_notification_that_is_stored_already_is_no_error(both: Both) -> None:
    with StubService() as stub:
        stub.script.extend([Canned(0), refused("conflict", identical=True)])
        assert both.call(stub.url, "create_notification", notification()) is None
        assert len(stub.requests) == 2
        stub.script.append(refused("conflict", identical=False))
        with pytest.raises(ConflictError) as e:
            both.call(stub.url, "create_notification", notification())
        assert not e.value.identical


@pytest.mark.parametrize("failure", [Canned(0), busy(), busy(outcome="unknown"), Canned(504)])
def test_a_workflow_is_not_created_twice(both: Both, failure: Canned) -> None:
    with StubService() as stub:
        stub.script.append(failure)
        with pytest.raises((ConnectionFailedError, ProblemError)):
            both.call(stub.url, "create_workflow", WorkflowRequest.from_dict(WORKFLOW))
        assert len(stub.requests) == 1


def test_what_cannot_have_been_sent_is_tried_again_until_the_time_is_over(both: Both) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError) as e:
        both.call(url, "create_workflow", WorkflowRequest.from_dict(WORKFLOW), client={"retry_for": 0.2})
    assert not e.value.sent
    assert time.monotonic() - began >= 0.15


def test_problems_are_exceptions(both: Both) -> None:
    with StubService() as stub:
        stub.script.append(refused("validation-error", field_errors={"event_type": "is required"}))
        with pytest.raises(ValidationError) as e:
            both.call(stub.url, "create_event", event(event_type=...))
        assert e.value.status == 400
        assert e.value.slug == "validation-error"
        assert e.value.title == "Validation Error"
        assert e.value.instance == "/x"
        assert e.value.field_errors == {"event_type": "is required"}
        assert str(e.value) == "Validation Error: no (event_type: is required)"
        stub.script.append(refused("batch-size-exceeded"))
        with pytest.raises(BatchSizeExceededError):
            both.call(stub.url, "create_events", [event()])
        stub.script.append(refused("service-unavailable"))
        with pytest.raises(UnavailableError) as u:
            both.call(stub.url, "list_events", client={"retry_for": 0})
        assert u.value.retry_after == 5
        assert len(stub.requests) == 3


def test_retry_after_that_is_too_late_is_not_waited_for(both: Both) -> None:
    with StubService() as stub:
        stub.script.append(busy("buffer-full", retry_after="30"))
        began = time.monotonic()
        with pytest.raises(BufferFullError):
            both.call(stub.url, "list_events")
        assert time.monotonic() - began < 4


def test_retry_after_is_waited_for(both: Both) -> None:
    with StubService() as stub:
        stub.script.append(busy("buffer-full", retry_after="1"))
        began = time.monotonic()
        both.call(stub.url, "list_events")
        assert time.monotonic() - began >= 1


def test_tokens_rotate(both: Both) -> None:
    tokens = iter(["old", "new", "new"])
    with StubService() as stub:
        stub.script.append(refused("unauthorized"))
        both.call(stub.url, "list_events", client={"token": lambda: next(tokens)})
        assert [authorization(r) for r in stub.requests] == ["Bearer old", "Bearer new"]
        stub.script.append(refused("unauthorized"))
        with pytest.raises(UnauthorizedError):
            both.call(stub.url, "list_events", client={"token": lambda: "stale"})
        assert len(stub.requests) == 3, "the same token once more would be of no use"
        both.call(stub.url, "list_events", client={"token": "fixed"})
        assert authorization(stub.requests[-1]) == "Bearer fixed"


def test_tokens_of_a_coroutine_function() -> None:
    async def token() -> str:
        return "later"

    with StubService() as stub:
        Both("async").call(stub.url, "list_events", client={"token": token})
        assert authorization(stub.requests[-1]) == "Bearer later"


def test_an_answer_of_somebody_else(both: Both) -> None:
    with StubService() as stub:
        for strange in (
            Canned(200, b"<html>", (("Content-Type", "text/html"),)),
            answer(200, {"hello": "world"}),
            answer(200, []),
            Canned(302, b"", (("Location", "/login"),)),
        ):
            stub.script.append(strange)
            with pytest.raises((UnexpectedAnswerError, ProblemError)):
                both.call(stub.url, "list_events", client={"retry_for": 0})


@pytest.mark.parametrize(
    "strange", [answer(200, {"event_ids": []}), answer(200, {}), Canned(200, b"ok", (("Content-Type", "text/html"),))]
)
def test_only_the_service_can_acknowledge_events(strange: Canned) -> None:
    with StubService() as stub, DataStorageClient(stub.url) as client:
        stub.script.append(strange)
        with pytest.raises(UnexpectedAnswerError):
            client.send_events(b"[{}]", 1)


def test_sending_for_the_store_is_one_attempt() -> None:
    with StubService() as stub, DataStorageClient(stub.url) as client:
        stub.script.append(busy())
        with pytest.raises(UnavailableError):
            client.send_events(json.dumps([event(event_id=str(uuid.uuid4()))]).encode(), 1)
        assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "again"),
    [
        ("GET", "/api/v1/workflows", None, True),
        ("POST", "/api/v1/audit/events", {"event_id": "x"}, True),
        ("POST", "/api/v1/audit/events", {}, False),
        ("POST", "/prefix/api/v1/audit/events/batch", [{"event_id": "x"}], True),
        ("POST", "/api/v1/audit/events/batch", [{"event_id": "x"}, {}], False),
        ("POST", "/api/v1/audit/notifications", {}, True),
        ("POST", "/api/v1/workflows/search", {}, True),
        ("POST", "/api/v1/workflows", {}, False),
        ("PATCH", "/api/v1/workflows/1", {}, False),
        ("DELETE", "/api/v1/dlq/dead-letters/1", None, False),
    ],
)
def test_what_may_be_repeated(method: str, path: str, body: Any, again: bool) -> None:
    content = None if body is None else json.dumps(body).encode()
    assert repeatable(httpx.Request(method, f"http://x{path}", content=content)) is again


def test_a_problem_of_nobody() -> None:
    for content in (b"<html>", b"[1]", b"{"):
        made = problem(502, httpx.Headers({"Content-Type": "application/json"}), content)
        assert type(made) is ProblemError
        assert (made.title, made.slug, made.type) == ("HTTP 502", "", "about:blank")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("5", 5.0), ("x", None), ("99999999", 3600.0), ("Mon, 05 Jan 2026 10:00:00 GMT", 0.0), ("-1", None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds
