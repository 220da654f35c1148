"""What `store` takes and promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from datastorage_client import Backoff, BufferedAuditStore, DataStorageClient, StoreClosedError, block, spool, uuid7
from datastorage_client.buffered.prometheus import PrometheusMetrics
from datastorage_client.models import AuditEventRequest
from prometheus_client import CollectorRegistry

from tests.support import event, wait_until
from tests.unit.client.fakes import Service, refusal
from tests.unit.fakes import HOUR


class Colour(Enum):
    RED = "red"


def test_the_event_is_taken_as_it_is_now() -> None:
    service = Service()
    with BufferedAuditStore(service) as store:
        members = event(event_data={"list": [1]})
        ident = store.store(members)
        members["event_data"]["list"].append(2)
        members["event_type"] = "other"
        members.clear()
    [stored] = service.stored.values()
    assert stored["event_data"] == {"list": [1]}
    assert stored["event_id"] == ident
    assert UUID(str(ident)).version == 7


def test_ids_and_times_of_the_caller_are_kept() -> None:
    service = Service()
    ident = uuid7()
    moment = datetime(2026, 1, 5, 10, tzinfo=UTC)
    with BufferedAuditStore(service) as store:
        assert store.store(event(event_id=ident, event_timestamp=moment, event_data={"c": Colour.RED})) == str(ident)
    [stored] = service.stored.values()
    assert stored["event_timestamp"] == "2026-01-05T10:00:00+00:00"
    assert stored["event_data"] == {"c": "red"}


def test_models_are_events() -> None:
    service = Service()
    sent = event(event_data={"big": 10**30})
    with BufferedAuditStore(service) as store:
        ident = store.store(AuditEventRequest.from_dict(sent))
    [stored] = service.stored.values()
    assert stored["event_id"] == ident
    assert stored["event_data"] == {"big": 10**30}


@pytest.mark.parametrize(
    "bad", [{"a": {1, 2}}, {"a": float("nan")}, {"a": datetime(2026, 1, 1)}, {"a": object()}, ["no"], "no"]
)
def test_what_json_cannot_say_is_the_callers_fault(bad: Any) -> None:
    with BufferedAuditStore(Service()) as store, pytest.raises((TypeError, ValueError)):
        store.store(bad)


def nested(levels: int, inner: Any = 1) -> Any:
    for n in range(levels):
        inner = [inner] if n % 2 else {"a": inner}
    return inner


def endless() -> dict[str, Any]:
    data: dict[str, Any] = {}
    data["data"] = data
    return data


class Endless:
    """A model whose members have members, and so on."""

    def to_dict(self) -> dict[str, Any]:
        return {"a": Endless()}


@pytest.mark.parametrize("bad", [nested(199), nested(5000), nested(100_000), endless(), Endless()])
def test_data_nested_without_end_is_the_callers_fault(bad: Any) -> None:
    with BufferedAuditStore(Service()) as store:
        with pytest.raises(ValueError):
            store.store({"event_data": nested(2, bad)})
        with pytest.raises(ValueError):
            DataStorageClient("http://127.0.0.1:1", retry_for=0).create_event({"event_data": nested(2, bad)})
    assert store.stats().buffered == 0


def test_data_as_deep_as_it_may_be_can_be_read_wherever_it_is_needed() -> None:
    refused: list[Any] = []
    text = '[{"' * 300 + "\\" * 3 + '"'
    deep = {"event_data": nested(198), "text": [text, {}]}
    with BufferedAuditStore(
        Service(refusal("validation-error")), on_refused=lambda event, _: refused.append(event)
    ) as store:
        assert store.store(deep)
        assert store.flush(HOUR)
    assert refused[0]["text"] == [text, {}]


def test_text_that_is_no_unicode_is_for_the_service_to_refuse() -> None:
    service = Service()
    with BufferedAuditStore(service) as store:
        assert store.store({"name": b"\xff".decode(errors="surrogateescape"), "ä": "ö"})
    [stored] = service.stored.values()
    assert stored["name"] == "\udcff"


def test_ids_are_in_order_and_differ() -> None:
    made = [uuid7() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert {(u.version, u.variant) for u in made} == {(7, "specified in RFC 4122")}
    assert [u.int >> 64 for u in made] == sorted(u.int >> 64 for u in made)
    assert abs((made[0].int >> 80) / 1000 - time.time()) < 3600


def held_up(**options: Any) -> tuple[Service, BufferedAuditStore]:
    service = Service()
    service.down.set()
    store = BufferedAuditStore(service, flush_interval=0.02, backoff=Backoff(first=0.01, longest=0.02), **options)
    return service, store


def test_a_full_buffer_drops_what_is_new_and_counts_it() -> None:
    service, store = held_up(max_events=10)
    ids = [store.store({"n": n}) for n in range(15)]
    assert all(ids[:10])
    assert ids[10:] == [None] * 5
    assert store.stats().dropped == {"full": 5}
    assert store.stats().waiting == 10
    service.down.clear()
    assert store.close()
    assert list(service.stored) == ids[:10]


def test_bytes_are_bounded_too() -> None:
    _, store = held_up(max_bytes=10_000, max_event_bytes=5000)
    taken = [store.store({"blob": "x" * 900}) for _ in range(20)]
    assert 9 <= sum(t is not None for t in taken) <= 10
    assert store.store({"blob": "x" * 6000}) is None
    assert store.stats().dropped["too_large"] == 1
    store.close(0)


def test_block_waits_no_longer_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    wait_for = threading.Condition.wait_for

    def watched(self: threading.Condition, true: Callable[[], bool], seconds: float | None = None) -> bool:
        waits.append(seconds)
        return wait_for(self, true, seconds)

    service, store = held_up(max_events=5, on_full=block(0.01))
    for n in range(5):
        assert store.store({"n": n})
    with monkeypatch.context() as patch:
        patch.setattr(threading.Condition, "wait_for", watched)
        assert store.store({"n": 5}) is None
    assert waits == [0.01]
    service.down.clear()
    assert store.close()
    assert store.stats().dropped == {"full": 1}


def test_block_waits_for_room() -> None:
    service, store = held_up(max_events=5, on_full=block(HOUR))
    ids = [store.store({"n": n}) for n in range(5)]
    assert store._pipeline is not None
    room = store._pipeline.buffer._room
    waiting = threading.Thread(target=lambda: ids.append(store.store({"n": 5})), daemon=True)
    waiting.start()
    wait_until(lambda: room._waiters, what="the thread that waits for room")  # type: ignore[attr-defined]
    service.down.clear()
    waiting.join()
    assert store.close()
    assert list(service.stored) == ids
    assert store.stats().dropped == {}


def test_close_gives_up_in_time_and_says_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    _, store = held_up()
    store.store({"n": 1})
    assert not store.close(0.1)
    assert store.stats().dropped == {"closed": 1}
    assert "not written in time, and lost with the process: 1 audit event" in caplog.text
    with pytest.raises(StoreClosedError):
        store.store({"n": 2})
    assert store.close(), "closing twice is nothing"


def test_flush_says_whether_all_was_written() -> None:
    service, store = held_up()
    assert store.flush(0.1), "nothing was there"
    store.store({"n": 1})
    assert not store.flush(0.1)
    service.down.clear()
    assert store.flush(HOUR)
    assert len(service.stored) == 1
    store.close()


def test_events_go_by_themselves() -> None:
    service = Service()
    with BufferedAuditStore(service, flush_interval=0.05, batch_size=3) as store:
        store.store({"n": 1})
        wait_until(lambda: store.stats().written == 1, what="the interval sends a batch that is not full")
    assert len(service.stored) == 1


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"flush_interval": 0}, {"max_event_bytes": 1 << 30}])
def test_bounds_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        BufferedAuditStore(Service(), **options)


class Hook:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.size = -1

    def buffered(self, count: int) -> None:
        self.told["buffered"] += count

    def dropped(self, count: int, reason: str) -> None:
        self.told[f"dropped {reason}"] += count

    def written(self, count: int) -> None:
        self.told["written"] += count

    def batch_failed(self, reason: str) -> None:
        self.told[f"failed {reason}"] += 1

    def buffer_size(self, events: int) -> None:
        self.size = events

    def write_duration(self, seconds: float) -> None:
        self.told["attempts"] += 1


def test_metrics_add_up() -> None:
    hook = Hook()
    service = Service(
        refusal("buffer-full", 503), refusal("validation-error", field_errors={"[1].event_type": "is required"})
    )
    store = BufferedAuditStore(
        service, metrics=hook, max_events=4, flush_interval=HOUR, backoff=Backoff(first=0.001, longest=0.002)
    )
    for n in range(6):
        store.store({"n": n})
    assert store.close()
    assert hook.told == {
        "buffered": 4,
        "dropped full": 2,
        "dropped refused": 1,
        "written": 3,
        "failed 503": 1,
        "failed 400": 1,
        "attempts": 3,
    }
    assert hook.size == 0


def test_a_hook_that_fails_holds_nothing_up() -> None:
    class Broken(Hook):
        def buffered(self, count: int) -> None:
            raise RuntimeError("no")

    service = Service()
    with BufferedAuditStore(service, metrics=Broken()) as store:
        store.store({"n": 1})
        assert store.flush(HOUR)
    assert len(service.stored) == 1


def test_prometheus() -> None:
    registry = CollectorRegistry()
    with BufferedAuditStore(
        Service(refusal("dlq-full", 503)), metrics=PrometheusMetrics(registry), backoff=Backoff(0.001)
    ) as s:
        s.store({"n": 1})
        s.flush(HOUR)
    value = registry.get_sample_value
    assert value("audit_events_buffered_total") == 1
    assert value("audit_events_written_total") == 1
    assert value("audit_batches_failed_total", {"reason": "503"}) == 1
    assert value("audit_buffer_size") == 0
    assert value("audit_write_duration_seconds_count") == 2


AT_EXIT = """
import json, sys
from datastorage_client import BufferedAuditStore

