"""The HTTP client: exact numbers, bounded waits, what is tried again and what is not."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from datastorage_client import connections, transport
from datastorage_client.cli import errors, http_client
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.errors import DEFAULT_URL, ProblemError, ServiceError, UnreachableError
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import check_url
from datastorage_common.terminal import printable

from tests.unit.client.test_deadlines import LIMIT_S, Act, body, chunks, head, serving, sip
from tests.unit.fakes import NOW
from tests.unit.stub_service import Canned, StubService, busy

JSON = (("Content-Type", "application/json"),)
PROBLEM = (("Content-Type", "application/problem+json"),)
LOST = Canned(0)


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(transport, "time", made)
    return made


@pytest.fixture
def client(stub: StubService, time: Time) -> HTTPClient:
    return HTTPClient(stub.url, random=lambda: 1.0)


def test_numbers_come_back_exact(stub: StubService, client: HTTPClient) -> None:
    stub.script.append(Canned(200, b'{"big": 123456789012345678901234567890, "small": 0.1000000000000000055}', JSON))
    body = client.get("/api/v1/x").object()
    assert body == {"big": Decimal("123456789012345678901234567890"), "small": Decimal("0.1000000000000000055")}


def test_query_is_encoded(stub: StubService, client: HTTPClient) -> None:
    stub.script.append(Canned(200, b"{}", JSON))
    client.get("/api/v1/x", {"since": "2026-01-05T10:00:00+01:00", "data": '{"a b": "&="}'})
    assert stub.requests[0].query == {"since": "2026-01-05T10:00:00+01:00", "data": '{"a b": "&="}'}


def test_busy_is_tried_again_with_growing_waits(stub: StubService, client: HTTPClient, time: Time) -> None:
    stub.script.extend([busy(), busy(), busy(), Canned(200, b"{}", JSON)])
    assert client.post("/api/v1/x", b"[]", repeatable=True).status == 200
    assert time.waits == [0.25, 0.5, 1.0]


def test_jitter_takes_off_up_to_all(stub: StubService, time: Time) -> None:
    client = HTTPClient(stub.url, random=lambda: 0.0)
    stub.script.extend([busy(), Canned(200, b"{}", JSON)])
    client.get("/api/v1/x")
    assert time.waits == [0.0]


def test_retry_after_is_waited_for(stub: StubService, client: HTTPClient, time: Time) -> None:
    stub.script.extend([busy(retry_after="5"), Canned(200, b"{}", JSON)])
    client.get("/api/v1/x")
    assert time.waits == [5.25], "and the back-off on top, so that not all come back at once"


def test_the_end_of_a_limit_is_waited_for_as_long_as_it_takes(
    stub: StubService, client: HTTPClient, time: Time
) -> None:
    limited = busy("rate-limit-exceeded", retry_after="3000")
    stub.script.extend([limited._replace(status=429)] * 3 + [Canned(200, b"{}", JSON)])
    client.get("/api/v1/x")
    assert time.waits == [3000.25, 3000.5, 3001.0]


def test_retry_after_as_a_date_is_seen_from_the_services_clock(
    stub: StubService, client: HTTPClient, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda self: format_datetime(NOW, usegmt=True))
    later = format_datetime(NOW + timedelta(seconds=30), usegmt=True)
    stub.script.extend([busy(retry_after=later), Canned(200, b"{}", JSON)])
    client.get("/api/v1/x")
    assert time.waits == [30.25]


def test_unreadable_retry_after_counts_for_nothing(stub: StubService, client: HTTPClient, time: Time) -> None:
    stub.script.extend([busy(retry_after="soon"), Canned(200, b"{}", JSON)])
    client.get("/api/v1/x")
    assert time.waits == [0.25]


def test_retries_end_at_the_limit(stub: StubService, client: HTTPClient, time: Time) -> None:
    stub.script.extend([busy()] * 100)
    with pytest.raises(ProblemError) as e:
        client.get("/api/v1/x")
    assert e.value.status == 503
    assert 50 < time.now <= 60


def test_a_wait_past_the_limit_is_not_begun(stub: StubService, client: HTTPClient, time: Time) -> None:
    stub.script.append(busy(retry_after="9" * 400))
    with pytest.raises(ProblemError):
        client.get("/api/v1/x")
    assert time.waits == []


def test_the_end_of_a_limit_is_waited_for_with_a_word(
    stub: StubService, client: HTTPClient, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = Canned(429, busy("rate-limit-exceeded").body, (*busy().headers[:1], ("Retry-After", "14")))
    stub.script.extend([busy(), limited, Canned(200, b"{}", JSON)])
    client.get("/api/v1/x")
    assert capsys.readouterr().err == "datastorage: the limit is used up; waiting 14 s\n"


def test_waits_are_announced(stub: StubService, client: HTTPClient) -> None:
    heard: list[tuple[float, str]] = []
    client.on_wait = lambda seconds, why: heard.append((seconds, str(why)))
    stub.script.extend([busy(), Canned(200, b"{}", JSON)])
    client.get("/api/v1/x")
    assert [(wait, why.splitlines()[0]) for wait, why in heard] == [(0.25, "Service Unavailable: please retry")]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_other_busy_answers(stub: StubService, client: HTTPClient, status: int) -> None:
    stub.script.extend([Canned(status), Canned(200, b"{}", JSON)])
    assert client.post("/api/v1/x", b"[]", repeatable=True).status == 200


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (busy(), True),
        (Canned(429), True),
        (busy(outcome="unknown"), False),
        (Canned(502), False),
        (Canned(504), False),
        (LOST, False),
    ],
)
def test_what_must_not_be_repeated_is_sent_again_only_if_nothing_was_kept(
    stub: StubService, client: HTTPClient, answer: Canned, again: bool
) -> None:
    stub.script.extend([Canned(200, b"{}", JSON), answer, Canned(200, b"{}", JSON)])
    client.get("/api/v1/first")
    if again:
        client.post("/api/v1/x", b"{}", repeatable=False)
    else:
        with pytest.raises(ServiceError):
            client.post("/api/v1/x", b"{}", repeatable=False)
    assert len(stub.requests) == (3 if again else 2)


def test_in_doubt_is_repeated_where_that_is_safe(stub: StubService, client: HTTPClient) -> None:
    stub.script.extend([busy(outcome="unknown"), Canned(200, b"{}", JSON)])
    assert client.post("/api/v1/x", b"[]", repeatable=True).status == 200


def test_a_lost_connection_is_repeated_where_that_is_safe(stub: StubService, client: HTTPClient) -> None:
    stub.script.extend([Canned(200, b"{}", JSON), LOST, LOST, Canned(200, b"{}", JSON)])
    client.get("/api/v1/first")
    assert client.post("/api/v1/x", b"[]", repeatable=True).status == 200
    assert len(stub.requests) == 4


def test_a_service_that_never_answered_is_not_waited_for(time: Time, dead_port: int) -> None:
    url = f"http://127.0.0.1:{dead_port}"
    client = HTTPClient(url)
    with pytest.raises(UnreachableError) as e:
        client.get("/api/v1/x")
    assert time.waits == []
    assert str(e.value) == (
        f"no service answers at {url} (connection refused). Say where it is with --url or DATASTORAGE_URL"
    )


def test_make_run_is_advised_only_where_it_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def advice(url: str) -> str:
        return str(UnreachableError(url, "connection refused", connected=False)).partition(". ")[2]

    assert advice(DEFAULT_URL).startswith("Start one with `make run`, or say where it is with --url")
    assert advice("http://datastorage:8080").startswith("Say where it is with --url")
    monkeypatch.setattr(errors, "_MAKEFILE", tmp_path / "Makefile")  # an image
    assert advice(DEFAULT_URL).startswith("Say where it is with --url")


def test_a_service_that_went_away_is_waited_for(time: Time) -> None:
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        with StubService(held.getsockname()[1]) as stub:
            client = HTTPClient(stub.url, random=lambda: 1.0)
            stub.script.append(Canned(200, b"{}", (*JSON, ("Connection", "close"))))
            client.get("/api/v1/x")
        with pytest.raises(UnreachableError):
            client.get("/api/v1/x")
    assert len(time.waits) > 5


def test_unknown_host_is_one_clear_line(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # a resolver may be slow, or know every name
    client = HTTPClient("http://no-such-host.invalid")
    with pytest.raises(UnreachableError, match=r"no service answers at http://no-such-host.invalid"):
        client.get("/api/v1/x")


def test_silence_is_bounded(time: Time) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = HTTPClient(url, read_timeout_s=0.05)
        with pytest.raises(UnreachableError, match=r"no whole answer within 0.05 s") as e:
            client.get("/api/v1/x")
    assert e.value.connected


@pytest.mark.parametrize("act", [head, body, chunks, sip])
def test_an_attempt_ends_at_its_deadline(act: Act, time: Time) -> None:
    large = b'"' + b"x" * 8_000_000 + b'"'
    with serving(act) as url:
        client = HTTPClient(url, read_timeout_s=LIMIT_S)
        with pytest.raises(UnreachableError, match=rf"no whole answer within {LIMIT_S} s") as e:
            client.post("/api/v1/x", large if act is sip else b"1", repeatable=False)
    assert e.value.connected


def test_a_chunk_of_less_than_nothing_is_no_answer() -> None:
    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n")

    with serving(act) as url, pytest.raises(UnreachableError, match="the connection broke off") as e:
        HTTPClient(url).get("/api/v1/x")
    assert e.value.connected


def test_a_connection_is_used_again(stub: StubService, client: HTTPClient) -> None:
    stub.script.extend([Canned(200, b"{}", JSON)] * 3)
    for _ in range(3):
        client.get("/api/v1/x")
    assert len({r.peer for r in stub.requests}) == 1


def test_an_answer_has_a_size(stub: StubService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_ANSWER_BYTES", 1_000_000)
    client = HTTPClient(stub.url)
    stub.script.append(Canned(200, b" " * 1_000_000, JSON))
    with pytest.raises(ServiceError, match="not JSON"):
        client.get("/api/v1/x")
    packed = gzip.compress(b" " * 1_000_001)
    for answer in (
        Canned(200, b" " * 1_000_001, JSON),
        Canned(200, packed, (*JSON, ("Content-Encoding", "gzip"))),
    ):
        stub.script.append(answer)
        with pytest.raises(ServiceError, match="the answer is larger than 1,000,000 bytes; ask for less at a time"):
            client.get("/api/v1/x")


def test_a_problem_prints_title_detail_and_fields(stub: StubService, client: HTTPClient) -> None:
    body = (
        b'{"type": "https://kubernaut.ai/problems/validation-error", "title": "Validation Error", "status": 400,'
        b' "detail": "event at index 0: bad", "field_errors": {"[0].version": "is required", "x": "\\u001b[2J"}}'
    )
    stub.script.append(Canned(400, body, PROBLEM))
    with pytest.raises(ProblemError) as e:
        client.get("/api/v1/x")
    assert str(e.value) == "Validation Error: event at index 0: bad\n  [0].version: is required\n  x: \\x1b[2J"
    assert (e.value.slug, e.value.status) == ("validation-error", 400)
    assert e.value.field_errors["[0].version"] == "is required"


@pytest.mark.parametrize("colon", [":", ""])
def test_what_the_detail_says_already_is_not_said_again(colon: str) -> None:
    detail = f"since{colon} is no time"
    problem = ProblemError(400, {"title": "T", "detail": detail, "field_errors": {"since": "is no time"}})
    assert str(problem) == f"T: {detail}"
    errors = {f"f{i:02}": "x" * 100 for i in range(9)}
    detail = "; ".join(f"{name}: {message}" for name, message in errors.items())
    problem = ProblemError(400, {"title": "T", "detail": detail, "field_errors": errors})
    assert str(problem).count("\n") == 9, "the line that says all of it is cut short"


def test_a_404_asks_whether_the_address_should_have_a_path(stub: StubService) -> None:
    for path, asked in (("/docs", True), ("", False)):
        with pytest.raises(ProblemError) as e:
            HTTPClient(stub.url + path).get("/api/v1/audit/nothing")
        assert ("Is the path /docs of --url or DATASTORAGE_URL right?" in str(e.value)) == asked


def test_what_is_away_has_somebody_to_ask(stub: StubService) -> None:
    for slug, asked in (("service-unavailable", True), ("dlq-full", True), ("buffer-full", False)):
        stub.script.append(busy(slug))
        with pytest.raises(ProblemError) as e:
            HTTPClient(stub.url, retry_limit_s=0).get("/api/v1/x")
        hint = f"`datastorage health --report --url {stub.url}` says what is away."
        assert str(e.value).splitlines()[1:] == ([f"  {hint}"] if asked else [])


def test_many_field_errors_are_cut_short() -> None:
    problem = ProblemError(400, {"title": "T", "detail": "d", "field_errors": {f"f{i}": "bad" for i in range(25)}})
    assert str(problem).count("\n") == 21
    assert str(problem).endswith("… and 5 more")


@pytest.mark.parametrize(
    "answer",
    [
        Canned(404, b"<html>", (("Content-Type", "text/html"),)),
        Canned(500, b"{", PROBLEM),
        Canned(302, b"", (("Location", "/y"),)),
        Canned(400, b"[1]", JSON),
    ],
)
def test_answers_that_are_no_problems(stub: StubService, client: HTTPClient, answer: Canned) -> None:
    stub.script.append(answer)
    with pytest.raises(ProblemError) as e:
        client.get("/api/v1/x")
    assert e.value.slug == ""
    assert str(e.value).startswith(f"HTTP {answer.status} ")
    assert len(stub.requests) == 1


def test_success_that_is_not_json(stub: StubService, client: HTTPClient) -> None:
    stub.script.extend([Canned(200, b"<html>"), Canned(200, b"<html>", JSON), Canned(200, b"[1]", JSON)])
    for _ in range(2):
        with pytest.raises(ServiceError, match="is not JSON"):
            client.get("/api/v1/x")
    with pytest.raises(ServiceError, match="not a JSON object"):
        client.get("/api/v1/x").object()


@pytest.mark.parametrize("kind", ["text/plain", "application/hal+json"])
def test_json_by_another_name(stub: StubService, client: HTTPClient, kind: str) -> None:
    stub.script.append(Canned(200, b' {"a": 1}', (("Content-Type", kind),)))
    assert client.get("/api/v1/x").object() == {"a": 1}


def test_a_query_that_makes_no_address(stub: StubService, client: HTTPClient) -> None:
    with pytest.raises(ServiceError, match="the query makes no address"):
        client.get("/api/v1/audit/events", {"correlation_id": "x" * 70_000})
    assert stub.requests == []


def test_a_password_in_the_address_is_neither_sent_nor_shown(stub: StubService, dead_port: int) -> None:
    result = CliRunner().invoke(datastorage, ["events", "--url", stub.url.replace("http://", "http://user:secret@")])
    assert result.exit_code == 0
    assert "Authorization" not in stub.requests[0].headers
    away = f"http://user:secret@127.0.0.1:{dead_port}/base/"
    result = CliRunner().invoke(datastorage, ["events", "--url", away, "--token", "a"])
    assert f"no service answers at http://127.0.0.1:{dead_port}/base (" in result.stderr
    assert "secret" not in result.output
    result = CliRunner().invoke(datastorage, ["events", "--url", "http://user:secret@h:x"])
    assert (result.exit_code, "secret" in result.output) == (2, False)


@pytest.mark.parametrize("host", ["a..b", "..", "x" * 64 + ".example"])
def test_a_name_that_no_host_can_have(host: str) -> None:
    with pytest.raises(UnreachableError, match=r"^no service answers at .*cannot connect"):
        HTTPClient(f"http://{host}:1").get("/api/v1/x")


def test_the_zone_of_an_address() -> None:
    zone = socket.if_nametoindex("lo")
    assert connections.addresses("fe80::1%25lo", 1) == [f"fe80::1%{zone}"]


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:8080", "ftp://x", "http://", "http://x/?y=1", "", "http://[::", "http://x:0", "http://x:y"),
        *(
            "http://127.0.0.1:1\n",
            "http://[v1.x]:1",
            "http://１２７.0.0.1:1",
            "http://a b",
            " http://a",
            "http://a/\x01",
        ),
        *("http://xn--:1", "http://a/" + "b" * 70_000),
    ],
)
def test_wrong_addresses_are_usage_errors(url: str) -> None:
    context = click.Context(click.Command("x"))
    with pytest.raises(click.BadParameter):
        check_url(context, click.Option(["--url"]), url)


def test_addresses_may_have_a_path() -> None:
    context = click.Context(click.Command("x"))
    assert check_url(context, click.Option(["--url"]), "https://h/base/") == "https://h/base"


def test_printable() -> None:
    assert printable("bert-jan → ü\x1b[31m\n\u202e") == "bert-jan → ü\\x1b[31m\\n\\u202e"
