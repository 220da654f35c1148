"""The client's own part: attempts, tokens, exceptions, pages."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import ssl
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from datastorage_client import (
    AsyncDataStorageClient,
    Backoff,
    BatchSizeExceededError,
    BufferedAuditStore,
    BufferFullError,
    ConflictError,
    ConnectionFailedError,
    DataStorageClient,
    ProblemError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    ValidationError,
    problems,
)
from datastorage_client import transport as transport_module
from datastorage_client.connections import Connections, verification
from datastorage_client.models import (
    AuditEventAccepted,
    AuditEventCreated,
    AuditEventRequest,
    DeadLetterPage,
    DetectedLabelsRequest,
    DlqStreamName,
    NotificationChannel,
    NotificationRequest,
    StatusChange,
    StoredSeverity,
    WorkflowPatch,
    WorkflowPriority,
    WorkflowRequest,
    WorkflowSearchFilters,
    WorkflowSearchRequest,
    WorkflowSeverity,
    WorkflowStatus,
)
from datastorage_client.operations import list_dead_letters
from datastorage_client.problems import problem, retry_after
from datastorage_client.transport import address, repeatable

from app.http.problems import Problem
from tests.support import event, notification, wait_until
from tests.unit.fakes import HOUR, NOW
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
        options = {"retry_for": HOUR, **(client or {})}
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


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which take no time: the clock stands but for them."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    clock = SimpleNamespace(sleep=made.append, monotonic=lambda: sum(made))
    monkeypatch.setattr(transport_module, "time", clock)
    monkeypatch.setattr(transport_module, "asyncio", SimpleNamespace(sleep=sleep, timeout=asyncio.timeout))
    return made


def test_an_event_gets_its_id_before_the_first_attempt_and_keeps_it(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_ids = iter([CREATED["event_id"], *(str(uuid.uuid4()) for _ in range(5))])
    monkeypatch.setattr("datastorage_client.buffered.event.uuid7_text", lambda: next(made_ids))
    with StubService() as stub:
        stub.script.extend([busy(), Canned(0), busy(outcome="unknown"), Canned(502), answer(201, CREATED)])
        made = both.call(stub.url, "create_event", event())
    assert isinstance(made, AuditEventCreated)
    ids = {json.loads(r.body)["event_id"] for r in stub.requests}
    assert len(stub.requests) == 5
    assert len(ids) == 1


def test_an_answer_that_cannot_be_unpacked_is_no_answer(both: Both) -> None:
    ours = event(event_id=CREATED["event_id"])
    broken = Canned(201, b"no gzip", (("Content-Type", "application/json"), ("Content-Encoding", "gzip")))
    with StubService() as stub:
        stub.script.extend([broken, answer(201, CREATED)])
        assert isinstance(both.call(stub.url, "create_event", ours), AuditEventCreated)
        stub.script.append(broken)
        with pytest.raises(ConnectionFailedError, match=f"^127.0.0.1:{stub.url.rpartition(':')[2]}: "):
            both.call(stub.url, "create_event", ours, client={"retry_for": 0})


def test_accepted_is_an_answer_of_its_own(both: Both) -> None:
    accepted = {**CREATED, "status": "accepted"}
    with StubService() as stub:
        stub.script.append(answer(202, accepted))
        assert isinstance(both.call(stub.url, "create_event", event(event_id=CREATED["event_id"])), AuditEventAccepted)


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


def test_what_cannot_have_been_sent_is_tried_again_until_the_time_is_over(
    both: Both, waits: list[float], dead_port: int
) -> None:
    url = f"http://127.0.0.1:{dead_port}"
    with pytest.raises(ConnectionFailedError) as e:
        both.call(url, "create_workflow", WorkflowRequest.from_dict(WORKFLOW), client={"retry_for": 0.02})
    assert not e.value.sent
    assert 0.019 <= sum(waits) <= 0.02, "to the last wait of at most a millisecond that fits"


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


def test_retry_after_that_is_too_late_is_not_waited_for(both: Both, waits: list[float]) -> None:
    with StubService() as stub:
        stub.script.append(busy("buffer-full", retry_after="30"))
        with pytest.raises(BufferFullError):
            both.call(stub.url, "list_events", client={"retry_for": 5.0})
    assert waits == []


def test_retry_after_is_waited_for(both: Both, waits: list[float]) -> None:
    with StubService() as stub:
        stub.script.append(busy("buffer-full", retry_after="30"))
        both.call(stub.url, "list_events")
    [wait] = waits
    assert 30 <= wait <= 30.001, "and the random part on top"


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


A_UUID = "0197a3f0-0000-7000-8000-000000000001"
DEEP = Canned(200, b"[" * 200_000, (("Content-Type", "application/json"),))


@pytest.mark.parametrize(
    "strange",
    [
        answer(200, {"event_ids": []}),
        answer(200, {}),
        answer(200, {"event_ids": "abc"}),
        answer(200, {"event_ids": {"a": 1, "b": 2, "c": 3}}),
        answer(200, {"event_ids": ["a", "b", "c"]}),
        answer(200, {"event_ids": [1, 2, 3]}),
        answer(200, {"event_ids": [A_UUID, A_UUID, None]}),
        answer(200, {"event_ids": [A_UUID] * 2}),
        answer(200, {"event_ids": [A_UUID] * 4}),
        answer(207, {"event_ids": [A_UUID] * 3}),
        answer(200, ["event_ids"]),
        answer(200, "event_ids"),
        answer(200, None),
        Canned(200, b"ok", (("Content-Type", "text/html"),)),
        Canned(200, b'{"event_ids": ["', (("Content-Type", "application/json"),)),
        DEEP,
    ],
)
def test_only_the_service_can_acknowledge_events(strange: Canned) -> None:
    with StubService() as stub, DataStorageClient(stub.url) as client:
        stub.script.append(strange)
        with pytest.raises(UnexpectedAnswerError):
            client.send_events(b"[{}, {}, {}]", 3)
        store = BufferedAuditStore(client, flush_interval=0.01)
        stub.script.append(strange)
        taken = [store.store(event()) for _ in range(3)]
        assert store.flush(HOUR), "it is sent again"
        assert store.close()
    assert sorted(r["event_id"] for r in stub.stored()) == sorted(map(str, taken))


@pytest.mark.parametrize(
    "other",
    [
        {"event_ids": [A_UUID, A_UUID]},
        {"event_ids": [A_UUID]},
        {"event_ids": "ab"},
        {"event_ids": []},
    ],
)
def test_an_answer_about_other_events_is_none(both: Both, other: dict[str, Any]) -> None:
    two = [event(event_id=str(uuid.uuid4())) for _ in range(2)]
    with StubService() as stub:
        stub.script.append(answer(201, {"message": "created", "duplicates": [], **other}))
        with pytest.raises(UnexpectedAnswerError):
            both.call(stub.url, "create_events", two, client={"retry_for": 0})
        stub.script.append(answer(201, {**CREATED, "event_id": A_UUID}))
        with pytest.raises(UnexpectedAnswerError, match="acknowledges other events"):
            both.call(stub.url, "create_event", two[0], client={"retry_for": 0})
        assert both.call(stub.url, "create_events", [{**e, "event_id": e["event_id"].upper()} for e in two])


def test_an_answer_nested_without_end_is_none(both: Both) -> None:
    with StubService() as stub:
        stub.script.append(DEEP)
        with pytest.raises(UnexpectedAnswerError):
            both.call(stub.url, "list_events", client={"retry_for": 0})
        stub.script.append(Canned(400, b"[" * 200_000, (("Content-Type", "application/problem+json"),)))
        with pytest.raises(ProblemError, match="no problem document"):
            both.call(stub.url, "list_events", client={"retry_for": 0})


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


def test_a_time_to_retry_after_is_seen_from_the_services_clock() -> None:
    time = "Mon, 05 Jan 2026 10:00:{} GMT"
    assert retry_after(time.format("07"), time.format("02")) == 5.0
    assert retry_after(time.format("02"), time.format("07")) == 0.0
    assert retry_after("5", time.format("02")) == 5.0
    assert retry_after("Mon, 05 Jan 2026 10:00:07 +" + "9" * 30, time.format("02")) is None


def test_a_time_to_retry_after_without_a_date_is_seen_from_our_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    class Today(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return NOW

    monkeypatch.setattr(problems, "datetime", Today)
    assert retry_after(format_datetime(NOW + timedelta(seconds=30), usegmt=True)) == 30.0
    assert retry_after("Mon, 05 Jan 2026 10:00:07 +" + "9" * 30) is None


FILTERS = {"signal_type": "a", "severity": "high", "component": "c", "environment": "e", "priority": "P1"}
SEARCH = {"filters": {**FILTERS, "detected_labels": {"gitOpsTool": "argocd"}, "status": ["active"]}, "top_k": 3}
IDENT = "0197a3f0-0000-7000-8000-000000000001"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Those that would have been sent; each is refused."""
    kept: list[httpx.Request] = []

    def handle(self: Any, request: httpx.Request) -> httpx.Response:
        kept.append(request)
        return httpx.Response(400, stream=httpx.ByteStream(b""))

    async def handle_async(self: Any, request: httpx.Request) -> httpx.Response:
        return handle(self, request)

    monkeypatch.setattr(Connections, "handle_request", handle)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle_async)
    return kept