class ToFile:
    def send_events(self, body, count):
        print(body.decode(), flush=True)
        return 201

store = BufferedAuditStore(ToFile(), flush_interval=60)
store.store({"n": 1})
"""


def test_closed_at_exit() -> None:
    ended = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended
    assert [e["n"] for e in json.loads(ended.stdout)] == [1]


FORK = """
import json, os, sys, time
from datastorage_client import Backoff, BufferedAuditStore, ConnectionFailedError, spool

class ToFile:
    "Takes nothing until the file `open` is there; then a line for each event, with the process that sent it."
    def send_events(self, body, count):
        if not os.path.exists("open"):
            raise ConnectionFailedError("not yet", sent=False)
        with open("sent", "a") as file:
            for e in json.loads(body):
                file.write(json.dumps([os.getpid(), e["who"], e["event_id"]]) + chr(10))
        return 201

policy = spool("spool") if sys.argv[1] == "spool" else None
store = BufferedAuditStore(ToFile(), flush_interval=0.05, on_full=policy, backoff=Backoff(0.01, 0.02))
for n in range(100):
    store.store({"who": "parent"})
if policy:
    assert store.sync(100)
child = os.fork()
who = "child" if child == 0 else "parent"
assert store.stats().buffered == (0 if child == 0 else 100)
for n in range(50):
    store.store({"who": who})
