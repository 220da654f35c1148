"""What waits in one stream, as one consumer of the group gets it: new entries, those put off, those others left.

Nothing here trusts the clock of this machine: due times and patience count on Redis' clock, which all instances
share, and stay bounded if that one steps.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import cast

import redis
from datastorage_common.counts import counted

from app.clock import Clock
from app.config.settings import DLQSettings
from app.dlq import scripts
from app.dlq.keys import GROUP, KEYS

log = logging.getLogger(__name__)

# Entries of other consumers, and those put off, are looked through so often …
CLAIM_EVERY_SECONDS = 2.0
# … once no consumer has touched them for so long: longer than any flush. A child looks for its parent as often.
CLAIM_IDLE_SECONDS = 8.0
# A parent may be on its way: a child waits so long for it, uncounted.
PARENT_PATIENCE_SECONDS = 600.0
# Between two looks for a parent no more than this counts as waiting: the clock may have stepped, or none replayed.
_LOOK_LIMIT_SECONDS = 60.0
# While new entries keep coming, those of others have their turn after so many portions.
_NEW_IN_A_ROW = 50
# Pages of pending entries that one round walks at the most; the next goes on from there.
_PAGES_A_ROUND = 10
# Each page that had nothing to take puts the next walk off by so much: a hundred thousand that wait cost Redis little.
_EMPTY_PAGE_SECONDS = 0.1
# The bytes of a stream are added up so often, and so often where it seems half full: there an error refuses writes.
_RECOUNT_SECONDS, _RECOUNT_FULL_SECONDS = 600, 30
_RECOUNT_STEPS_A_ROUND = 8


@dataclass(frozen=True)
class Entry:
    """One entry of a stream as it was delivered."""

    ident: bytes
    message: bytes | None


@dataclass(frozen=True)
class Attempts:
    """What has happened to an entry so far; kept in a hash beside the stream. Times are those of Redis' clock."""

    count: int = 0
    due: float = 0.0  # seconds since the epoch
    first_orphaned: float = 0.0

    def encode(self) -> str:
        return f"{self.count}|{self.due:.3f}|{self.first_orphaned:.3f}"

    @staticmethod
    def decode(text: bytes | None) -> Attempts:
        try:
            count, due, orphaned = (text or b"0|0|0").split(b"|")
            return Attempts(int(count), float(due), float(orphaned))
        except ValueError:
            return Attempts()

    def patience(self, now: float) -> float:
        """Seconds that an entry has waited for its parent."""
        if not self.first_orphaned:
            return 0.0
        looked = self.due - CLAIM_IDLE_SECONDS
        return max(0.0, looked - self.first_orphaned) + min(max(0.0, now - looked), _LOOK_LIMIT_SECONDS)

    def orphaned_again(self, now: float) -> Attempts:
        """What is remembered of an entry whose parent is not there yet."""
        return Attempts(self.count, now + CLAIM_IDLE_SECONDS, now - self.patience(now))


