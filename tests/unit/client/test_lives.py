"""Forks, ends, dropped references, threads that fail: what a store promises holds however its process lives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datastorage_client import Backoff, BufferedAuditStore, DataStorageError, block, spool
from datastorage_client.buffered import disk_spool, workers
from datastorage_client.buffered.disk_spool import DiskSpool

from tests.support import event, wait_until
from tests.unit.client.fakes import Service, away, refusal
from tests.unit.client.test_store import Hook
from tests.unit.fakes import HOUR
from tests.unit.stub_service import Canned, StubService, busy

SOON = Backoff(first=0.001, longest=0.002)


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, cwd=cwd)


CHILDREN = """
import os, sys
from datastorage_client import BufferedAuditStore, DataStorageClient, spool
from tests.support import event

url, made = sys.argv[1:]
def make():
    return BufferedAuditStore(DataStorageClient(url), on_full=spool("spool"), flush_interval=0.02)

if made == "before":
    store = make()
pids = []
for number in range(8):
    pids.append(os.fork())
    if pids[-1] == 0:
        if made == "after":
            store = make()
        for n in range(20):
            assert store.store(event(event_data={"child": number, "n": n}))
        done = store.close(100)
        os._exit(0 if done and store.stats().restarts == 0 else 1)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
assert codes == [0] * 8, codes
"""


@pytest.mark.parametrize("made", ["before", "after"])
def test_eight_children_of_a_store_that_was_just_made_lose_nothing(made: str, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    with StubService() as stub:
        for round_ in range(5):
            command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{CHILDREN}"]
            ended = subprocess.run(
                [*command, stub.url, made], capture_output=True, text=True, timeout=150, check=False, cwd=tmp_path
            )
            assert ended.returncode == 0, ended.stderr
            stored = Counter((r["event_data"]["child"], r["event_data"]["n"]) for r in stub.stored())
            assert stored == {(c, n): round_ + 1 for c in range(8) for n in range(20)}
    assert list((tmp_path / "spool").iterdir()) == []


IMPORTS = """
import sys, threading
from datastorage_client import BufferedAuditStore, DataStorageClient, spool

main = threading.get_ident()
late = []
sys.addaudithook(lambda name, args: name == "import" and threading.get_ident() != main and late.append(args[0]))
url, expected = sys.argv[1], int(sys.argv[2])
client = DataStorageClient(url.replace("127.0.0.1", "localhost"), token=lambda: "t", timeout=100)
with BufferedAuditStore(client, on_full=spool("spool"), flush_interval=0.01) as store:
    for n in range(expected):
        store.store({"n": n})
    assert store.flush(100)
print(late)
"""


def test_nothing_is_imported_in_a_thread(tmp_path: Path) -> None:
    answers = {"event_ids": ["0197a3f0-0000-7000-8000-000000000001"] * 3}
    ok = Canned(201, json.dumps(answers).encode(), (("Content-Type", "application/json"),))
    late = busy(retry_after="Thu, 01 Jan 1970 00:00:00 GMT")
    with StubService() as stub:
        # The three go together or fail together, after no answer, a date, and a proxy's page.
        stub.script.extend([Canned(0), late, Canned(502, b"<html>"), *[ok] * 3])
        ended = run(IMPORTS, stub.url, "3", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    # Of the interpreter's own way to say where an error was.
    assert json.loads(ended.stdout.replace("'", '"')) == []


DROPPED = """
import gc, json, os, sys, threading, time
from datastorage_client import BufferedAuditStore, spool

class ToFile:
    def send_events(self, body, count):
        with open("sent", "a") as file:
            for e in json.loads(body):
                file.write(json.dumps(e["n"]) + chr(10))
        return 201

def work(interval):
    store = BufferedAuditStore(ToFile(), flush_interval=interval, on_full=spool("spool") if sys.argv[1] == "spool" else None)
    for n in range(100):
        store.store({"n": n})

if sys.argv[2] == "exit":
    work(3600)
else:
    work(0.01)
    gc.collect()
    while threading.active_count() > 1:
        time.sleep(0.01)
    with open("sent") as file:
        assert len(file.readlines()) == 100
    if sys.argv[1] == "spool":
        assert os.listdir("spool") == []
"""  # noqa: E501


@pytest.mark.parametrize("policy", ["memory", "spool"])
@pytest.mark.parametrize("end", ["exit", "threads"])
def test_a_store_that_nobody_holds_is_closed_at_exit_and_its_threads_end(policy: str, end: str, tmp_path: Path) -> None:
    ended = run(DROPPED, policy, end, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [int(line) for line in (tmp_path / "sent").read_text().splitlines()] == list(range(100))
    if policy == "spool":
        assert list((tmp_path / "spool").iterdir()) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that failed goes on at once, folders are looked for at every turn."""
    monkeypatch.setattr(workers, "_PAUSE_S", 0.001)
    monkeypatch.setattr(disk_spool, "_ADOPT_EVERY_S", 0.0)