def search_filters(**members: Any) -> WorkflowSearchFilters:
    """Those of SEARCH, with texts in place of enumerations and a dict in place of a model."""
    return WorkflowSearchFilters(
        **{**FILTERS, "detected_labels": {"gitOpsTool": "argocd"}, "status": ["active"], **members}
    )


@pytest.mark.parametrize(
    ("name", "arguments", "sent"),
    [
        ("search_workflows", [SEARCH], SEARCH),
        ("search_workflows", [WorkflowSearchRequest.from_dict(SEARCH)], SEARCH),
        ("search_workflows", [WorkflowSearchRequest(search_filters(), top_k=3)], SEARCH),
        ("search_workflows", [{"filters": search_filters(), "top_k": 3}], SEARCH),
        ("search_workflows", [WorkflowSearchRequest(SEARCH["filters"], top_k=3)], SEARCH),  # type: ignore[arg-type]
        (
            "search_workflows",
            [
                WorkflowSearchRequest(
                    search_filters(
                        severity=WorkflowSeverity.HIGH,
                        priority=WorkflowPriority.P1,
                        detected_labels=DetectedLabelsRequest(git_ops_tool="argocd"),  # type: ignore[arg-type]
                        status=[WorkflowStatus.ACTIVE],
                    ),
                    top_k=3,
                )
            ],
            SEARCH,
        ),
        ("search_workflows", [{"filters": {"severity": "no such"}}], {"filters": {"severity": "no such"}}),
        ("create_workflow", [WORKFLOW], WORKFLOW),
        ("create_workflow", [WorkflowRequest(**WORKFLOW)], WORKFLOW),  # type: ignore[arg-type]
        ("create_workflow", [{}], {}),
        ("create_workflows", [[WORKFLOW, WorkflowRequest.from_dict(WORKFLOW)]], [WORKFLOW, WORKFLOW]),
        ("create_workflows", [(WorkflowRequest(**WORKFLOW),)], [WORKFLOW]),  # type: ignore[arg-type]
        ("update_workflow", [IDENT, {"status": "disabled"}], {"status": "disabled"}),
        ("update_workflow", [IDENT, WorkflowPatch(status="disabled")], {"status": "disabled"}),  # type: ignore[arg-type]
        ("update_workflow", [IDENT, WorkflowPatch(WorkflowStatus.DISABLED)], {"status": "disabled"}),
        ("disable_workflow", [IDENT, {"reason": "r"}], {"reason": "r"}),
        ("disable_workflow", [IDENT, {}], {}),
        ("disable_workflow", [IDENT], None),
        ("enable_workflow", [IDENT, StatusChange(reason="r")], {"reason": "r"}),
        ("enable_workflow", [IDENT, {"reason": "r"}], {"reason": "r"}),
    ],
)
def test_dicts_and_texts_are_taken_where_models_and_their_members_are(
    both: Both, requests: list[httpx.Request], name: str, arguments: list[Any], sent: Any
) -> None:
    with pytest.raises(ProblemError):
        both.call("http://service", name, *arguments)
    assert [json.loads(r.content or b"null") for r in requests] == [sent]


