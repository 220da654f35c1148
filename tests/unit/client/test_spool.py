"""The spool: what is on disk stays, whatever happens to the process, the disk or a neighbour."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datastorage_client import Backoff, BufferedAuditStore, DataStorageError, ExpiredError, spool
from datastorage_client.buffered.disk_spool import DiskSpool
from datastorage_client.buffered.event import Item
from datastorage_client.buffered.frames import MAGIC, frame
from datastorage_client.buffered.pipeline import Pipeline
from datastorage_client.buffered.segment_writer import Writer
from datastorage_client.buffered.segments import Folder

from tests.support import wait_until
from tests.unit.client.fakes import Service, refusal
from tests.unit.fakes import HOUR

SOON = Backoff(first=0.01, longest=0.02)


def nothing(*_: object) -> None:
    """Nothing happens."""


def item(n: int, size: int = 10) -> Item:
    return Item(json.dumps({"event_id": f"id-{n}", "n": n, "x": "x" * size}).encode(), time.time_ns() // 1_000_000)


def items(first: int, last: int, size: int = 10) -> list[Item]:
    return [item(n, size) for n in range(first, last)]


def seen(found: list[Item]) -> list[int]:
    return [i.event()["n"] for i in found]


def abandoned(path: Path, written: list[list[Item]], *, segment_bytes: int = 1 << 20) -> Path:
    """A folder as a process leaves it that is killed."""
    path.mkdir(exist_ok=True)
    folder = Folder.create(path, nothing)
    writer = Writer(folder, segment_bytes)
    for batch in written:
        writer.append(batch)
    writer.close()
    folder.release()
    return folder.path


def adopt(path: Path, on_damage: Callable[[int, str], None] = nothing) -> Folder:
    folder = Folder.adopt(path, on_damage)
    assert folder is not None
    return folder


def test_what_was_written_is_read_in_order_over_segments(tmp_path: Path) -> None:
    path = abandoned(tmp_path, [items(0, 3), items(3, 6), items(6, 10)], segment_bytes=100)
    assert len(list(path.glob("*.seg"))) == 3
    folder = adopt(path)
    assert seen(folder.peek(4, 10**6)) == [0, 1, 2, 3]
    folder.ack(4)
    assert len(list(path.glob("*.seg"))) == 2, "a segment that is dealt with goes"
    assert seen(folder.peek(100, 10**6)) == [4, 5, 6, 7, 8, 9]
    folder.release()
    assert seen(adopt(path).peek(100, 10**6)) == [4, 5, 6, 7, 8, 9], "the cursor is kept"


def test_bytes_bound_what_is_read(tmp_path: Path) -> None:
    folder = adopt(abandoned(tmp_path, [items(0, 10, size=1000)]))
    assert seen(folder.peek(10, 2500)) == [0, 1]
    assert seen(folder.peek(10, 10)) == [0], "one always"


class Damage:
    """Hears of it."""

    def __init__(self) -> None:
        self.events = 0
        self.texts: list[str] = []

    def __call__(self, count: int, text: str) -> None:
        self.events += count
        self.texts.append(text)


def frames(segment: Path) -> list[tuple[int, int]]:
    """Where each frame begins and ends."""
    data = segment.read_bytes()
    found, at = [], len(MAGIC)
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        found.append((at, end))
        at = end
    return found


@pytest.mark.parametrize("cut", [1, 5, 9, 20, 60])
@pytest.mark.parametrize("zeros", [0, 4096])
def test_a_torn_end_is_no_damage(tmp_path: Path, cut: int, zeros: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = abandoned(tmp_path, [items(0, 5)])
    [segment] = path.glob("*.seg")
    start, end = frames(segment)[-1]
    torn = max(start, end - cut)
    os.truncate(segment, start if zeros else torn)
    if zeros:
        os.truncate(segment, start + zeros)  # as a loss of power leaves it
    damage = Damage()
    folder = adopt(path, damage)
    assert seen(folder.peek(10, 10**6)) == [0, 1, 2, 3]
    assert (damage.events, list(tmp_path.glob("damaged-*"))) == (0, [])
    assert {r.levelname for r in caplog.records} <= {"INFO"}
    folder.ack(4)


def test_a_store_says_nothing_was_lost_of_a_torn_end(tmp_path: Path) -> None:
    path = abandoned(tmp_path, [items(0, 5)])
    [segment] = path.glob("*.seg")
    os.truncate(segment, segment.stat().st_size - 7)
    with BufferedAuditStore(Service(), on_full=spool(tmp_path)) as store:
        assert store.flush(HOUR)
        assert store.stats().dropped == {}
        assert store.stats().written == 4


@pytest.mark.parametrize("where", ["length", "crc", "payload"])
def test_damage_costs_its_events_only_and_they_are_kept(tmp_path: Path, where: str) -> None:
    path = abandoned(tmp_path, [items(0, 3), items(3, 6)], segment_bytes=100)
    first = min(path.glob("*.seg"))
    data = bytearray(first.read_bytes())
    start, end = frames(first)[1]
    data[start + {"length": 0, "crc": 5, "payload": 20}[where]] ^= 0xFF
    first.write_bytes(data)
    damage = Damage()
    folder = adopt(path, damage)
    assert seen(folder.peek(10, 10**6)) == [0, 2, 3, 4, 5]
    [kept] = tmp_path.glob("damaged-*")
    assert kept.read_bytes() == bytes(data[start:end])
    assert damage.events == 1
    assert str(kept) in damage.texts[0]
    folder.ack(5)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 3), (4, 4), (3, 7), (9, 9), (7, 9)])
@pytest.mark.parametrize("how", ["zeros", "noise", "one bit"])
def test_damage_is_counted_in_events(tmp_path: Path, first: int, last: int, how: str) -> None:
    """Events first to last of ten are hit, in every byte or in one."""
    path = abandoned(tmp_path, [items(0, 10, size=300), items(10, 20)], segment_bytes=1000)
    segment = min(path.glob("*.seg"))
    data = bytearray(segment.read_bytes())
    found = frames(segment)
    begin, end = found[first][0], found[last][1]
    if how == "one bit":
        for at, _ in found[first : last + 1]:
            data[at + 50] ^= 1
    else:
        # Noise that is the same each time: where its first bytes are a length it looks like a write that was cut off.
        data[begin:end] = bytes(end - begin) if how == "zeros" else random.Random(first).randbytes(end - begin)
    if last == 9 and how != "one bit":
        data += b"x"  # not torn: something was written behind it
    segment.write_bytes(data)
    service = Service()
    with BufferedAuditStore(service, on_full=spool(tmp_path)) as store:
        assert store.flush(HOUR)
        dropped = store.stats().dropped
    assert sorted(e["n"] for e in service.stored.values()) == [*range(first), *range(last + 1, 20)]
    if last < 9 or how == "one bit":
        assert dropped == {"damaged": last - first + 1}
    else:
        # Nothing comes after it in the segment that would have a number.
        assert dropped["damaged"] >= 1


def test_a_flush_that_looks_before_a_folder_is_gone_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is woken when the last event of an earlier process is sent, and the folder is found empty a moment later."""
    abandoned(tmp_path, [items(0, 3)])
    service, looked = Service(), threading.Event()
    progress, orphans = Pipeline._progress, Pipeline._orphans

    def and_then_wait(self: Pipeline) -> None:
        progress(self)
        if service.stored and not looked.is_set():
            looked.wait(60)

    def noted(self: Pipeline) -> bool:
        found = orphans(self)
        if service.stored:
            looked.set()
        return found

    monkeypatch.setattr(Pipeline, "_progress", and_then_wait)
    monkeypatch.setattr(Pipeline, "_orphans", noted)
    with BufferedAuditStore(service, on_full=spool(tmp_path)) as store:
        assert store.flush(HOUR)
    assert len(service.stored) == 3


