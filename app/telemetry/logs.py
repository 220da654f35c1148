"""Log lines: one JSON object each, or readable text on a terminal; every line names its request.

Whoever logs does not write: a line goes onto a bounded queue, and one thread of the worker process writes what is
there, many lines at a time. When the reader of the log does not keep up, lines are dropped and counted, and nobody
waits. Without that thread (in gunicorn's master, before it starts and after it has ended) lines are written at once.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import NamedTuple

import orjson

from app.config.settings import LoggingSettings
from app.telemetry.trace import TraceContext, current_trace

# The id of the request that this thread serves. Here, so that logging pulls nothing else in: the master of gunicorn
# logs too, and must not import what makes metrics.
current_request: ContextVar[str] = ContextVar("current_request", default="-")
# Who was authenticated for it.
current_principal: ContextVar[str] = ContextVar("current_principal", default="-")

# Lines that wait at the most; a request's takes about half a kilobyte.
QUEUE_LINES = 8192
# Lines of requests wait so long for company; lines of events wake the writer at once.
_LINGER_SECONDS = 0.05
# Lines that are formatted before they are written.
_LINES_PER_WRITE = 256
# Several processes share the log. Into a pipe only writes up to PIPE_BUF are never torn apart by another's.
_PIPE_BYTES = select.PIPE_BUF
_MAX_WRITE_BYTES = 64 * 1024
# How long a log that takes nothing is waited for, by the writer alone.
_STUCK_SECONDS = 1.0


class RequestLine(NamedTuple):
    """What there is to say of a request; made in its thread, worded in the writer's."""

    ended: float  # seconds since the epoch
    request_id: str
    principal: str
    trace: TraceContext | None
    method: str
    route: str  # the rule that matched, never the path that was asked for
    status: int
    seconds: float
    outcome: str  # stored, duplicate, spilled, unknown, ok, or the slug of the problem; failed without one
    records: int  # events or notifications of the request, 0 where there were none
    bytes_in: str | None  # Content-Length as it was sent
    bytes_out: int
    client: str = "-"  # its address, past the proxies that are trusted

    @property
    def level(self) -> int:
        """500 is a mistake of ours; 503 says what is so."""
        if self.status == 500:
            return logging.ERROR
        return logging.WARNING if self.status > 500 else logging.INFO

    @property
    def told(self) -> str:
        """The outcome as both forms of the log say it."""
        return "failed" if self.outcome == "ok" and self.status >= 400 else self.outcome


Line = RequestLine | bytes


def stamp(seconds: float) -> str:
    """A time of the log: RFC 3339 in UTC, microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def request_json(line: RequestLine) -> bytes:
    """A request's line as one JSON object; what is not known is left out."""
    body: dict[str, object] = {
        "time": stamp(line.ended),
        "level": logging.getLevelName(line.level).lower(),
        "logger": "app.request",
        "message": "request",
        "pid": os.getpid(),
        "request_id": line.request_id,
        "principal": line.principal,
        "client": line.client,
        "method": line.method,
        "route": line.route,
        "status": line.status,
        "duration_ms": round(line.seconds * 1000, 3),
        "outcome": line.told,
        "bytes_out": line.bytes_out,
    }
    if line.records:
        body["records"] = line.records
    if line.bytes_in and line.bytes_in.isdecimal():
        body["bytes_in"] = int(line.bytes_in[:18])
    if line.trace is not None:
        body["trace_id"], body["span_id"] = line.trace
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


def request_text(line: RequestLine) -> bytes:
    """A request's line for people."""
    records = f" {line.records} records" if line.records > 1 else ""
    return (
        f"{datetime.fromtimestamp(line.ended):%Y-%m-%d %H:%M:%S},{int(line.ended * 1000) % 1000:03d} "  # noqa: DTZ006 - as the other lines of a terminal
        f"{logging.getLevelName(line.level):<7} app.request [{line.request_id}] {line.method} {line.route} "
        f"{line.status} {line.told}{records} {line.seconds * 1000:.1f} ms\n"
    ).encode()