class Consumer:
    """One consumer's side of a stream. Used by one thread; every call may raise redis.RedisError."""

    def __init__(self, client: redis.Redis, stream: str, name: str, settings: DLQSettings, clock: Clock) -> None:
        self._client = client
        self._keys = KEYS[stream]
        self._stream = stream
        self._name = name
        self._settings = settings
        self._clock = clock
        self._look_at = clock.monotonic()
        self._empty_pages = 0
        self._cursor = "-"
        self._walking = False
        self._adopting: str | None = None
        self._turn = False
        self._new_in_a_row = 0

    def next(self, limit: int) -> list[Entry]:
        """Entries to try now: ``limit`` at the most, and no more bytes than dlq.replay_bytes unless it is one entry."""
        if self._client.xlen(self._keys.stream) == 0:
            return []
        # Neither those put off nor a stream of new ones keeps the others waiting.
        self._turn = not self._turn
        pending_first = self._turn if self._walking else self._new_in_a_row >= _NEW_IN_A_ROW
        sources = (self._pending, self._new) if pending_first else (self._new, self._pending)
        return sources[0](limit) or sources[1](limit)

    def again(self, entry: Entry) -> None:
        """Look through the pending entries at once, from this one on."""
        self._cursor, self._walking = entry.ident.decode(), True

    def beyond(self, entry: Entry) -> None:
        """Look through the pending entries after this one first: it is not to keep them waiting."""
        self._cursor, self._walking = f"({entry.ident.decode()}", True

    def _new(self, limit: int) -> list[Entry]:
        entries, lying = scripts.READ.run(
            self._client, 1, self._keys.stream, GROUP, self._name, limit, self._settings.replay_bytes
        )
        if lying or self._adopting is not None:
            self._adopt()
        self._new_in_a_row = self._new_in_a_row + 1 if entries else 0
        return [_entry(ident, fields) for ident, fields in entries]

    def _adopt(self) -> None:
        """Take over what another program in the group was given and never settled, a few pages at a time."""
        cursor = self._adopting or "-"
        for _ in range(_PAGES_A_ROUND):
            adopted, following = scripts.ADOPT.run(self._client, 1, self._keys.stream, GROUP, self._name, cursor)
            if adopted:
                log.warning(
                    "replay: pending for no consumer in %s: %s", self._stream, counted(adopted, "entry", "entries")
                )
                self._cursor, self._walking = "-", True
            cursor = following.decode()
            if not cursor:
                break
        self._adopting = cursor or None

    def _pending(self, limit: int) -> list[Entry]:
        now = self._clock.monotonic()
        if not self._walking and now < self._look_at:
            return []
        for _ in range(_PAGES_A_ROUND):
            entries, cursor = scripts.TAKE.run(
                self._client,
                2,
                self._keys.stream,
                self._keys.attempts,
                GROUP,
                self._name,
                limit,
                self._settings.replay_bytes,
                round(1000 * CLAIM_IDLE_SECONDS),
                self._cursor,
                CLAIM_IDLE_SECONDS,
                *self._settings.backoff,
            )
            self._walking, self._cursor = bool(cursor), cursor.decode() or "-"
            self._empty_pages += 0 if entries else 1
            if not cursor:
                self._look_at = now + max(CLAIM_EVERY_SECONDS, _EMPTY_PAGE_SECONDS * self._empty_pages)
                self._empty_pages = self._new_in_a_row = 0
            if entries or not cursor:
                return [_entry(ident, fields) for ident, fields in entries]
        return []

    # --- attempts -------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds since the epoch on Redis' clock."""
        seconds, micros = self._client.time()
        return seconds + micros / 1_000_000

    def attempts(self, entry: Entry) -> Attempts:
        """What has happened to the entry so far."""
        texts = cast("list[bytes | None]", self._client.hmget(self._keys.attempts, [cast("str", entry.ident)]))
        return Attempts.decode(texts[0])

    def remember(self, entry: Entry, attempts: Attempts) -> None:
        """Keep what has happened to the entry; it comes again when it is due."""
        self._client.hset(self._keys.attempts, cast("str", entry.ident), attempts.encode())

    def settle(self, entries: list[Entry]) -> None:
        """Acknowledge and delete what is committed."""
        k = self._keys
        idents = [entry.ident for entry in entries]
        scripts.SETTLE.run(self._client, 4, k.stream, k.size, k.attempts, k.recount, GROUP, *idents)

    def bury(self, entry: Entry, count: int, reason: str, moved_at: str) -> bool | None:
        """Move the entry to the dead letters: True if moved, None if it was gone, False if they are at their cap."""
        k = self._keys
        words = (GROUP, self._settings.dead_letter_max, entry.ident, moved_at, count, reason)
        moved = scripts.BURY.run(self._client, 5, k.stream, k.size, k.attempts, k.recount, k.dead, *words)
        return {1: True, 0: None, -1: False}[moved]

    # --- bytes ----------------------------------------------------------------------------------------------

    def recount(self) -> None:
        """Put the stream's byte count right where it, the stream, or both were changed by hand."""
        k = self._keys
        for _ in range(_RECOUNT_STEPS_A_ROUND):
            limits = (self._settings.max_bytes, _RECOUNT_SECONDS, _RECOUNT_FULL_SECONDS)
            more, *counts = scripts.RECOUNT.run(self._client, 3, k.stream, k.size, k.recount, *limits)
            if counts and counts[0] != counts[1]:
                log.warning("the byte count of %s said %d, its entries take %d: put right", self._stream, *counts)
            if not more:
                return


def _entry(ident: bytes, fields: list[bytes]) -> Entry:
    return Entry(ident, dict(zip(fields[::2], fields[1::2], strict=True)).get(b"message"))
