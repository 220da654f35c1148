"""Lines off the hot path: nobody who logs waits, and nothing is lost that was not counted."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.config.settings import LoggingSettings, Settings
from app.telemetry import logs, metrics
from app.telemetry.logs import LineWriter, RequestLine, RequestLog, RequestNote, request_json, request_text
from app.telemetry.trace import TraceContext
from tests.support import wait_until
from tests.unit.fakes import HOUR, event, make_client, make_services

LINE = RequestLine(
    1767607200.25,
    "rid-1",
    "gateway",
    TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"),
    "POST",
    "/api/v1/audit/events/batch",
    201,
    0.0012345,
    "stored",
    500,
    "123456",
    26000,
    "203.0.113.7",
)


@pytest.fixture
def written() -> list[bytes]:
    return []


@pytest.fixture
def make(written: list[bytes]) -> Iterator[Callable[..., LineWriter]]:
    """Builds running writers; what they write is in `written`, one item a write."""
    made: list[LineWriter] = []

    def build(**keywords: Any) -> LineWriter:
        writer = LineWriter(**{"write": written.append, **keywords})
        writer.start()
        made.append(writer)
        return writer

    yield build
    for writer in made:
        writer.stop()


def test_without_a_thread_lines_are_written_at_once(written: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    writer = LineWriter(write=written.append)
    with pytest.raises(RuntimeError, match="new thread"):
        writer.start()
    writer.put(b"said\n")
    assert written == [b"said\n"]
    assert writer.stop()


def test_the_line_of_a_request() -> None:
    assert json.loads(request_json(LINE)) == {
        "time": "2026-01-05T10:00:00.250000+00:00",
        "level": "info",
        "logger": "app.request",
        "message": "request",
        "pid": os.getpid(),
        "request_id": "rid-1",
        "principal": "gateway",
        "client": "203.0.113.7",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "method": "POST",
        "route": "/api/v1/audit/events/batch",
        "status": 201,
        "duration_ms": 1.234,
        "outcome": "stored",
        "records": 500,
        "bytes_in": 123456,
        "bytes_out": 26000,
    }
    assert request_json(LINE).count(b"\n") == 1
    assert request_text(LINE).endswith(
        b"INFO    app.request [rid-1] POST /api/v1/audit/events/batch 201 stored 500 records 1.2 ms\n"
    )


@pytest.mark.parametrize(
    ("status", "outcome", "told"),
    [(503, "ok", "failed"), (404, "ok", "failed"), (200, "ok", "ok"), (503, "dlq-full", "dlq-full")],
)
def test_both_forms_say_the_same_of_a_failure(status: int, outcome: str, told: str) -> None:
    line = LINE._replace(method="GET", route="/health/ready", status=status, outcome=outcome, records=0)
    assert json.loads(request_json(line))["outcome"] == told
    assert f" GET /health/ready {status} {told} 1.2 ms\n".encode() in request_text(line)


@pytest.mark.parametrize("bytes_in", [None, "", "-1", "1e3", "x" * 100, "²"])
def test_what_is_not_known_is_left_out(bytes_in: str | None) -> None:
    line = json.loads(request_json(LINE._replace(bytes_in=bytes_in, trace=None, records=0)))
    assert not {"bytes_in", "trace_id", "span_id", "records"} & line.keys()


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (404, "info"), (500, "error"), (503, "warning")])
def test_levels(status: int, level: str) -> None:
    assert json.loads(request_json(LINE._replace(status=status)))["level"] == level


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits for company until it is stopped, or told that something is urgent."""
    monkeypatch.setattr(logs, "_LINGER_SECONDS", HOUR)


@pytest.mark.usefixtures("patient")
def test_many_lines_are_one_write(make: Callable[..., LineWriter], written: list[bytes]) -> None:
    writer = make()
    for i in range(100):
        writer.put(LINE._replace(request_id=str(i)))
    assert writer.stop(HOUR)
    lines = b"".join(written).splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == [str(i) for i in range(100)]
    assert len(written) == 1


@pytest.mark.usefixtures("patient")
def test_events_of_note_do_not_wait_for_company(make: Callable[..., LineWriter], written: list[bytes]) -> None:
    writer = make()
    writer.put(b"now\n", urgent=True)
    wait_until(lambda: written, what="the line")


def test_without_the_thread_lines_are_written_at_once(written: list[bytes]) -> None:
    writer = LineWriter(write=written.append)
    writer.put(b"a\n")
    assert written == [b"a\n"]
    writer.start()
    assert writer.stop(HOUR)
    assert writer.stop(HOUR)
    writer.put(b"b\n")
    assert written == [b"a\n", b"b\n"]


