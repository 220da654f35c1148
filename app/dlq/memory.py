"""What a worker remembers of what it spilled: ids and counts for a while, no contents."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from app.clock import Clock

EntryId = tuple[int, int]
NOTHING: EntryId = (0, 0)
# Spills that follow closely count as one, so that a busy worker remembers no more than so many.
_SPILLS = 4096


def parse_id(text: bytes | str | None) -> EntryId:
    """An entry's id as two numbers, which compare as Redis compares them; (0, 0) for none."""
    if not text:
        return NOTHING
    ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(ms), int(seq)


def format_id(ident: EntryId) -> str:
    """The id as Redis writes it."""
    return f"{ident[0]}-{ident[1]}"


class _Spills:
    """The spills of one stream, oldest first: when, their last id, how many records."""

    def __init__(self) -> None:
        self.seen = NOTHING
        self.kept: deque[tuple[float, EntryId, int]] = deque()


class Memory:
    """What this worker was told that Redis keeps, for ``seconds``. Safe to share between threads."""

    def __init__(self, streams: Iterable[str], seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._streams = {name: _Spills() for name in streams}

    def saw(self, name: str, ident: EntryId) -> None:
        """The stream has had an entry with this id, from any worker."""
        with self._lock:
            stream = self._streams[name]
            stream.seen = max(stream.seen, ident)

    def seen(self, name: str) -> EntryId:
        """The greatest id that the stream is known to have had."""
        return self._streams[name].seen

    def kept(self, name: str, last: EntryId, count: int) -> None:
        """So many records were spilled, the last of them with this id."""
        now = self._clock.monotonic()
        with self._lock:
            kept = self._streams[name].kept
            if kept and now - kept[-1][0] < self.seconds / _SPILLS:
                when, _, before = kept.pop()
                kept.append((when, last, before + count))
            else:
                kept.append((now, last, count))
            self._forget(kept, now)

    def last(self, name: str) -> EntryId:
        """The last id that this worker was told of, or (0, 0) where it remembers none."""
        with self._lock:
            kept = self._streams[name].kept
            self._forget(kept, self._clock.monotonic())
            return kept[-1][1] if kept else NOTHING

    def settled(self, name: str, before: EntryId) -> None:
        """What is older than this id is written or a dead letter: it cannot be lost any more."""
        with self._lock:
            kept = self._streams[name].kept
            # The latest stays with no records, to be looked for still.
            while len(kept) > 1 and kept[0][1] < before:
                kept.popleft()
            if kept and kept[0][1] < before:
                kept[0] = (*kept[0][:2], 0)

    def lost(self, name: str, after: EntryId) -> int:
        """Forget what came after this id; how many records that were, as far as they were not settled."""
        with self._lock:
            kept = self._streams[name].kept
            count = 0
            while kept and kept[-1][1] > after:
                count += kept.pop()[2]
            return count

    def _forget(self, kept: deque[tuple[float, EntryId, int]], now: float) -> None:
        while kept and now - kept[0][0] > self.seconds:
            kept.popleft()
