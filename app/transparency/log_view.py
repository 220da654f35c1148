"""The log as one request sees it: how far it is shown, and places in it that are named by cursors.

Cursors know the log again: where it was restored, or goes on under another name, whoever comes with one is told, and
from where nothing is missed.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.feed_cursor import TAG_BYTES, CursorSeal, Position, marks, origin_tag, position
from app.transparency.log_reads import Keys, leaf_beginnings, published

_SQL = statements("feed")


class NotACursorError(ValueError):
    """No cursor of this service."""


class StandsStillError(Exception):
    """The log contradicts what was signed of it: nobody can say what is missing."""


class GoneError(Exception):
    """The log has no such place any more. With ``next`` for a cursor nothing that it has is missed."""

    def __init__(self, said: str, next_cursor: str) -> None:
        super().__init__(said)
        self.next = next_cursor


class RestartedError(GoneError):
    """The cursor is of the log under another name, or of another log."""


class ExpiredError(GoneError):
    """The cursor is from below what is kept of the log."""


class _State(NamedTuple):
    """How the log stands."""

    origin: str | None
    size: int
    inconsistent: str | None
    oldest: int  # the first entry that is kept
    key: bytes
    behind: bool  # perhaps: this is a standby
    renamed: bool

    @property
    def tag(self) -> bytes:
        return origin_tag(self.origin if self.renamed else None)


class LogView:
    """The log for one request. ``end``: how many entries are shown; ``oldest``: the first that is kept."""

    def __init__(self, conn: Connection, keys: Keys, *, narrow: bool) -> None:
        """``narrow``: for a reader with limits. Raises StandsStillError; LogBrokenError; psycopg.Error."""
        row = conn.execute(_SQL["state"]).fetchone()
        assert row is not None  # noqa: S101 - migrations put a row into each
        self._state = state = _State(*row)
        if state.inconsistent is not None:
            raise StandsStillError
        self._conn = conn
        self._cursors = CursorSeal(bytes(state.key))
        self._narrow = narrow
        self.oldest = state.oldest
        self.end = self._shown(keys)

    def _shown(self, keys: Keys) -> int:
        """Those of the newest checkpoint; all, where nothing is ever signed."""
        point = published(self._conn, keys)
        if point is not None:
            return min(point.size, self._state.size)
        return self._state.size if self._state.origin is None and not keys else 0

    def seal(self, place: Position) -> str:
        """The cursor of a place. Whether others have stored something since, no reader with limits can tell by it."""
        return self._cursors.seal(place, each_another=self._narrow)

    def behind(self, passed: int, origin: bytes | None = None) -> Position:
        """The place behind so many entries, of the log as it is now called, or was where ``origin`` is given."""
        tags = leaf_beginnings(self._conn, marks(passed), TAG_BYTES)
        return position(passed, self._state.tag if origin is None else origin, tags)

    def size_before(self, moment: datetime) -> int:
        """How many entries there surely were before that moment, as far as signed checkpoints tell.

        Every checkpoint of fewer entries was signed before it too: where the database's clock went back, or another
        one took over whose clock is behind, what was signed later may say an earlier time.
        """
        found, low, high = 0, 0, self.end
        # By halves: no index has the times.
        while low < high:
            middle = (low + high + 1) // 2
            row = self._conn.execute(_SQL["signed_before"], (self._state.origin, middle)).fetchone()
            if row is not None and row[1] >= moment:
                high = min(middle, row[0]) - 1
            else:
                low = middle
                found = found if row is None else row[0]
        row = self._conn.execute(_SQL["signed_before_late"], (self._state.origin, found, moment)).fetchone()
        return found if row is None else row[0]

    def beginning(self) -> Position:
        """The place before the oldest entry."""
        return self.behind(self.oldest)

    def present(self) -> Position:
        """The place behind all that is shown."""
        # Before the first checkpoint of a name nothing is shown, and what is there by now is not meant.
        return self.behind(self.end or self._state.size)

    def place(self, cursor: str) -> Position:
        """The place of a cursor. Raises NotACursorError, RestartedError, ExpiredError; LogBrokenError."""
        place, state = self._cursors.open(cursor), self._state
        if place is None:
            raise NotACursorError
        if state.behind and place.passed > state.size:
            # A standby has not heard of all that was told already.
            return place
        if place.passed < state.oldest:
            raise ExpiredError("what follows is not kept any more", self.seal(self.beginning()))
        known = place.known()
        found = leaf_beginnings(self._conn, known, TAG_BYTES)
        same = [at for at in known if at <= state.size and found.get(at) == known[at]]
        if place.passed <= state.size and (place.passed in same or place.passed not in known):
            # Nor has it heard of a new name, perhaps: the cursor keeps it.
            if place.origin == state.tag or state.behind:
                return place
            # All that was passed is in the log that goes on under another name.
            following = self.seal(place._replace(origin=state.tag))
            raise RestartedError("the log goes on under another name", following)
        if place.passed == state.oldest and place.passed not in found:
            return place
        # Another log from somewhere on. Up to the last entry that both have nothing is missed.
        said = "the log is shorter than it was" if place.passed > state.size else "the log is another one than it was"
        raise RestartedError(said, self.seal(self.behind(max([state.oldest, *same]))))
