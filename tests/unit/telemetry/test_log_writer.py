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

from app.config.settings import LoggingSettings
from app.telemetry import log_writer, logs, metrics
from app.telemetry.log_writer import LineWriter
from app.telemetry.trace import TraceContext, current_trace
from tests.support import wait_until
from tests.unit.fakes import HOUR, make_services
from tests.unit.telemetry.test_request_line import LINE


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


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits for company until it is stopped, or told that something is urgent."""
    monkeypatch.setattr(log_writer, "_LINGER_SECONDS", HOUR)


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
        "import logging; from app.telemetry import log_writer, logs; from app.config.settings import LoggingSettings\n"
        f"log_writer.LineWriter.stop.__defaults__ = ({HOUR},)\n"
        "w = log_writer.LineWriter(); w.start(); logs.configure(LoggingSettings(format='json'), w)\n"
        "logging.getLogger('x').info('last words')\n"
        "raise SystemExit(3)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done
    assert json.loads(done.stderr)["message"] == "last words"


def test_processes_that_share_a_pipe_do_not_tear_each_others_lines() -> None:
    """The pipe is full all the time, so that every longer write would be taken in pieces."""
    code = (
        "import sys; from app.telemetry.log_writer import write_to_stderr; print('up', flush=True)\n"
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
    monkeypatch.setattr(log_writer, "_write_all", lambda fd, part: writes.append(bytes(part)))
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        long = b"x" * (2 * select.PIPE_BUF) + b"\n"
        log_writer.write_to_stderr(b"a\n" + long + b"b\n")
    os.close(reading)
    assert writes == [b"a\n", long, b"b\n"]


def test_a_non_blocking_log_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    monkeypatch.setattr(log_writer, "_STUCK_SECONDS", 0.05)
    lines = b"x" * 99 + b"\n"
    with os.fdopen(writing, "w") as pipe, os.fdopen(reading, "rb"):
        monkeypatch.setattr(sys, "stderr", pipe)
        with pytest.raises(BlockingIOError):
            log_writer.write_to_stderr(lines * 20_000)


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
        (current_trace, current_trace.set(TraceContext("a" * 32, "b" * 16))),
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
