"""How the log is, as every worker sees it once a second: how much waits for a place, how long, and whether it moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datastorage_common.notes import VerifierKey

from app.clock import Clock
from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.telemetry import metrics
from app.transparency.signing_watch import Signed, SignedSize, SigningWatch

_LOOK = statements("log")["look"]


@dataclass(frozen=True, slots=True)
class LogState:
    """What is known of the log."""

    size: int = 0
    taken_in: int = 0  # records from before there was a log that it has
    all_taken_in: bool = True
    signed: int | None = None  # the size of the newest checkpoint, as `SignedSize` has it
    unsigned: str | None = None  # why nothing is signed for now
    inconsistent: str | None = None  # what the log contradicts: no place is given any more
    oldest: int | None = None  # the number of the first row that waits
    pending: int = 0  # records that wait
    lag: float = 0.0  # how long the first of them has waited, in seconds


class Floor:
    """From which number on pending rows are looked for.

    Where a long read is in the way of TRUNCATE (pg_dump locks every table), each look from the first number on would
    walk over all rows that were deleted since. So it begins near the first that was there; and at the first number now
    and then, for a row that came very late.
    """

    # More statements than are ever under way at once.
    _BEHIND = 8192
    _WHOLE_EVERY_SECONDS = 30.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._near = 0
        self._whole_again = 0.0

    def first(self) -> int:
        """The number to look from, this time."""
        now = self._clock.monotonic()
        if now >= self._whole_again:
            self._whole_again = now + self._WHOLE_EVERY_SECONDS
            return 0
        return self._near

    def seen(self, number: int) -> None:
        """What lies far below this number is taken, as far as is known."""
        # One below where we look from: a row that came very late, or another primary, whose sequence is behind.
        if number < self._near:
            self._near = max(0, number - self._BEHIND)
        else:
            self._near = max(self._near, number - self._BEHIND)


class LogWatch:
    """Looks at the log on a connection of the monitor; ``stalled`` is called when nobody gives places."""

    # A look comes each second, and may take a moment.
    _LATE_SECONDS = 5.0

    def __init__(
        self,
        clock: Clock,
        stalled: Callable[[], None],
        can_sign: Callable[[str | None], bool] = lambda _: False,
        grown: Callable[[], None] = lambda: None,
        keys: Sequence[VerifierKey] = (),
    ) -> None:
        """``can_sign``: whether this worker has a key of the log of that name. ``grown``: called when it has grown.

        ``keys``: all keys of logs that this worker has.
        """
        self._clock = clock
        self._stalled = stalled
        self._grown = grown
        self._signing = SigningWatch(clock, can_sign)
        self._signed_size = SignedSize(keys)
        self._floor = Floor(clock)
        self._looked_at: float | None = None  # or since when it should have been
        self._old_wait_since: float | None = None  # records from before there was a log, of which none was taken in
        self.seen = False
        self.state = LogState()

    def look(self, conn: Connection) -> None:
        """One look. Raises psycopg.Error."""
        row = conn.execute(_LOOK, {"first": self._floor.first()}).fetchone()
        if row is None:  # nothing was migrated yet
            return
        size, taken_in, all_taken_in, indexed, newest, *rest = row
        epoch, origin, unsigned, tried, inconsistent, oldest, pending, lag = rest
        signed = self._signed_size.look(conn, origin, newest)
        before = self.state
        now = self._clock.monotonic()
        if all_taken_in:
            self._old_wait_since = None
        elif self._old_wait_since is None or taken_in != before.taken_in:
            self._old_wait_since = now
        self._looked_at = now
        if size < before.size:
            # Another primary, or a database that was restored: its rows have other numbers.
            self._floor = Floor(self._clock)
        self.state = LogState(size, taken_in, all_taken_in, signed, unsigned, inconsistent, oldest, pending, lag)
        self._signing.see(Signed(size, signed, epoch, origin, unsigned, tried))
        self.seen = True
        if (size, signed, inconsistent) != (before.size, before.signed, before.inconsistent):
            self._grown()
        if oldest is not None:
            # Not the newest: where nobody gives places, what waits may be more than a floor leaves below it.
            self._floor.seen(oldest)
        metrics.LOG_SIZE.set(size)
        metrics.LOG_PENDING.set(pending)
        metrics.LOG_INCONSISTENT.set(inconsistent is not None)
        if signed is not None:
            metrics.LOG_SIGNED_SIZE.set(signed)
        if inconsistent is not None:
            return
        waits = oldest is not None and oldest == before.oldest
        # Old events wait for their index, which a migration makes.
        stands = size == before.size and (waits or (indexed and not all_taken_in))
        if stands or self._signing.nobody_signs():
            self._stalled()

    def unsigned_for(self) -> float:
        """For how long, in seconds, the newest of the log is in no signed checkpoint; 0 where signing is off."""
        return self._signing.unsigned_for()

    def signing(self) -> tuple[str, str | None]:
        """Whether the log is signed: on, off where nothing was ever signed and no key is set up, stopped; and why."""
        why = self.state.inconsistent or self.state.unsigned
        if self.state.inconsistent is None and self._signing.off:
            return "off", None
        return ("on", None) if why is None else ("stopped", why)

    def lag(self) -> float:
        """How long, in seconds, the first record without a place may have waited for one.

        As it was seen last; where that is long ago, as long as nothing has been seen: a log at which nobody can look
        must not seem to be well. Old records wait since one of them was taken in last.
        """
        now = self._clock.monotonic()
        if self._looked_at is None:
            self._looked_at = now
        age = now - self._looked_at
        since = self._old_wait_since
        return max(
            self.state.lag + (age if age > self._LATE_SECONDS else 0.0),
            now - since if since is not None else 0.0,
        )
