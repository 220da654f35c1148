"""What the log remembers of itself outside PostgreSQL: the last tree that it has signed, or was about to.

A database that was restored from before, or that failed over to a standby that lags, does not know what was signed.
So the size and the root go to a memory first, by compare-and-set, and only then is that tree signed, and no other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import orjson
from datastorage_common.files import ReadError, read_whole
from datastorage_common.merkle import HASH_BYTES
from redis.exceptions import RedisError

from app.config.log import LogSettings
from app.dlq.client import code_of, dispensable, within
from app.dlq.endpoint import Endpoint
from app.dlq.scripts import Script

KEY = "audit:log:signed"
# By the name of a memory: the setting that says where it is.
SETTINGS = {"redis": "redis.url", "file": "log.checkpoint_file"}
# Two memories are read under the log's lock, whose transaction PostgreSQL ends when it is idle for 2 s (lock_head).
_ASK_SECONDS = 0.8
_WAIT_MS = 300
# Moved on they are without it; a busy disk takes its time.
_WRITE_SECONDS = 2.0
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

_T = TypeVar("_T")


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
    if len(found.root) != HASH_BYTES or not _is_tree(found) or found.encode() != data:
        raise MemoryBrokenError("does not hold a tree")
    return found


def _is_tree(found: Remembered) -> bool:
    """Whether its members are what they are said to be; a name is shown to people."""
    numbers = (found.epoch, found.size)
    named = isinstance(found.origin, str) and found.origin.isprintable()
    return named and all(type(number) is int and 0 <= number < 2**63 for number in numbers)


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

    def __init__(self, endpoint: Endpoint, min_replicas: int = 0) -> None:
        """``min_replicas``: as the dead letter queue asks for (`redis.min_replicas`)."""
        self._client = endpoint.client(connect_timeout=_ASK_SECONDS, timeout=_ASK_SECONDS)
        self._min_replicas = min_replicas

    def read(self) -> bytes:
        with self._asked():
            found = self._client.get(KEY)
        return bytes(found or b"")  # type: ignore[arg-type]

    def advance(self, before: bytes, after: bytes) -> bool:
        # One connection: WAIT is for what came by its own.
        with self._asked(), self._client.client() as client:  # type: ignore[no-untyped-call]
            moved = bool(_ADVANCE.run(client, 1, KEY, before, after))
            if moved and self._min_replicas:
                found = client.wait(self._min_replicas, _WAIT_MS)
                if int(found) < self._min_replicas:
                    raise MemoryAwayError("too few replicas have it")
            return moved

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            with within(_ASK_SECONDS), dispensable():
                yield
        except (RedisError, OSError) as e:
            code = code_of(e)
            said = f"Redis refuses ({code})" if code else f"Redis does not answer ({type(e).__name__})"
            raise MemoryAwayError(said) from None


class FileMemory:
    """A file, such as one on another disk than the database's.

    Each step is made by a thread of its own: a file of a server that does not answer holds up who asks, without end.
    One that was given up may still end; the next is not begun before.
    """

    name = "file"

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._busy: Future[object] | None = None

    def read(self) -> bytes:
        return self._soon(self._read, _ASK_SECONDS)

    def advance(self, before: bytes, after: bytes) -> bool:
        return self._soon(lambda: self._advance(before, after), _WRITE_SECONDS)

    def close(self) -> None:
        """Nothing stays open."""

    def _soon(self, step: Callable[[], _T], seconds: float) -> _T:
        if self._busy is not None and not self._busy.done():
            raise MemoryAwayError(f"{self._path}: it does not answer")
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(step())
            except Exception as e:  # noqa: BLE001 - told to the one that waits
                future.set_exception(e)

        try:
            threading.Thread(target=run, name="log-memory", daemon=True).start()
        except RuntimeError as e:  # no room for a thread
            raise MemoryAwayError(str(e)) from None
        self._busy = future  # type: ignore[assignment]
        try:
            return future.result(seconds)
        except TimeoutError:
            raise MemoryAwayError(f"{self._path}: it does not answer") from None
        except OSError as e:
            raise MemoryAwayError(f"{e.filename or self._path}: {e.strerror or type(e).__name__}") from None

    def _read(self) -> bytes:
        try:
            return read_whole(self._path, _MAX_BYTES)
        except ReadError as e:
            try:
                os.lstat(self._path)
            except FileNotFoundError:
                return b""
            except OSError:
                pass
            raise MemoryAwayError(str(e)) from None

    def _advance(self, before: bytes, after: bytes) -> bool:
        # Behind a link, so that the link stays one.
        path = Path(os.path.realpath(self._path))
        new = path.with_name(f"{path.name}.new")
        with _alone(path):
            if self._read() != before:
                return False
            with open(new, "wb") as file:
                file.write(after)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
            _sync_folder(path.parent)
        return True


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Alone among the processes of this machine; of others too, where the file system knows of locks."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise MemoryAwayError(f"{path}: another process holds its lock") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def make_memories(settings: LogSettings, endpoint: Endpoint | None, min_replicas: int = 0) -> list[Memory]:
    """All that are set up; ``endpoint`` is the Redis of this worker, if there is one. Connects to nothing."""
    found: list[Memory] = [RedisMemory(endpoint, min_replicas)] if endpoint is not None else []
    if settings.checkpoint_file is not None:
        found.append(FileMemory(settings.checkpoint_file))
    return found


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