def test_a_log_that_takes_nothing_holds_nobody_up(make: Callable[..., LineWriter]) -> None:
    """The reader is stuck: lines are dropped and counted, whoever logs goes on, and the end does not wait for it."""
    stuck, go_on = threading.Event(), threading.Event()
    kept: list[bytes] = []

    def write(lines: bytes) -> None:
        stuck.set()
        assert go_on.wait(HOUR)
        kept.append(lines)

    writer = make(write=write, limit=50)
    writer.put(b"first\n", urgent=True)
    assert stuck.wait(60)
    for i in range(80):
        writer.put(b"%d\n" % i)
    assert writer.take_dropped() == 30
    assert writer.take_dropped() == 0
    assert not writer.stop(timeout=0.1)
    writer.put(b"dropped too\n")
    assert writer.take_dropped() == 1
    go_on.set()
    assert writer.stop(HOUR)
    assert b"".join(kept).split() == [b"first", *(b"%d" % i for i in range(50))]


def test_lines_that_could_not_be_written_are_counted(make: Callable[..., LineWriter]) -> None:
    def write(lines: bytes) -> None:
        raise BrokenPipeError

    writer = make(write=write)
    writer.put(LINE)
    writer.put(LINE)
    assert writer.stop(HOUR)
    assert writer.take_dropped() == 2


def test_dropped_lines_are_a_metric() -> None:
    services = make_services()
    before = metrics.LOG_DROPPED._value.get()
    services.request_log.writer._drop(3)
    services.sampler.sample()
    services.sampler.sample()
    assert metrics.LOG_DROPPED._value.get() == before + 3


def test_a_process_that_just_ends_has_said_what_it_had_to_say() -> None:
    code = (
        "import logging; from app.telemetry import logs; from app.config.settings import LoggingSettings\n"
        f"logs.LineWriter.stop.__defaults__ = ({HOUR},)\n"
        "w = logs.LineWriter(); w.start(); logs.configure(LoggingSettings(format='json'), w)\n"
        "logging.getLogger('x').info('last words')\n"
        "raise SystemExit(3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done
    assert json.loads(done.stderr)["message"] == "last words"


def test_processes_that_share_a_pipe_do_not_tear_each_others_lines() -> None:
    """The pipe is full all the time, so that every longer write would be taken in pieces."""
    code = (
        "import sys; from app.telemetry.logs import write_to_stderr; print('up', flush=True)\n"
        "line = (sys.argv[1] * 300).encode() + b'\\n'\n"
        "for _ in range(40): write_to_stderr(line * 100)"
    )
    reading, writing = os.pipe()
    # Less than two more writes have room: not all of them fill the page that they take.
    full = max(0, fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) - 2 * select.PIPE_BUF)

    def waiting() -> int:
        return int(struct.unpack("i", fcntl.ioctl(reading, termios.FIONREAD, bytes(4)))[0])

    writers = [
        subprocess.Popen([sys.executable, "-c", code, letter], stdout=subprocess.PIPE, stderr=writing)
        for letter in "ab"
    ]
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"up\n"
            writer.stdout.close()
        wait_until(lambda: waiting() > full, what="the full pipe")
        lines = pipe.read().splitlines()
    assert [w.wait() for w in writers] == [0, 0], lines[-5:]
    assert len(lines) == 8000
    assert set(lines) == {b"a" * 300, b"b" * 300}


def test_one_line_longer_than_a_write_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    reading, writing = os.pipe()
    monkeypatch.setattr(logs, "_write_all", lambda fd, part: writes.append(bytes(part)))
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        long = b"x" * (2 * select.PIPE_BUF) + b"\n"
        logs.write_to_stderr(b"a\n" + long + b"b\n")
    os.close(reading)
    assert writes == [b"a\n", long, b"b\n"]


def test_a_non_blocking_log_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    monkeypatch.setattr(logs, "_STUCK_SECONDS", 0.05)
    lines = b"x" * 99 + b"\n"
    with os.fdopen(writing, "w") as pipe, os.fdopen(reading, "rb"):
        monkeypatch.setattr(sys, "stderr", pipe)
        with pytest.raises(BlockingIOError):
            logs.write_to_stderr(lines * 20_000)


@pytest.fixture
def root() -> Iterator[None]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_other_lines_take_the_same_way(root: None, make: Callable[..., LineWriter], written: list[bytes]) -> None:
    writer = make()
    logs.configure(LoggingSettings(format="json"), writer)
    tokens = [
        (logs.current_request, logs.current_request.set("rid-1")),
        (logs.current_principal, logs.current_principal.set("gateway")),
        (logs.current_trace, logs.current_trace.set(TraceContext("a" * 32, "b" * 16))),
    ]
    known = ["as it was"]
    logging.getLogger("x").warning("%s", known)
    known.append("later")
    for variable, token in tokens:
        variable.reset(token)
    assert writer.stop(HOUR)
    line = json.loads(b"".join(written))
    assert line["message"] == "['as it was']"
    assert (line["request_id"], line["principal"]) == ("rid-1", "gateway")
    assert (line["trace_id"], line["span_id"]) == ("a" * 32, "b" * 16)


