"""Whether the log is signed, as every worker sees it: since when it is not, and when another one should try."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datastorage_common.notes import VerifierKey

from app.clock import Clock
from app.postgres.sessions import Connection
from app.transparency.checkpoint_store import newest_rows
from app.transparency.signer import NO_KEY, is_keyless

# So many rows of log_checkpoints are looked at for one that is signed. What was found signed once stays known.
_ROWS = 8


@dataclass(frozen=True, slots=True)
class Signed:
    """What one look found of it."""

    size: int = 0  # of the log
    signed: int | None = None  # the size of its newest checkpoint, as `SignedSize` has it
    epoch: int = 0  # grows whenever another one gives places
    origin: str | None = None
    unsigned: str | None = None  # why nothing is signed, as the one that gives places said it last
    tried: float = 0.0  # how long ago it said so, in seconds


class SignedSize:
    """How far the log is signed: where its keys are known here, only what one of them has signed counts.

    The service's role may put other rows into log_checkpoints. Nothing is asked while the newest row is the one that
    was found signed before.
    """

    def __init__(self, keys: Sequence[VerifierKey]) -> None:
        self._keys = keys
        self._known: tuple[str | None, int] = (None, -1)  # the name of the log, and how far it was found signed

    def look(self, conn: Connection, origin: str | None, newest: int | None) -> int | None:
        """The size of the newest checkpoint; ``newest``: that of the newest row. Raises psycopg.Error."""
        if origin is None or newest is None or all(key.name != origin for key in self._keys):
            return newest
        name, size = self._known
        if name != origin or size > newest:  # another log, or a database that was restored
            size = -1
        if size < newest:
            # Not those that came since: whoever asks holds the answer against the log as it was.
            rows = [row for row in newest_rows(conn, origin, _ROWS) if size < row.size <= newest]
            size = next((row.size for row in rows if row.signed_by(self._keys) is not None), size)
        self._known = origin, size
        return None if size < 0 else size


class SigningWatch:
    """Judges what each look finds."""

    # As long as one attempt may take (signing.py), and the next look after it: who takes over sooner undoes the attempt
    # of the one before, and several of them each other's, so that nothing is ever signed.
    _PATIENCE_SECONDS = 10.0
    # Who gives places and can't sign tries again sooner, and writes that down.
    _TRIED_SECONDS = 30.0
    # What is away for one worker may be there for another: its folder, its way to Redis.
    _AWAY_SECONDS = 60.0

    def __init__(self, clock: Clock, can_sign: Callable[[str | None], bool]) -> None:
        """``can_sign``: whether this worker has a key of the log of that name."""
        self._clock = clock
        self._can_sign = can_sign
        self._known = Signed()
        self._unsigned_since: float | None = None
        self._turn_since: float | None = None  # since when this one gives places, and no newer checkpoint came

    def see(self, found: Signed) -> None:
        """Note what a look has found."""
        before, self._known = self._known, found
        now = self._clock.monotonic()
        if found.signed == found.size:
            self._unsigned_since = self._turn_since = None
            return
        if self._unsigned_since is None or found.signed != before.signed:
            self._unsigned_since = now
        if self._turn_since is None or (found.signed, found.epoch) != (before.signed, before.epoch):
            self._turn_since = now

    @property
    def off(self) -> bool:
        """Whether nothing was ever signed, because no key is set up."""
        if self._known.origin is not None:
            return False
        why = self._known.unsigned
        # Where nobody has given places yet, nobody has said so either.
        return why == NO_KEY or (why is None and self._known.signed is None and not self._can_sign(None))

    def unsigned_for(self) -> float:
        """For how long, in seconds, the newest of the log is in no signed checkpoint; 0 where signing is off."""
        if self._unsigned_since is None or self.off:
            return 0.0
        return self._clock.monotonic() - self._unsigned_since

    def nobody_signs(self) -> bool:
        """Whether this worker should try to, in the place of the one that gives places."""
        known = self._known
        why = known.unsigned
        if not self._can_sign(known.origin):
            return False
        if self._turn_since is None:
            # All is signed, and who found a memory away is gone: nobody else would take back what it wrote down.
            return why is not None and not is_keyless(why) and known.tried > self._TRIED_SECONDS
        stands = self._clock.monotonic() - self._turn_since
        if stands <= self._PATIENCE_SECONDS:
            return False
        return why is None or is_keyless(why) or known.tried > self._TRIED_SECONDS or stands > self._AWAY_SECONDS
