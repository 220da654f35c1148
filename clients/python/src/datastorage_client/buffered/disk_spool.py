"""The spool: what waits on disk, written by one thread and sent by another, in this process or the next."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datastorage_client.buffered.event import Item
from datastorage_client.buffered.forking import fork_lock
from datastorage_client.buffered.segment_writer import Writer
from datastorage_client.buffered.segments import Folder, sync_dir

log = logging.getLogger(__name__)

_ADOPT_EVERY_S = 10.0
_REJECTS_BYTES = 64 * 1024 * 1024


class SpoolFullError(Exception):
    """The spool holds as many bytes as it may."""


class DiskSpool:
    """This process's folder of the spool, and those of processes that are gone. Oldest first: theirs come before ours.

    Ours is made when there is something to write: on a full disk, what the others left has to leave before.

    One thread calls `append`, one other everything else.
    """

    def __init__(self, root: Path, max_bytes: int, segment_bytes: int, on_damage: Callable[[int], None]) -> None:
        self.root = root
        self._max_bytes = max_bytes
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._segment_bytes = segment_bytes
        self._damage = on_damage
        self._lock = threading.Lock()
        self._own: Folder | None = None
        self._writer: Writer | None = None
        self._adopted: list[Folder] = []
        self._next_adoption = 0.0
        self._own_waiting = 0
        self.own_acked = 0
        self.adopt()

    def append(self, items: list[Item]) -> None:
        """Make events durable. Raises SpoolFullError, or OSError when the disk says no."""
        size = sum(len(item.raw) + 16 for item in items)
        if self.size_bytes + size > self._max_bytes:
            raise SpoolFullError
        if self._writer is None:
            with fork_lock:
                own = Folder.create(self.root, self._on_own_damage)
                self._writer = Writer(own, self._segment_bytes)
                self._own = own
        self._writer.append(items)
        with self._lock:
            self._own_waiting += len(items)

    def peek(self, max_events: int, max_bytes: int) -> list[Item]:
        """As `Source.peek`."""
        while self._adopted:
            if found := self._adopted[0].peek(max_events, max_bytes):
                return found
            folder = self._adopted.pop(0)
            log.info("all events that an earlier process left in %s are dealt with", folder.path)
            folder.remove()
        return self._own.peek(max_events, max_bytes) if self._own is not None else []

    def ack(self, count: int) -> None:
        """As `Source.ack`, for events of the last peek."""
        if self._adopted:
            self._adopted[0].ack(count)
            return
        assert self._own is not None  # noqa: S101 - these events came from there
        self._own.ack(count)
        self._left(count)

    def _left(self, count: int) -> None:
        with self._lock:
            count = min(count, self._own_waiting)
            self._own_waiting -= count
            self.own_acked += count

    def adopt(self) -> None:
        """Take over what processes that are gone have left, now and then."""
        if time.monotonic() < self._next_adoption:
            return
        self._next_adoption = time.monotonic() + _ADOPT_EVERY_S
        mine = {f.path for f in (self._own, *self._adopted) if f is not None}
        found = [p for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(".") and p not in mine]
        for path in sorted(found, key=_modified):
            with fork_lock:
                if (folder := Folder.adopt(path, self._on_damage)) is not None:
                    self._adopted.append(folder)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk that this process answers for."""
        return sum(f.size_bytes for f in (self._own, *self._adopted) if f is not None)

    @property
    def orphans(self) -> bool:
        """Whether events of earlier processes wait."""
        return bool(self._adopted)

    def __len__(self) -> int:
        return self._own_waiting

    def reject(self, item: Item, problem: Mapping[str, Any]) -> None:
        """Write an event and why it is not stored into ``rejects.jsonl``. Raises OSError.

        The file is moved to ``rejects.1.jsonl`` at 64 MiB, over the one before.
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(), "problem": problem, "event": item.event()})
        path = self.root / "rejects.jsonl"
        lock_fd = os.open(self.root / "rejects.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size + len(line) > _REJECTS_BYTES:
                    path.replace(self.root / "rejects.1.jsonl")
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                data = line.encode() + b"\n"
                if os.write(fd, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(fd)
            finally:
                os.close(fd)
            sync_dir(self.root)
        finally:
            # A child that was forked meanwhile has the descriptor, too, and closing ours would not let go of the lock.
            fcntl.flock(lock_fd, fcntl.LOCK_UN)
            os.close(lock_fd)

    def close(self) -> None:
        """Let go of everything; remove our folder if all of it was dealt with. Both threads must have ended."""
        if self._writer is not None:
            self._writer.close()
        if self._own is not None:
            if self._own_waiting == 0:
                self._own.remove()
            else:
                self._own.release()
        for folder in self._adopted:
            folder.release()
        self._adopted = []

    def forsake(self) -> None:
        """In a forked child: close what came with the fork, under `fork_lock`; what is on disk stays the parent's."""
        if self._writer is not None:
            self._writer.forsake()
        for folder in (self._own, *self._adopted):
            if folder is not None:
                folder.release()

    def _on_damage(self, count: int, text: str) -> None:
        self._damage(count)
        log.error("%s", text)

    def _on_own_damage(self, count: int, text: str) -> None:
        self._left(count)
        self._on_damage(count, text)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