class LineWriter:
    """The queue of lines and the thread that empties it. ``write`` takes whole lines and may wait or raise OSError."""

    def __init__(
        self,
        word: Callable[[RequestLine], bytes] = request_json,
        write: Callable[[bytes], None] | None = None,
        limit: int = QUEUE_LINES,
    ) -> None:
        self._word = word
        self._write = write or write_to_stderr
        self._limit = limit
        self._queue: deque[Line] = deque()
        # None of these may stop a signal handler that logs while its own thread is just logging.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._writing = threading.RLock()
        self._counting = threading.RLock()
        self._dropped = 0

    def start(self) -> None:
        """Start the thread; in the process that logs, after the fork."""
        self._ending = False
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        thread.start()  # RuntimeError where there is no room for one: lines go on being written at once
        self._thread = thread
        # A process that ends without having been stopped still says what it had to say.
        atexit.register(self.stop)

    def stop(self, timeout: float = 2.0) -> bool:
        """Write what waits and end the thread; False if the log did not take everything in time."""
        thread = self._thread
        if thread is None:
            return True
        self._ending = True
        self._wake.put(None)
        thread.join(timeout)
        atexit.unregister(self.stop)
        if thread.is_alive():
            return False  # the log is stuck: lines go on being queued, and dropped
        self._thread = None
        self._drain()
        return True

    @property
    def running(self) -> bool:
        return self._thread is not None

    def put(self, line: Line, *, urgent: bool = False) -> None:
        """Queue a line; never waits while the thread runs. ``urgent``: do not wait for others to come."""
        if len(self._queue) >= self._limit:
            self._drop(1)
            return
        self._queue.append(line)
        if self._thread is None:
            self._drain()
        elif urgent:
            self._wake.put(None)

    def take_dropped(self) -> int:
        """How many lines were dropped since this was last asked."""
        with self._counting:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def _drop(self, lines: int) -> None:
        with self._counting:
            self._dropped += lines

    def _run(self) -> None:
        while not self._ending:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=_LINGER_SECONDS)
                while True:
                    self._wake.get_nowait()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        with self._writing:
            queue, word = self._queue, self._word
            while queue:
                lines = [queue.popleft() for _ in range(min(len(queue), _LINES_PER_WRITE))]
                try:
                    self._write(b"".join([word(x) if isinstance(x, RequestLine) else x for x in lines]))
                except (OSError, ValueError):  # ValueError: the stream was closed
                    self._drop(len(lines))


def write_to_stderr(lines: bytes) -> None:
    """Write whole lines to standard error, so that those of other processes do not come in between.

    Raises OSError if the log takes nothing for a while.
    """
    try:
        fd = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # replaced by something that is no file
        sys.stderr.write(lines.decode())
        return
    most = _PIPE_BYTES if stat.S_ISFIFO(os.fstat(fd).st_mode) else _MAX_WRITE_BYTES
    start = 0
    while start < len(lines):
        end = len(lines)
        if end - start > most:
            # As many whole lines as fit; one that is longer than that goes alone.
            end = lines.rfind(b"\n", start, start + most) + 1 or lines.find(b"\n", start) + 1 or len(lines)
        _write_all(fd, memoryview(lines)[start:end])
        start = end


def _write_all(fd: int, rest: memoryview) -> None:
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # somebody made it non-blocking
            if not select.select([], [fd], [], _STUCK_SECONDS)[1]:
                raise


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request.get()
        record.principal = current_principal.get()
        record.trace = current_trace.get()
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, pid, what is known of the request, and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        for name in ("request_id", "principal"):
            if (value := getattr(record, name, "-")) != "-":
                line[name] = value
        if (trace := getattr(record, "trace", None)) is not None:
            line["trace_id"], line["span_id"] = trace
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class QueueHandler(logging.Handler):
    """Words a record in the thread that logs, since what it names may change, and leaves the writing to the writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001 - a line that cannot be worded must not fail what wanted to log it
            self.handleError(record)
            return
        self._writer.put(line, urgent=True)


def is_console(settings: LoggingSettings) -> bool:
    """Whether lines are for people: by setting, or because standard error is a terminal."""
    return settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())


def dress(handler: logging.Handler, settings: LoggingSettings) -> None:
    """Give a handler the configured form, and what is known of the request on every line."""
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s")
        if is_console(settings)
        else JSONFormatter()
    )
    handler.addFilter(_RequestId())


def configure(settings: LoggingSettings, writer: LineWriter | None = None) -> logging.Handler:
    """Send the log of this process to standard error in the configured form; the handler that does it."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr) if writer is None else QueueHandler(writer)
    dress(handler, settings)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # The pool reports every failed connection attempt; the monitor says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    return handler


class RequestNote:
    """What is found out about a request while it is served."""

    __slots__ = ("outcome", "records", "started")

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.outcome = "ok"
        self.records = 0


current_note: ContextVar[RequestNote | None] = ContextVar("current_note", default=None)


def note(outcome: str, records: int = 0) -> None:
    """Say what became of the current request, for its line."""
    if (kept := current_note.get()) is not None:
        kept.outcome = outcome
        kept.records = records or kept.records


class RequestLog:
    """Puts a line of each request into the log, off its thread."""

    # What is asked for every few seconds by machines; worth a line at info only when it fails.
    _QUIET = ("/health", "/metrics")

    def __init__(self, settings: LoggingSettings) -> None:
        self.writer = LineWriter(request_text if is_console(settings) else request_json)
        self._wanted = settings.requests
        self._least = logging.getLevelName(settings.level.upper())
        self._quiet_too = settings.level == "debug"

    def add(
        self, method: str, route: str, status: int, bytes_in: str | None, bytes_out: int, client: str = "-"
    ) -> None:
        """Log the current request, which is about to be answered."""
        writer = self.writer
        if not self._wanted or not writer.running:
            return
        if status < 400 and not self._quiet_too and route.startswith(self._QUIET):
            return
        kept = current_note.get()
        if kept is None:
            return
        line = RequestLine(
            time.time(),
            current_request.get(),
            current_principal.get(),
            current_trace.get(),
            method,
            route,
            status,
            time.perf_counter() - kept.started,
            kept.outcome,
            kept.records,
            bytes_in,
            bytes_out,
            client,
        )
        if line.level >= self._least:
            writer.put(line)