def test_events_and_records_as_models_with_texts_and_dicts(both: Both, requests: list[httpx.Request]) -> None:
    moment = datetime(2026, 1, 5, 10, tzinfo=UTC)
    defaults = {"severity": "info", "is_sensitive": False, "retention_days": 2555}
    members = event(event_id=IDENT, event_timestamp=moment.isoformat(), **defaults)
    record = notification(sent_at=moment.isoformat(), escalation_level=0)
    for name, given, sent in (
        ("create_event", AuditEventRequest(**members), members),
        ("create_event", {**members, "event_timestamp": moment}, members),
        ("create_events", [AuditEventRequest(**members)], [members]),
        ("create_notification", NotificationRequest(**record), record),
        ("create_notification", {**record, "sent_at": moment, "channel": NotificationChannel.EMAIL}, record),
    ):
        with pytest.raises(ProblemError):
            both.call("http://service", name, given)
        assert json.loads(requests.pop().content) == sent


def test_a_label_is_a_value_or_a_list_of_them(both: Both, requests: list[httpx.Request]) -> None:
    for label in ("high", StoredSeverity.HIGH):
        for given in (label, [label]):
            made = WorkflowRequest.from_dict(WORKFLOW)
            made.labels.severity = given  # type: ignore[assignment]
            with pytest.raises(ProblemError):
                both.call("http://service", "create_workflow", made)
            sent = json.loads(requests.pop().content)["labels"]["severity"]
            assert sent == (["high"] if isinstance(given, list) else "high")
            assert made.labels.severity is given, "the caller's model stays as it is"


