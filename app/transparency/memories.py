"""What the log remembers of itself outside PostgreSQL: the last tree that it has signed, or was about to.

A database that was restored from before, or that failed over to a standby that lags, does not know what was signed.
So the size and the root go to a memory first, by compare-and-set, and only then is that tree signed, and no other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson
from datastorage_common.files import ReadError, read_whole
from datastorage_common.merkle import HASH_BYTES
from redis.exceptions import RedisError

from app.config.log import LogSettings
from app.dlq.client import dispensable, within
from app.dlq.endpoint import Endpoint
from app.dlq.scripts import Script

KEY = "audit:log:signed"
_ASK_SECONDS = 1.0
_LOCK_SECONDS = 1.0
_MAX_BYTES = 4096
_ADVANCE = Script(
    """
    local found = redis.call('GET', KEYS[1])
    if (found or '') ~= ARGV[1] then
        return 0
    end
    redis.call('SET', KEYS[1], ARGV[2])
    return 1
    """
)


class MemoryAwayError(Exception):
    """A memory cannot be asked now; the message says why in one line."""


class MemoryBrokenError(Exception):
    """A memory holds something else than a tree; the message says so in one line."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A tree that was signed, or was about to be: by the holder of this epoch."""

    origin: str
    epoch: int
    size: int
    root: bytes

    def encode(self) -> bytes:
        """The same tree gives the same bytes, so that they can be compared."""
        members = {"epoch": self.epoch, "origin": self.origin, "root": self.root.hex(), "size": self.size}
        return orjson.dumps(members, option=orjson.OPT_SORT_KEYS)


def decode(data: bytes) -> Remembered | None:
    """What a memory holds; None where it is empty. Raises MemoryBrokenError."""
    if not data:
        return None
    try:
        members = orjson.loads(data)
        found = Remembered(members["origin"], members["epoch"], members["size"], bytes.fromhex(members["root"]))
    except (ValueError, KeyError, TypeError):
        raise MemoryBrokenError("does not hold a tree") from None
    if found.encode() != data or len(found.root) != HASH_BYTES:
        raise MemoryBrokenError("does not hold a tree")
    return found


class Memory(Protocol):
    """A place outside PostgreSQL that remembers one tree."""

    name: str

    def read(self) -> bytes:
        """What it holds, for `decode`; empty if nothing. Raises MemoryAwayError."""
        ...

    def advance(self, before: bytes, after: bytes) -> bool:
        """Put ``after`` in the place of ``before``; False if it holds something else. Raises MemoryAwayError."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class RedisMemory:
    """A key in the Redis of the dead letter queue, which all instances share."""

    name = "redis"

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = endpoint.client(connect_timeout=_ASK_SECONDS, timeout=_ASK_SECONDS)

    def read(self) -> bytes:
        try:
            with within(_ASK_SECONDS), dispensable():
                found = self._client.get(KEY)
        except (RedisError, OSError) as e:
            raise MemoryAwayError(f"Redis does not answer ({type(e).__name__})") from None
        return bytes(found or b"")  # type: ignore[arg-type]

    def advance(self, before: bytes, after: bytes) -> bool:
        try:
            with within(_ASK_SECONDS), dispensable():
                return bool(_ADVANCE.run(self._client, 1, KEY, before, after))
        except (RedisError, OSError) as e:
            raise MemoryAwayError(f"Redis does not answer ({type(e).__name__})") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class FileMemory:
    """A file, such as one on another disk than the database's."""

    name = "file"

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def read(self) -> bytes:
        try:
            return read_whole(self._path, _MAX_BYTES)
        except FileNotFoundError:
            return b""
        except ReadError as e:
            if not os.path.lexists(self._path):
                return b""
            raise MemoryAwayError(str(e)) from None

    def advance(self, before: bytes, after: bytes) -> bool:
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with self._locked():
                if self.read() != before:
                    return False
                with open(new, "wb") as file:
                    file.write(after)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(new, self._path)
                _sync_folder(self._path.parent)
        except OSError as e:
            raise MemoryAwayError(f"{self._path}: {e.strerror or type(e).__name__}") from None
        return True

    def close(self) -> None:
        """Nothing stays open."""

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among the processes of this machine."""
        descriptor = os.open(
            self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.01)
            yield
        finally:
            os.close(descriptor)


def make_memories(settings: LogSettings, endpoint: Endpoint | None) -> list[Memory]:
    """All that are set up; ``endpoint`` is the Redis of this worker, if there is one. Connects to nothing."""
    found: list[Memory] = [RedisMemory(endpoint)] if endpoint is not None else []
    if settings.checkpoint_file is not None:
        found.append(FileMemory(settings.checkpoint_file))
    return found


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