def test_segments_without_numbers_are_read(tmp_path: Path) -> None:
    path = abandoned(tmp_path, [[each] for each in items(0, 6)])
    segment = min(path.glob("*.seg"))
    whole = MAGIC + b"".join(frame(each, 0) for each in items(0, 6))
    segment.write_bytes(whole)
    start, _ = frames(segment)[2]
    segment.write_bytes(whole[: start + 30] + b"#" + whole[start + 31 :])
    damage = Damage()
    assert seen(adopt(path, damage).peek(10, 10**6)) == [0, 1, 3, 4, 5]
    assert damage.events == 1


def test_a_block_that_the_disk_cannot_read_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = abandoned(tmp_path, [items(0, 10, size=3000)])
    real = os.pread

    def broken(fd: int, size: int, offset: int) -> bytes:
        if size > 20 and offset <= 8192 < offset + size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, size, offset)

    monkeypatch.setattr(os, "pread", broken)
    damage = Damage()
    assert seen(adopt(path, damage).peek(10, 10**6)) == [0, 1, 5, 6, 7, 8, 9], "those outside the block"
    assert damage.events == 3


def test_a_broken_cursor_sends_again_rather_than_too_little(tmp_path: Path) -> None:
    path = abandoned(tmp_path, [items(0, 5)])
    folder = adopt(path)
    folder.peek(3, 10**6)
    folder.ack(3)
    folder.release()
    (path / "cursor").write_bytes(b"\xff" * 20)
    assert seen(adopt(path).peek(10, 10**6)) == [0, 1, 2, 3, 4]