class Exits(Hook):
    """A metrics hook that ends its thread, once."""

    def buffered(self, count: int) -> None:
        super().buffered(count)
        if self.told["exits"] == 0:
            self.told["exits"] += 1
            sys.exit("enough")


@pytest.mark.parametrize("with_spool", [False, True])
@pytest.mark.usefixtures("quick")
def test_a_thread_that_ends_is_started_again_and_counted(
    with_spool: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    policy = spool(tmp_path) if with_spool else None
    with BufferedAuditStore(service, metrics=Exits(), flush_interval=0.01, on_full=policy) as store:
        for n in range(3):
            store.store({"n": n})
            wait_until(lambda seen=n + 1: store.stats().written == seen, what="the event is written")
        assert store.stats().restarts == 1
    assert sum("the thread audit-sender failed and goes on" in r.message for r in caplog.records) == 1


@pytest.mark.usefixtures("quick")
def test_a_spooler_that_ends_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = DiskSpool.append, iter([SystemExit("no")])

    def once(self: DiskSpool, items: Any) -> None:
        for failure in failures:
            raise failure
        real(self, items)

    monkeypatch.setattr(DiskSpool, "append", once)
    service = Service()
    with BufferedAuditStore(service, flush_interval=0.01, on_full=spool(tmp_path)) as store:
        store.store({"n": 1})
        assert store.flush(HOUR)
        assert store.stats().restarts == 1
    assert len(service.stored) == 1


def test_a_process_without_room_for_threads_keeps_events_until_there_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = threading.Thread.start
    full = threading.Event()
    full.set()

    def limited(self: threading.Thread) -> None:
        if full.is_set() and self.name.startswith("audit-"):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    service = Service()
    store = BufferedAuditStore(service, flush_interval=0.01)
    assert all(store.store({"n": n}) for n in range(3))
    full.clear()
    assert store.store({"n": 3})
    assert store.flush(HOUR)
    assert store.close()
    assert [e["n"] for e in service.stored.values()] == [0, 1, 2, 3]
    assert sum("cannot be started now" in r.message for r in caplog.records) == 1


class Hangs(Service):
    """The first request hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.there = threading.Event()
        self.go = threading.Event()

    def send_events(self, body: bytes, count: int) -> int:
        self.there.set()
        self.go.wait()
        return super().send_events(body, count)


@pytest.mark.usefixtures("quick")
def test_a_spool_is_let_go_of_when_the_request_that_hung_ends(tmp_path: Path) -> None:
    hung = Hangs()
    store = BufferedAuditStore(hung, on_full=spool(tmp_path), flush_interval=0.01, batch_size=1)
    for n in range(3):
        store.store({"n": n})
    assert store.sync(HOUR)
    hung.there.wait()
    assert not store.close(0)
    service = Service()
    with BufferedAuditStore(service, on_full=spool(tmp_path), flush_interval=0.01) as other:
        assert other.flush(HOUR)
        assert service.stored == {}, "it is still the first one's"
        hung.go.set()
        wait_until(lambda: len(service.stored) == 2, what="the other store has taken the spool over")
    assert [e["n"] for e in hung.stored.values()] == [0]
    assert list(tmp_path.iterdir()) == []
    assert store.stats().written == 1, "what came of the request is counted"


def test_an_answer_that_comes_after_the_close_is_no_loss() -> None:
    hung, hook = Hangs(), Hook()
    store = BufferedAuditStore(hung, flush_interval=0.01, batch_size=1, metrics=hook)
    for n in range(3):
        store.store({"n": n})
    hung.there.wait()
    assert not store.close(0)
    assert store.stats().dropped == {"closed": 3}
    hung.go.set()
    wait_until(lambda: hook.told["dropped closed"] == 2, what="the books are closed")
    assert store.stats().dropped == {"closed": 2}
    assert store.stats().written == hook.told["written"] == 1


@pytest.mark.parametrize("with_spool", [False, True])
def test_a_callback_may_close_its_store_and_the_rest_is_sent(with_spool: bool, tmp_path: Path) -> None:
    closed: list[bool] = []

    def close(event: dict[str, Any], problem: DataStorageError) -> None:
        assert not store.flush(HOUR), "it cannot wait for itself"
        closed.append(store.close(HOUR))

    service = Service(judge=lambda events: refusal("validation-error") if events[0]["n"] == 0 else None)
    service.down.set()
    policy = spool(tmp_path) if with_spool else None
    store = BufferedAuditStore(
        service, on_refused=close, batch_size=1, flush_interval=0.01, on_full=policy, backoff=SOON
    )
    pipeline = store._pipeline
    assert pipeline is not None
    for n in range(5):
        store.store({"n": n})
    service.down.clear()
    assert all(worker.join(HOUR) for worker in pipeline._workers), "the end of the threads"
    assert closed == [False]
    assert store.stats().dropped == {"refused": 1}
    assert store.stats().written == 4
    assert [e["n"] for e in service.stored.values()] == [1, 2, 3, 4]
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


def test_a_callback_that_exits_is_called_once_for_an_event(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def leave(event: dict[str, Any], problem: DataStorageError) -> None:
        calls.append(event["n"])
        sys.exit(3)

    with BufferedAuditStore(Service(refusal("validation-error")), on_refused=leave) as store:
        store.store({"n": 1})
        assert store.flush(HOUR)
        assert store.stats().dropped == {"refused": 1}
    assert calls == [1]


def test_a_callback_that_stores_does_not_wait_for_the_room_that_only_it_makes() -> None:
    answers: list[str | None] = []
    service = Service(refusal("validation-error"))
    with BufferedAuditStore(
        service, on_refused=lambda *_: answers.append(store.store({"n": "x"})), max_events=1, on_full=block(HOUR)
    ) as store:
        store.store({"n": 1})
        assert store.flush(HOUR)
    assert answers == [None]


@pytest.mark.parametrize("who", ["transport", "hook", "disk"])
def test_what_fails_each_time_is_said_once(
    who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No traceback an attempt: a token's source that raises, a hook, a fault in the writing of the spool."""
    calls: list[int] = []

    def fail(*_: object) -> Any:
        calls.append(1)
        raise KeyError("the vault\nis sealed")

    service, hook = Service(), Hook()
    if who == "transport":
        monkeypatch.setattr(service, "send_events", fail)
    elif who == "hook":
        monkeypatch.setattr(hook, "buffer_size", fail)
    else:
        monkeypatch.setattr(DiskSpool, "append", fail)
        monkeypatch.setattr("datastorage_client.buffered.spooler._RETRY_S", 0.001)
    policy = spool(tmp_path, sync_interval=0.001) if who == "disk" else None
    store = BufferedAuditStore(service, metrics=hook, flush_interval=0.01, backoff=SOON, on_full=policy)
    store.store({"n": 1})
    wait_until(lambda: len(calls) >= 4, what="it has failed again and again")
    store.close(0)
    said = [r for r in caplog.records if "sealed" in r.getMessage() or (r.exc_info and "sealed" in str(r.exc_info[1]))]
    assert len(said) == 1
    if who == "transport":
        assert said[0].exc_info is None
        assert "KeyError: 'the vault\\nis sealed'" in said[0].getMessage()
        assert hook.told["failed client"] >= 1


class Clock:
    """The wall clock, put forth and back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        real, real_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: real() + self.ahead)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(self.ahead * 1e9))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


DAY = 86_400.0


@pytest.mark.parametrize("step", [-8 * DAY, -3600, 3600, 8 * DAY])
@pytest.mark.parametrize("with_spool", [False, True])
def test_a_step_of_the_clock_neither_hurries_nor_delays_nor_expires(
    step: float, with_spool: bool, clock: Clock, tmp_path: Path
) -> None:
    service = Service(away(), away())
    policy = spool(tmp_path, sync_interval=0.001) if with_spool else None
    store = BufferedAuditStore(service, flush_interval=HOUR, on_full=policy, backoff=SOON)
    pipeline = store._pipeline
    assert pipeline is not None
    peeks: list[bool] = []
    real: Callable[..., bool] = pipeline._sender._due

    def watched(items: Any) -> bool:
        due = real(items)
        peeks.append(due)
        return due

    pipeline._sender._due = watched  # type: ignore[method-assign]
    for n in range(5):
        store.store({"n": n})
    if with_spool:
        # Not by sync(), which wakes the sender while some are on disk and some are not.
        wait_until(lambda: store.stats().synced == 5, what="all on disk")
    clock.ahead = step
    pipeline._wake()
    wait_until(lambda: peeks, what="the sender has looked")
    assert peeks == [False] * len(peeks)
    assert service.batches == []
    assert store.flush(HOUR)
    assert store.close()
    assert len(service.stored) == 5
    assert store.stats().dropped == {}


@pytest.mark.parametrize("with_spool", [False, True])
def test_an_event_goes_in_time_after_a_step_back(with_spool: bool, clock: Clock, tmp_path: Path) -> None:
    service = Service()
    policy = spool(tmp_path, sync_interval=0.001) if with_spool else None
    with BufferedAuditStore(service, flush_interval=0.05, on_full=policy) as store:
        store.store(event())
        clock.ahead = -DAY
        wait_until(lambda: store.stats().written == 1, what="the interval is over")


def test_the_lock_of_the_rejects_is_not_a_childs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that is forked while an event is written there has the descriptor, too, for as long as it lives."""
    spooled = DiskSpool(tmp_path, 1 << 20, 1 << 18, lambda _: None)
    child: list[int] = []
    real = os.fsync
    out, done = os.pipe()

    def forking(fd: int) -> None:
        if not child:
            child.append(os.fork())
            if child[0] == 0:
                os.close(done)
                os.read(out, 1)
                os._exit(0)
        real(fd)

    monkeypatch.setattr(disk_spool.os, "fsync", forking)
    item = disk_spool.Item(b'{"n": 1}', 0)
    spooled.reject(item, {})
    spooled.reject(item, {})
    os.close(done)
    assert os.waitpid(child[0], 0)[1] == 0
    assert len((tmp_path / "rejects.jsonl").read_text().splitlines()) == 2