if child == 0:
    if policy:
        assert store.sync(100)
    open("open", "w").close()
assert store.close(100)
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(os.getpid(), child, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("policy", ["memory", "spool"])
def test_a_fork_sends_each_event_once_from_the_process_that_stored_it(policy: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FORK, policy]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    sent = [json.loads(line) for line in (tmp_path / "sent").read_text().splitlines()]
    assert len({ident for _, _, ident in sent}) == len(sent) == 200
    parent, child = max(map(str.split, ended.stdout.splitlines()), key=lambda pair: int(pair[1]))
    assert Counter((str(pid), who) for pid, who, _ in sent) == {(parent, "parent"): 150, (child, "child"): 50}
    if policy == "spool":
        assert [p.name for p in (tmp_path / "spool").iterdir()] == []


ORPHAN = """
import os, time
from datastorage_client import BufferedAuditStore, ConnectionFailedError, spool

class Away:
    def send_events(self, body, count):
        raise ConnectionFailedError("away", sent=False)

store = BufferedAuditStore(Away(), on_full=spool("spool"))
store.store({"n": 1})
assert store.sync(100)
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(3600)
os.kill(os.getpid(), 9)
"""


def test_a_child_does_not_keep_what_its_dead_parent_left(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        assert parent.wait(100) == -9
        service = Service()
        with BufferedAuditStore(service, on_full=spool(tmp_path / "spool"), flush_interval=0.02) as store:
            assert store.flush(HOUR)
        assert [e["n"] for e in service.stored.values()] == [1]
    finally:
        os.kill(child, 9)
        parent.stdout.close()


def test_many_threads_lose_and_double_nothing(tmp_path: Path) -> None:
    service = Service()
    with BufferedAuditStore(service, on_full=spool(tmp_path), batch_size=50) as store:
        ids: list[list[str | None]] = [[] for _ in range(8)]

        def write(number: int) -> None:
            ids[number] = [store.store({"n": n, "who": number}) for n in range(500)]

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.flush(HOUR)
    assert sorted(map(str, (i for one in ids for i in one))) == sorted(service.stored)
    assert sum(map(len, service.batches)) == 4000
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "said"), [(("http://127.0.0.1:8080",), "not its address"), ((None,), "not its address")]
)
def test_what_is_no_client_is_refused_at_once(arguments: tuple[Any, ...], said: str) -> None:
    """It would be found out in the background otherwise, when its events are lost."""
    with pytest.raises(TypeError, match=said):
        BufferedAuditStore(*arguments)


def test_what_is_no_policy_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="one of the policies"):
        BufferedAuditStore(Service(), on_full="spool")  # type: ignore[arg-type]