def test_a_text_that_is_no_member_is_named_with_those_that_are(both: Both, requests: list[httpx.Request]) -> None:
    made = WorkflowRequest.from_dict(WORKFLOW)
    made.labels.severity = "hihg"  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"^severity is 'hihg' and not one of: critical, high, low, medium, \*$"):
        both.call("http://service", "create_workflow", made)
    assert not requests


def test_filters_take_texts_and_members(both: Both, requests: list[httpx.Request]) -> None:
    for status in ("active", WorkflowStatus.ACTIVE):
        with pytest.raises(ProblemError):
            both.call("http://service", "list_workflows", status=status, severity="*", latest=True, limit=2)
    for channel in ("email", NotificationChannel.EMAIL):
        with pytest.raises(ProblemError):
            both.call("http://service", "iter_notifications", channel=channel, since=datetime(2026, 1, 5, tzinfo=UTC))
    listed = {"status": "active", "severity": "*", "latest": "true", "limit": "2", "offset": "0"}
    iterated = {"channel": "email", "since": "2026-01-05T00:00:00+00:00", "limit": "500", "count": "none"}
    assert [dict(r.url.params) for r in requests] == [listed, listed, iterated, iterated]


@pytest.mark.parametrize(
    ("name", "wrong", "there"),
    [
        ("iter_events", "corelation_id", ["page_size", "correlation_id", "data"]),
        ("iter_events", "limit", ["page_size"]),
        ("iter_events", "cursor", ["page_size"]),
        ("iter_notifications", "kinds", ["page_size", "remediation_id"]),
        ("iter_notifications", "limit", ["page_size"]),
        ("list_events", "page_size", ["limit", "offset", "exact_total", "correlation_id"]),
        ("list_workflows", "bogus", ["limit", "offset", "status", "latest"]),
    ],
)
def test_a_wrong_argument_is_named_at_the_call_with_those_that_exist(
    both: Both, dead_port: int, name: str, wrong: str, there: list[str]
) -> None:
    url = f"http://127.0.0.1:{dead_port}"
    client = DataStorageClient(url) if both.kind == "sync" else AsyncDataStorageClient(url)
    # Iterators are made and nothing is taken from them: the error comes before.
    call: Callable[..., Any] = getattr(client, name)
    if not name.startswith("iter_"):
        call = functools.partial(both.call, url, name)
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{wrong}': there are ") as e:
        call(**{wrong: 1})
    assert set(there) <= set(str(e.value).partition("there are ")[2].split(", "))
    assert "_ask" not in str(e.value)


