"""What the log remembers outside PostgreSQL: real files, each with the troubles that a file can have."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.config.log import LogSettings
from app.config.stores import RedisSettings
from app.dlq.endpoint import Endpoint
from app.transparency import memories
from app.transparency.memories import (
    FileMemory,
    MemoryAwayError,
    MemoryBrokenError,
    Remembered,
    decode,
    make_memories,
)

FIRST = Remembered("log.example/one", 3, 7, bytes(range(32))).encode()
SECOND = Remembered("log.example/one", 3, 9, bytes(32)).encode()
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


def filled(path: Path) -> FileMemory:
    memory = FileMemory(str(path))
    assert memory.advance(b"", FIRST)
    return memory


# --- what it holds --------------------------------------------------------------------------------------------


def test_a_tree_comes_back_as_it_was() -> None:
    tree = Remembered("log.example/ä", 3, 2**40, bytes(range(32)))
    assert decode(tree.encode()) == tree
    assert decode(b"") is None


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"[]",
        b"{}",
        FIRST[:-1],
        FIRST + b"\n",
        FIRST.replace(b'"size":7', b'"size":"7"'),
        FIRST.replace(b'"size":7', b'"size":-7'),
        FIRST.replace(b'"size":7', b'"size":true'),
        FIRST.replace(b'"size":7', b'"size":7.5'),
        FIRST.replace(b'"epoch":3', b'"epoch":null'),
        FIRST.replace(b'"log.example/one"', b"5"),
        FIRST.replace(b"1f", b""),
        FIRST.replace(b"1f", b"1F"),
        b"\xff",
    ],
)
def test_what_is_no_tree_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(MemoryBrokenError, match="does not hold a tree"):
        decode(data)


# --- a file ---------------------------------------------------------------------------------------------------


def test_it_is_moved_on_from_what_it_holds_alone(path: Path) -> None:
    memory = FileMemory(str(path))
    assert memory.read() == b""
    assert not memory.advance(SECOND, FIRST), "it is empty"
    assert memory.advance(b"", FIRST)
    assert memory.read() == FIRST
    assert not memory.advance(b"", SECOND)
    assert memory.advance(FIRST, SECOND)
    assert memory.advance(SECOND, SECOND)
    assert FileMemory(str(path)).read() == SECOND
    assert sorted(p.name for p in path.parent.iterdir()) == ["checkpoint", "checkpoint.lock"]


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    """Else this machine goes on with a file of its own, beside the one that all share."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "signed").write_bytes(FIRST)
    path.symlink_to(shared / "signed")
    assert FileMemory(str(path)).advance(FIRST, SECOND)
    assert path.is_symlink()
    assert (shared / "signed").read_bytes() == SECOND


def test_a_link_to_nothing_is_away_and_not_empty(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "not mounted" / "signed")
    memory = FileMemory(str(path))
    for ask in (memory.read, lambda: memory.advance(b"", FIRST)):
        with pytest.raises(MemoryAwayError, match="No such file or directory"):
            ask()


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    memory = FileMemory(str(tmp_path / "gone" / "checkpoint"))
    assert memory.read() == b"", "which is nothing to go on from, where there are checkpoints"
    with pytest.raises(MemoryAwayError, match="No such file or directory"):
        memory.advance(b"", FIRST)


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir()
    with pytest.raises(MemoryAwayError):
        FileMemory(str(path)).read()


@pytest.mark.skipif(AS_ROOT, reason="root may read everything")
def test_a_folder_that_may_not_be_read(path: Path) -> None:
    memory = filled(path)
    path.parent.chmod(0)
    try:
        with pytest.raises(MemoryAwayError, match="Permission denied"):
            memory.read()
    finally:
        path.parent.chmod(0o700)


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(path: Path) -> None:
    memory = filled(path)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(MemoryAwayError, match=r"checkpoint\.new: Permission denied"):
            memory.advance(FIRST, SECOND)
        assert memory.read() == FIRST
    finally:
        path.parent.chmod(0o700)