def test_nobody_gets_a_folder_that_somebody_has(tmp_path: Path) -> None:
    path = abandoned(tmp_path, [items(0, 5)])
    first = adopt(path)
    assert Folder.adopt(path, nothing) is None
    first.release()
    second = adopt(path)
    second.remove()
    assert Folder.adopt(path, nothing) is None


def test_a_second_process_leaves_a_living_one_alone_and_takes_a_dead_one_over(tmp_path: Path) -> None:
    down = Service()
    down.down.set()
    living = BufferedAuditStore(down, on_full=spool(tmp_path), backoff=SOON)
    living.store({"n": 1})
    assert living.sync(HOUR)
    orphan = abandoned(tmp_path, [items(10, 20)])
    service = Service()
    with BufferedAuditStore(service, on_full=spool(tmp_path), flush_interval=0.02) as store:
        assert store.flush(HOUR)
        assert sorted(e["n"] for e in service.stored.values()) == list(range(10, 20))
    assert not orphan.exists()
    assert not living.close(0)
    with BufferedAuditStore(service, on_full=spool(tmp_path), flush_interval=0.02) as store:
        assert store.flush(HOUR)
    assert 1 in {e["n"] for e in service.stored.values()}, "the next start sends what a closed store left"
    assert list(tmp_path.iterdir()) == []


def test_disk_is_bounded_and_then_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    service.down.set()
    store = BufferedAuditStore(
        service,
        on_full=spool(tmp_path, max_bytes=1 << 20, sync_interval=0.01),
        max_event_bytes=1 << 18,
        max_events=100,
        backoff=SOON,
    )
    blob = "x" * 50_000
    taken: list[str] = []

    def full() -> bool:
        return "the spool takes no events now, they stay in memory: it is full" in caplog.text

    while not full():
        taken.append(str(store.store({"blob": blob})))
        wait_until(lambda: store.stats().synced == len(taken) or full(), what="the event on disk")
    while ident := store.store({"blob": blob}):
        taken.append(ident)
    assert store.stats().dropped == {"full": 1}
    used = sum(p.stat().st_size for p in tmp_path.rglob("*.seg"))
    assert 0.5 * (1 << 20) < used <= 1 << 20
    service.down.clear()
    assert store.flush(HOUR), "room comes back as events leave"
    assert set(service.stored) == set(taken)
    assert store.store({"n": "again"})
    assert store.close()


def test_who_gives_a_timeout_waits_for_a_disk_that_does_not_keep_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def slow(fd: int) -> None:
        time.sleep(0.005)
        real(fd)

    monkeypatch.setattr(os, "fsync", slow)
    service = Service()
    with BufferedAuditStore(service, on_full=spool(tmp_path, timeout=HOUR), max_events=10) as store:
        assert all(store.store({"n": n}) for n in range(100))
        assert store.flush(HOUR)
    assert len(service.stored) == 100


