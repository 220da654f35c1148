"""What happens to an event when the buffer in memory is full."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DropNew:
    """The new event is dropped and counted. `store` never waits."""


@dataclass(frozen=True)
class Block:
    """`store` waits up to ``timeout`` seconds for room, then drops the event and counts it."""

    timeout: float

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise ValueError("the timeout is a number of seconds above 0")


@dataclass(frozen=True)
class Spool:
    """Every event goes to disk, and from there to the service.

    path: a folder on a local disk; several processes may share it. max_bytes: of the segments that one process
    answers for (its own, and those it took over from processes that are gone); beyond that events stay in memory,
    and when that is full new ones are dropped and counted. sync_interval: seconds that events may wait to share an
    fsync. segment_bytes: a segment is deleted when all in it was dealt with. timeout: seconds
    that `store` waits for room while memory is full because the disk does not keep up; by default it does not wait.
    """

    path: Path
    max_bytes: int = 1024 * 1024 * 1024
    sync_interval: float = 0.1
    segment_bytes: int = 8 * 1024 * 1024
    timeout: float = 0.0

    @property
    def chunk_bytes(self) -> int:
        """Bytes that are written at a time, and where a segment ends: small enough that `max_bytes` is many of them."""
        return min(self.segment_bytes, self.max_bytes // 4)


Policy = DropNew | Block | Spool


def drop_new() -> DropNew:
    """See `DropNew`."""
    return DropNew()


def block(timeout: float) -> Block:
    """See `Block`."""
    return Block(timeout)


def spool(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = Spool.max_bytes,
    sync_interval: float = Spool.sync_interval,
    segment_bytes: int = Spool.segment_bytes,
    timeout: float = Spool.timeout,
) -> Spool:
    """See `Spool`."""
    return Spool(Path(path), max_bytes, sync_interval, segment_bytes, timeout)