def test_a_disk_that_takes_no_more(path: Path) -> None:
    memory = filled(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        with pytest.raises(MemoryAwayError, match="File too large"):
            memory.advance(FIRST, SECOND)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert memory.read() == FIRST
    assert memory.advance(FIRST, SECOND), "half of another one is in nobody's way"


def test_what_is_torn_is_said_and_not_taken_for_empty(path: Path) -> None:
    memory = filled(path)
    path.write_bytes(FIRST[:20])
    with pytest.raises(MemoryBrokenError):
        decode(memory.read())
    path.write_bytes(b"x" * 5000)
    with pytest.raises(MemoryAwayError):
        memory.read()


HOLDER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_one_at_a_time_of_all_processes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memories, "_LOCK_SECONDS", 0.05)
    memory = filled(path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, f"{path}.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(MemoryAwayError, match="another process holds its lock"):
            memory.advance(FIRST, SECOND)
        assert memory.read() == FIRST, "to look needs no lock"
    finally:
        holder.kill()
        holder.communicate()
    assert memory.advance(FIRST, SECOND), "a lock ends with its process"


# Killed at the n-th system call that makes the new tree last.
KILLED = """
import os, signal, sys
from app.transparency.memories import FileMemory
steps = {"fsync": os.fsync, "replace": os.replace}
def die(*arguments):
    if sys.argv[3] == "after":
        steps[sys.argv[2]](*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, sys.argv[2], die)
FileMemory(sys.argv[1]).advance(sys.argv[4].encode(), sys.argv[5].encode())
"""


@pytest.mark.parametrize(
    ("step", "when", "held"),
    [("fsync", "before", FIRST), ("replace", "before", FIRST), ("replace", "after", SECOND)],
)
def test_killed_anywhere_it_holds_one_tree_or_the_other(path: Path, step: str, when: str, held: bytes) -> None:
    memory = filled(path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), step, when, FIRST.decode(), SECOND.decode()], check=False
    )
    assert done.returncode == -9
    assert memory.read() == held
    assert memory.advance(held, SECOND), "and can be moved on"


def test_a_file_that_does_not_answer_holds_nobody_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = filled(path)
    answer = threading.Event()
    real = memories.read_whole

    def stuck(*arguments: object) -> bytes:
        answer.wait(60)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(memories, "_ASK_SECONDS", 0.05)
    monkeypatch.setattr(memories, "read_whole", stuck)
    before = threading.active_count()
    for _ in range(20):
        with pytest.raises(MemoryAwayError, match="it does not answer"):
            memory.read()
        with pytest.raises(MemoryAwayError, match="it does not answer"):
            memory.advance(FIRST, SECOND)
    assert threading.active_count() <= before + 1, "no thread more for each that asks"
    answer.set()
    assert memory._busy is not None
    memory._busy.result(60)
    monkeypatch.setattr(memories, "_ASK_SECONDS", 60.0)
    assert memory.read() == FIRST


def test_no_room_for_a_thread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    memory = filled(path)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(MemoryAwayError, match="can't start new thread"):
            memory.read()
    assert memory.read() == FIRST


# --- which there are ------------------------------------------------------------------------------------------


def test_each_that_is_set_up_is_one(path: Path) -> None:
    endpoint = Endpoint(RedisSettings(url="redis://127.0.0.1:1/0"))
    file = LogSettings(checkpoint_file=str(path))
    assert [m.name for m in make_memories(LogSettings(), None)] == []
    assert [m.name for m in make_memories(LogSettings(), endpoint)] == ["redis"]
    assert [m.name for m in make_memories(file, None)] == ["file"]
    both = make_memories(file, endpoint)
    assert [m.name for m in both] == ["redis", "file"]
    for memory in both:
        memory.close()


def test_a_redis_that_is_away_is_said_so() -> None:
    [memory] = make_memories(LogSettings(), Endpoint(RedisSettings(url="redis://127.0.0.1:1/0")))
    for ask in (memory.read, lambda: memory.advance(b"", FIRST)):
        with pytest.raises(MemoryAwayError, match=r"Redis does not answer \(ConnectionError\)"):
            ask()
    memory.close()
