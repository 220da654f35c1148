"""A spool on a disk that is full: what is on it leaves, the books are right, and nothing is left behind by trying."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from datastorage_client import Backoff, BufferedAuditStore, spool

from tests.support import wait_until
from tests.unit.client.fakes import Service
from tests.unit.client.test_spool import abandoned, items
from tests.unit.fakes import HOUR

SOON = Backoff(first=0.001, longest=0.002)
EVENTS = 2000


class SmallDisk:
    """A disk of its own, in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, *, files: bool = True) -> None:
        """Leave not a byte, and no room for another file."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(512))
            except OSError:
                pass
        for n in range(10_000 if files else 0):
            try:
                (self.path / f"file-{n}").touch()
            except OSError:
                return

    def clear(self) -> None:
        for path in self.path.glob("file-*"):
            path.unlink()
        (self.path / "ballast").unlink()

    def files(self) -> set[str]:
        return {str(p.relative_to(self.path)) for p in (self.path / "spool").rglob("*")}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "disk"
    path.mkdir()
    options = "size=4m,nr_inodes=100"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a disk of a test's own needs the right to mount one: {made.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def books(store: BufferedAuditStore) -> tuple[int, int, int, dict[str, int]]:
    stats = store.stats()
    return stats.buffered, stats.written, stats.waiting, dict(stats.dropped)


def test_all_arrive_and_the_books_are_right(disk: SmallDisk, caplog: pytest.LogCaptureFixture) -> None:
    service = Service()
    service.down.set()
    store = BufferedAuditStore(service, on_full=spool(disk.path / "spool"), flush_interval=0.01, backoff=SOON)
    for n in range(EVENTS):
        store.store({"n": n})
    assert store.sync(HOUR)
    disk.fill()
    service.down.clear()
    assert store.flush(HOUR)
    assert books(store) == (EVENTS, EVENTS, 0, {})
    assert store.close()
    assert [e["n"] for e in service.stored.values()] == list(range(EVENTS))
    assert sum(map(len, service.batches[-EVENTS // 500 :])) == EVENTS
    assert disk.files() == set()
    assert not [r for r in caplog.records if r.exc_info]


def test_what_an_ended_process_left_leaves_a_disk_that_is_full(
    disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    """There is room for no folder of one's own, and none for the cursor of the other."""
    path = abandoned(disk.path / "spool", [items(0, 1000), items(1000, EVENTS)], segment_bytes=1000)
    (path / "cursor").unlink()
    disk.fill()
    service = Service()
    with BufferedAuditStore(service, on_full=spool(disk.path / "spool"), flush_interval=0.01) as store:
        assert store.flush(HOUR)
        assert store.stats().written == EVENTS
    assert len(service.stored) == EVENTS
    assert disk.files() == set()
    assert not [r for r in caplog.records if r.exc_info]


@pytest.mark.parametrize("before", [0, 1])
def test_trying_again_leaves_nothing(
    before: int, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the folder that could not be made whole, nor segments without an event."""
    monkeypatch.setattr("datastorage_client.buffered.spooler._RETRY_S", 0.001)
    service = Service()
    service.down.set()
    store = BufferedAuditStore(
        service, on_full=spool(disk.path / "spool", sync_interval=0.001), flush_interval=0.01, backoff=SOON
    )
    spooler = store._pipeline and store._pipeline._spooler
    assert spooler is not None
    for n in range(before):
        store.store({"n": n})
    assert store.sync(HOUR)
    disk.fill(files=False)
    there = disk.files()
    tries: list[int] = []
    move = spooler._source.move

    def counted() -> int:
        tries.append(1)
        return move()

    monkeypatch.setattr(spooler._source, "move", counted)
    store.store({"n": before, "blob": "x" * 20_000})
    wait_until(lambda: len(tries) >= 20, what="it has tried again and again")
    # One may be there just now, as the next try.
    assert len({p for p in disk.files() - there if p.endswith(".seg")}) <= 1
    assert len({p.split("/")[1] for p in disk.files()}) <= 1
    disk.clear()
    assert store.sync(HOUR), "by itself again when there is room"
    service.down.clear()
    assert store.flush(HOUR)
    assert store.close()
    assert [e["n"] for e in service.stored.values()] == list(range(before + 1))
    assert disk.files() == set()
    assert sum("the spool takes no events now" in r.message for r in caplog.records) == 1
    assert os.listdir(disk.path) == ["spool"]