def test_both_clients_take_the_same_arguments() -> None:
    def arguments(kind: type) -> dict[str, list[str]]:
        return {
            name: [str(p).replace("AsyncStop", "Stop") for p in inspect.signature(method).parameters.values()]
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert arguments(AsyncDataStorageClient) == arguments(DataStorageClient)


def test_an_operation_without_a_method_goes_the_same_way(both: Both) -> None:
    letters = {"dead_letters": [], "pagination": {"limit": 50, "has_more": False, "next_cursor": None}}
    with StubService() as stub:
        stub.script += [busy(), answer(200, letters), answer(203, letters)]
        page = both.call(stub.url, "call", list_dead_letters, stream=DlqStreamName.EVENTS)
        assert isinstance(page, DeadLetterPage)
        assert [(r.path, r.query["stream"]) for r in stub.requests] == [("/api/v1/dlq/dead-letters", "events")] * 2
        with pytest.raises(UnexpectedAnswerError, match="of no kind"):
            both.call(stub.url, "call", list_dead_letters)


@pytest.mark.parametrize(
    ("name", "arguments", "more", "error"),
    [
        ("create_workflow", ["text"], {}, TypeError),
        ("create_workflow", [{**WORKFLOW, "parameters": {1, 2}}], {}, TypeError),
        ("create_workflow", [{**WORKFLOW, "expected_success_rate": float("nan")}], {}, ValueError),
        ("create_workflow", [{**WORKFLOW, "approved_at": datetime(2026, 1, 5)}], {}, ValueError),
        ("create_workflow", [{**WORKFLOW, "name": "\udcff"}], {}, ValueError),
        ("create_workflows", [WORKFLOW], {}, TypeError),
        ("create_workflows", [WorkflowRequest.from_dict(WORKFLOW)], {}, TypeError),
        ("create_events", [event()], {}, TypeError),
        ("create_event", [{"event_data": {"n": float("inf")}}], {}, ValueError),
        ("update_workflow", ["not a uuid", {}], {}, ValueError),
        ("search_workflows", [None], {}, TypeError),
        ("iter_events", [], {"data": {"x": object()}}, TypeError),
        ("list_events", [], {"correlation_id": "\udcff"}, ValueError),
    ],
)
def test_what_makes_no_request_is_the_callers_error(
    both: Both, name: str, arguments: list[Any], more: dict[str, Any], error: type[Exception]
) -> None:
    with StubService() as stub:
        with pytest.raises(error):
            both.call(stub.url, name, *arguments, **more)
        assert not stub.requests


def test_an_error_of_the_tokens_source_is_no_answer_of_the_service(both: Both) -> None:
    def token() -> str:
        raise KeyError("no such file")

    with StubService() as stub:
        with pytest.raises(KeyError, match="no such file"):
            both.call(stub.url, "list_events", client={"token": token})
        assert not stub.requests


@pytest.mark.parametrize("wrong", ["s3cret\0", "s3cret\nx", "s3cr€t", " "])
def test_a_token_that_cannot_be_sent_is_not_told(both: Both, wrong: str) -> None:
    with StubService() as stub:
        with pytest.raises(ValueError, match="the token is empty or has") as e:
            both.call(stub.url, "list_events", client={"token": wrong})
        assert "s3cr" not in str(e.value)
        both.call(stub.url, "list_events", client={"token": "of-a-file\n"})
        assert [authorization(r) for r in stub.requests] == ["Bearer of-a-file"]


@pytest.mark.parametrize("kind", [DataStorageClient, AsyncDataStorageClient])
@pytest.mark.parametrize("url", ["127.0.0.1:8080", "localhost:8080", "ftp://x", "http://", ""])
def test_what_is_no_url_of_a_service_is_refused_at_once(kind: Any, url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        kind(url)


def test_a_certificate_is_verified_however_the_scheme_is_written() -> None:
    context = verification("HTTPS://example.org", True)
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_no_answer_names_the_address_and_no_secret(both: Both, dead_port: int) -> None:
    url = f"http://user:s3cret@127.0.0.1:{dead_port}/prefix"
    with pytest.raises(ConnectionFailedError) as e:
        both.call(url, "list_events", correlation_id="c", client={"retry_for": 0, "token": "s3cret"})
    reason = "[Errno 111] Connection refused" if both.kind == "sync" else "All connection attempts failed"
    assert str(e.value) == f"127.0.0.1:{dead_port}: {reason}"


@pytest.mark.parametrize(
    "strange",
    [Canned(200, b"<html>", (("Content-Type", "text/html"),)), answer(200, {"hello": "world"}), answer(299, {})],
)
def test_an_unexpected_answer_names_the_address_and_no_secret(both: Both, strange: Canned) -> None:
    with StubService() as stub:
        stub.script.append(strange)
        host = stub.url.removeprefix("http://")
        with pytest.raises(UnexpectedAnswerError) as e:
            both.call(f"http://user:s3cret@{host}", "list_events", client={"retry_for": 0, "token": "s3cret"})
    assert str(e.value).startswith(f"{host}: the answer ")
    assert "s3cret" not in str(e.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:p@example.org/a?b=c", "example.org:80"),
        ("https://example.org", "example.org:443"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert address(httpx.URL(url)) == shown


def test_the_stores_log_names_the_address_and_no_secret(caplog: pytest.LogCaptureFixture, dead_port: int) -> None:
    with DataStorageClient(f"http://user:s3cret@127.0.0.1:{dead_port}", token="s3cret") as client:
        store = BufferedAuditStore(client, flush_interval=0.01)
        store.store(event())
        wait_until(lambda: "audit events cannot be written now" in caplog.text, what="the line of the first attempt")
        store.close(timeout=0)
    said = f"cannot be written now and wait (1 of them, attempt 1): 127.0.0.1:{dead_port}: [Errno 111]"
    assert said in caplog.text
    assert "s3cret" not in caplog.text