# --- what is logged of a request --------------------------------------------------------------------------------


@pytest.fixture
def lines(written: list[bytes]) -> Callable[..., list[dict[str, Any]]]:
    """Sends requests to an app: lines([(method, path, keywords), …], settings, outcome) → their lines."""

    def send(
        requests: list[tuple[str, str, dict[str, Any]]], settings: LoggingSettings | None = None, outcome: Any = None
    ) -> list[dict[str, Any]]:
        services = make_services(Settings(logging=settings or LoggingSettings()), outcome=outcome)
        services.request_log.writer = LineWriter(write=written.append)
        services.request_log.writer.start()
        client = make_client(services)
        for method, path, keywords in requests:
            client.open(path, method=method, **keywords)
        assert services.request_log.writer.stop(HOUR)
        return [json.loads(line) for line in b"".join(written).splitlines()]

    return send


def test_each_request_is_one_line(lines: Callable[..., list[dict[str, Any]]]) -> None:
    from app.audit.outcome import Stored

    secret = "what nobody should read"
    headers = {
        "X-Request-ID": "rid-7",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "Authorization": f"Bearer {secret}",
    }
    body = event(event_data={"password": secret})
    path = f"/api/v1/audit/events?correlation_id={secret.replace(' ', '+')}"
    [line] = lines([("POST", path, {"json": body, "headers": headers})], outcome=Stored())
    assert line.keys() == {
        *("time", "level", "logger", "message", "pid", "request_id", "principal", "client", "method", "route"),
        "status",
        *("duration_ms", "outcome", "records", "bytes_in", "bytes_out", "trace_id", "span_id"),
    }
    assert (line["request_id"], line["trace_id"]) == ("rid-7", "4bf92f3577b34da6a3ce929d0e0e4736")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/api/v1/audit/events", 201)
    assert (line["outcome"], line["records"]) == ("stored", 1)
    assert line["duration_ms"] > 0
    assert line["bytes_in"] > 100
    assert line["bytes_out"] > 50
    assert "nobody" not in json.dumps(line)


def test_outcomes(lines: Callable[..., list[dict[str, Any]]]) -> None:
    from app.audit.outcome import Conflict, InDoubt, Refused, Spilled, Stored

    outcomes = iter([Stored((0,)), Spilled(), InDoubt(), Refused("buffer-full"), Conflict((0,))])
    post = ("POST", "/api/v1/audit/events", {"json": event()})
    batch = ("POST", "/api/v1/audit/events/batch", {"json": [event(), event()]})
    got = lines(
        [post, post, post, batch, post, ("POST", "/api/v1/audit/events", {"json": {}}), ("GET", "/nowhere/x", {})],
        outcome=lambda request: next(outcomes),
    )
    assert [(g["status"], g["outcome"], g.get("records")) for g in got] == [
        (200, "duplicate", 1),
        (202, "spilled", 1),
        (503, "unknown", 1),
        (503, "buffer-full", 2),
        (409, "conflict", 1),
        (400, "validation-error", None),
        (404, "not-found", None),
    ]
    assert got[-1]["route"] == "unmatched"


def test_probes_and_scrapes_are_quiet_unless_they_fail(lines: Callable[..., list[dict[str, Any]]]) -> None:
    probes = [("GET", path, {}) for path in ("/health", "/health/live", "/health/ready", "/metrics", "/health/none")]
    assert [line["status"] for line in lines(probes)] == [404]


def test_at_debug_they_are_lines_too(lines: Callable[..., list[dict[str, Any]]]) -> None:
    assert len(lines([("GET", "/health/live", {})], LoggingSettings(level="debug"))) == 1


def test_at_warning_only_failures_of_the_service_are_lines(lines: Callable[..., list[dict[str, Any]]]) -> None:
    from app.audit.outcome import Refused

    post = ("POST", "/api/v1/audit/events", {"json": event()})
    got = lines([post, ("GET", "/nowhere", {})], LoggingSettings(level="warning"), Refused("dlq-full"))
    assert [line["status"] for line in got] == [503]


def test_lines_of_requests_can_be_turned_off(lines: Callable[..., list[dict[str, Any]]]) -> None:
    assert lines([("GET", "/nowhere", {})], LoggingSettings(requests=False)) == []


def test_a_queue_of_lines_stays_small() -> None:
    request_log = RequestLog(LoggingSettings())
    assert request_log.writer._limit == logs.QUEUE_LINES <= 10_000
    # Without a running writer there is nothing to add to.
    logs.current_note.set(RequestNote())
    request_log.add("GET", "/x", 200, None, 0)
    assert not request_log.writer._queue
