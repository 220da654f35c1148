"""A worker for which there is no room: what counts as that, and that the master goes on."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from app.server.room import is_no_room, keep_spawning


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def error(self, text: str, *values: object) -> None:
        self.said.append(text % values)


class Master:
    """What gunicorn's is to us: a method that starts a worker, and a log."""

    def __init__(self, error: BaseException | None) -> None:
        self.log = Log()
        self.error = error
        self.spawned = 0

    def spawn_worker(self) -> None:
        if self.error is not None:
            os.umask(0)  # as gunicorn does for the file that it then cannot make
            raise self.error
        self.spawned += 1


def guarded(error: BaseException | None) -> Any:
    master: Any = Master(error)
    keep_spawning(master)
    return master


@pytest.mark.parametrize(
    ("error", "no_room"),
    [
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EMFILE, "Too many open files"), True),
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), False),
        (RuntimeError("something else"), False),
        (ValueError("x"), False),
    ],
)
def test_what_is_a_lack_of_room(error: BaseException, no_room: bool) -> None:
    assert is_no_room(error) is no_room


def test_the_master_goes_on_and_says_so_once_in_a_while() -> None:
    master = guarded(BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"))
    mask = os.umask(0o027)
    try:
        for _ in range(3):
            master.spawn_worker()
        assert os.umask(0o027) == 0o027, "as it was"
    finally:
        os.umask(mask)
    assert master.log.said == [
        "datastorage: no worker can be started: Resource temporarily unavailable; it is tried again"
    ]
    master.error = None
    master.spawn_worker()
    assert master.spawned == 1


def test_what_is_no_lack_of_room_is_raised() -> None:
    with pytest.raises(FileNotFoundError):
        guarded(FileNotFoundError(errno.ENOENT, "gone")).spawn_worker()


def test_a_child_does_not_go_on_as_a_master(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails after the fork ends the child, whatever it was."""
    master = guarded(OSError(errno.EMFILE, "Too many open files"))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(OSError, match="Too many"):
        master.spawn_worker()