def test_a_disk_that_takes_nothing_does_not_stop_the_sending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    service = Service()
    store = BufferedAuditStore(service, on_full=spool(tmp_path, sync_interval=0.01), flush_interval=0.05)
    store.store({"n": 0})
    assert store.sync(HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for n in range(1, 20):
            store.store({"n": n})
        assert store.flush(HOUR)
        assert store.sync(HOUR), "written is durable enough"
    assert sorted(e["n"] for e in service.stored.values()) == list(range(20))
    store.store({"n": 20})
    assert store.sync(HOUR)
    assert store.close()
    assert len(service.stored) == 21


def test_a_disk_that_fails_in_an_outage_loses_nothing_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service()
    service.down.set()
    store = BufferedAuditStore(
        service, on_full=spool(tmp_path, sync_interval=0.01), flush_interval=0.02, backoff=SOON, batch_size=7
    )
    for n in range(10):
        store.store({"n": n})
    assert store.sync(HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "EIO")))
        for n in range(10, 20):
            store.store({"n": n})
        assert not store.sync(0.2), "nothing is called durable that is not"
    assert store.sync(HOUR)
    service.down.clear()
    assert store.close()
    assert sorted(e["n"] for e in service.stored.values()) == list(range(20))


def test_no_fsync_on_the_callers_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    threads: set[str] = set()
    real = os.fsync

    def fsync(fd: int) -> None:
        threads.add(threading.current_thread().name)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with BufferedAuditStore(Service(), on_full=spool(tmp_path)) as store:
        for n in range(1000):
            store.store({"n": n})
        store.sync(HOUR)
    assert threads == {"audit-spooler"}


def test_refused_events_are_in_the_rejects_file(tmp_path: Path) -> None:
    refused: list[dict[str, Any]] = []
    too_old = refusal("validation-error", field_errors={"[0].event_timestamp": "timestamp is too old"})
    with BufferedAuditStore(
        Service(too_old), on_full=spool(tmp_path), on_refused=lambda event, problem: refused.append(event)
    ) as store:
        store.store({"n": 1})
        store.store({"n": 2})
        assert store.flush(HOUR)
    [line] = (tmp_path / "rejects.jsonl").read_text().splitlines()
    rejected = json.loads(line)
    assert rejected["event"] == refused[0]
    assert rejected["event"]["n"] == 1
    assert rejected["problem"]["field_errors"] == {"[0].event_timestamp": "timestamp is too old"}


def test_events_that_expired_are_not_sent(tmp_path: Path) -> None:
    old = Item(b'{"n": 1}', int((time.time() - 8 * 86400) * 1000))
    abandoned(tmp_path, [[old, *items(2, 4)]])
    told: list[tuple[dict[str, Any], DataStorageError]] = []
    service = Service()
    with BufferedAuditStore(
        service, on_full=spool(tmp_path), on_refused=lambda event, problem: told.append((event, problem))
    ) as store:
        assert store.flush(HOUR)
        assert store.stats().dropped == {"expired": 1}
    assert sorted(e["n"] for e in service.stored.values()) == [2, 3]
    [(event, problem)] = told
    assert event == {"n": 1}
    assert isinstance(problem, ExpiredError)
    assert json.loads((tmp_path / "rejects.jsonl").read_text())["event"] == {"n": 1}


def test_the_rejects_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datastorage_client.buffered import disk_spool as module

    monkeypatch.setattr(module, "_REJECTS_BYTES", 1000)
    disk = DiskSpool(tmp_path, 1 << 20, 1 << 18, nothing)
    for n in range(30):
        disk.reject(item(n), {"title": "no"})
    disk.close()
    kept = sorted(p.name for p in tmp_path.glob("rejects*.jsonl"))
    assert kept == ["rejects.1.jsonl", "rejects.jsonl"]
    assert all(p.stat().st_size <= 1000 for p in tmp_path.glob("rejects*.jsonl"))


def test_a_folder_that_cannot_be_is_the_operators_to_hear_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        BufferedAuditStore(Service(), on_full=spool(tmp_path / "file" / "spool"))
    with pytest.raises(ValueError, match="four times"):
        BufferedAuditStore(Service(), on_full=spool(tmp_path / "s", max_bytes=1 << 20))
    with BufferedAuditStore(Service()) as store, pytest.raises(ValueError, match="spool"):
        store.sync(1)


def test_a_spool_whose_folder_vanishes_still_sends(tmp_path: Path) -> None:
    service = Service()
    path = tmp_path / "spool"
    with BufferedAuditStore(service, on_full=spool(path, sync_interval=0.01), flush_interval=0.05) as store:
        store.store({"n": 1})
        assert store.flush(HOUR)
        shutil.rmtree(path)
        store.store({"n": 2})
        wait_until(lambda: len(service.stored) == 2, what="the second event is written")
