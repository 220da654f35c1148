"""The feed: records in the order of the log, from a cursor on. Nobody who follows it misses a record.

It ends where the log is signed. Its cursors know the log again: where it was restored, or goes on under another name,
whoever follows it is told, and from where nothing is missed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from datastorage_common.times import rfc3339

from app.audit import by_key
from app.audit.by_key import EventKey
from app.audit.event import NOTIFICATION_CATEGORY
from app.auth.read_limits import ReadLimits
from app.postgres import pages
from app.postgres.sessions import Connection
from app.postgres.statements import Sql, statements
from app.transparency.entries import RecordEntry, as_json, record_of
from app.transparency.feed_cursor import TAG_BYTES, CursorSeal, Position, marks, origin_tag, position
from app.transparency.log_reads import Keys, entries_between, leaf_beginnings, published

EVENT, NOTIFICATION, ACT = KINDS = ("audit_event", "notification", "act")
# Given for a cursor: from the present end on.
END = "end"

_SQL = statements("feed")
# What a reader with limits may be shown beside events.
_OTHERS = frozenset({NOTIFICATION})
# A page looks at so many entries at the most, and for about so long: what is asked for may be rare.
_MAX_LOOKED_AT = 50_000
_MAX_SECONDS = 1.0
# In pieces that grow while they are short, for what is rare.
_FIRST_PIECE, _LARGEST_PIECE, _SHORT_SECONDS = 8, 4096, 0.1


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


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What is asked for. ``after``: a cursor, `END`, or None for the beginning."""

    after: str | None
    limit: int
    kinds: frozenset[str]
    conditions: Sequence[Sql]  # of events
    reads: ReadLimits
    salts: bool
    max_bytes: int

    @property
    def picks(self) -> bool:
        """Whether it takes a look at events to tell which of them are meant."""
        return bool(self.conditions) or self.reads.narrow

    def from_cursor(self, after: str) -> FeedQuery:
        """The same from there on."""
        return replace(self, after=after)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Items as JSON, in the order of the log."""

    items: list[bytes]
    next: str
    caught_up: bool
    sensitive: list[str]  # the ids of those events in it that are marked so

    def body(self) -> bytes:
        """The answer."""
        said = {"next": self.next, "caught_up": self.caught_up}
        return orjson.dumps({"events": [orjson.Fragment(item) for item in self.items], **said})


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


class _Place(NamedTuple):
    """An entry of the log."""

    at: int
    entry: bytes  # in its kept form
    record: RecordEntry | None  # what it is about; None: an act

    @property
    def kind(self) -> str:
        return ACT if self.record is None else self.record.kind


def read_page(
    conn: Connection, query: FeedQuery, keys: Keys, monotonic: Callable[[], float], *, large: bool = False
) -> FeedPage:
    """The page behind the cursor.

    Raises NotACursorError, RestartedError, ExpiredError, StandsStillError; LogBrokenError; psycopg.Error;
    pages.LargeRowsError where it takes ``large``.
    """
    row = conn.execute(_SQL["state"]).fetchone()
    assert row is not None  # noqa: S101 - migrations put a row into each
    state = _State(*row)
    if state.inconsistent is not None:
        raise StandsStillError
    cursors = CursorSeal(bytes(state.key))

    def seal(place: Position) -> str:
        # Who may not read everything must not see whether others have stored something since.
        return cursors.seal(place, each_another=query.reads.narrow)

    end = _end(conn, state, keys)
    start = _start(conn, query.after, cursors.open, state, end)
    if isinstance(start, _Gone):
        raise start.error(start.said, seal(start.following))
    if start.passed >= end:
        return FeedPage([], seal(start), True, [])
    places, stop = _places(conn, query, start.passed, end, monotonic)
    items, sensitive, cut = _items(conn, query, places, large=large)
    if cut is not None:
        stop = cut
    return FeedPage(items, seal(_position(conn, stop, start.origin)), stop >= end, sensitive)


def _end(conn: Connection, state: _State, keys: Keys) -> int:
    """How many entries are shown: those of the newest checkpoint; all, where nothing is ever signed."""
    point = published(conn, keys)
    if point is not None:
        return min(point.size, state.size)
    return state.size if state.origin is None and not keys else 0


class _Gone(NamedTuple):
    """Why it does not go on from a cursor, and from where it does."""

    error: type[GoneError]
    said: str
    following: Position


def _start(
    conn: Connection, after: str | None, opened: Callable[[str], Position | None], state: _State, end: int
) -> Position | _Gone:
    """Where the page begins. Raises NotACursorError, LogBrokenError."""
    if after is None:
        return _position(conn, state.oldest, state.tag)
    if after == END:
        # Before the first checkpoint of a name nothing is shown, and what is there by now is not meant.
        return _position(conn, end or state.size, state.tag)
    place = opened(after)
    if place is None:
        raise NotACursorError
    if state.behind and place.passed > state.size:
        # A standby has not heard of all that was told already.
        return place
    if place.passed < state.oldest:
        return _Gone(ExpiredError, "what follows is not kept any more", _position(conn, state.oldest, state.tag))
    known = place.known()
    found = leaf_beginnings(conn, known, TAG_BYTES)
    same = [at for at in known if at <= state.size and found.get(at) == known[at]]
    if place.passed <= state.size and (place.passed in same or place.passed not in known):
        # Nor has it heard of a new name, perhaps: the cursor keeps it.
        if place.origin == state.tag or state.behind:
            return place
        # All that was passed is in the log that goes on under another name.
        return _Gone(RestartedError, "the log goes on under another name", place._replace(origin=state.tag))
    if place.passed == state.oldest and place.passed not in found:
        return place
    # Another log from somewhere on. Up to the last entry that both have nothing is missed.
    said = "the log is shorter than it was" if place.passed > state.size else "the log is another one than it was"
    return _Gone(RestartedError, said, _position(conn, max([state.oldest, *same]), state.tag))


def _position(conn: Connection, passed: int, origin: bytes) -> Position:
    return position(passed, origin, leaf_beginnings(conn, marks(passed), TAG_BYTES))


def _places(
    conn: Connection, query: FeedQuery, start: int, end: int, monotonic: Callable[[], float]
) -> tuple[list[_Place], int]:
    """The entries that are asked for, as many as a page may have; up to where was looked.

    ``start`` is below ``end``, and one entry at least is looked at.
    """
    until = monotonic() + _MAX_SECONDS
    end = min(end, start + _about(query, _MAX_LOOKED_AT))
    piece = _FIRST_PIECE if query.picks else query.limit
    found: list[_Place] = []
    while True:
        began = monotonic()
        stop = min(end, start + _about(query, piece))
        entries = entries_between(conn, start, stop)
        missing = query.limit - len(found)
        places = [_Place(at, entry, record_of(entry)) for at, entry in enumerate(entries, start)]
        wanted = _wanted(conn, query, places, missing)
        found += wanted[:missing]
        if len(wanted) >= missing:
            return found, found[-1].at + 1
        now = monotonic()
        if stop == end or now >= until:
            return found, stop
        start = stop
        # What is asked for may take long for each event: the next piece may not take all of the time.
        if now - began < _SHORT_SECONDS:
            piece = min(2 * piece, _LARGEST_PIECE)


def _about(query: FeedQuery, number: int) -> int:
    """The number; less for readers with limits, nobody knows how much: by it they could count others' records."""
    return number - secrets.randbelow(number // 2 + 1) if query.reads.narrow else number


def _wanted(conn: Connection, query: FeedQuery, places: list[_Place], most: int) -> list[_Place]:
    """Those that are asked for, or more than ``most`` of them."""
    if not query.picks:
        if len(query.kinds) == len(KINDS):
            return places
        return [place for place in places if place.kind in query.kinds]
    keys = _event_keys(places) if EVENT in query.kinds else []
    picked = by_key.pick_events(conn, keys, query.conditions, query.reads, most) if keys else set()
    others = query.kinds & _OTHERS if query.reads.admits(None, NOTIFICATION_CATEGORY) else frozenset()
    return [place for place in places if place.at in picked or (others and place.kind in others)]


def _event_keys(places: Sequence[_Place]) -> list[EventKey]:
    return [EventKey(r.ident, r.day, at) for at, _, r in places if r is not None and r.kind == EVENT]


def _items(
    conn: Connection, query: FeedQuery, places: list[_Place], *, large: bool
) -> tuple[list[bytes], list[str], int | None]:
    """What stands for the entries, as far as there is room; the sensitive ones; where it ends early, if it does."""
    keys = _event_keys(places)
    numbers = [(int(r.ident), at) for at, _, r in places if r is not None and r.kind == NOTIFICATION]
    reads, salts = query.reads, query.salts
    events = by_key.events(conn, keys, reads, query.max_bytes, salts=salts, large=large)
    notes = by_key.notifications(conn, numbers, reads, salts=salts)
    acts = _acts(conn, [place for place in places if place.record is None], salts=salts)
    cut = None
    if events.ends_early:
        # The next event that is there may be the first for which there was no room.
        read_to = max(events.records)
        cut = next((key.at for key in keys if key.at > read_to), None)
    found: list[tuple[int, bytes]] = []
    for place in places:
        if cut is not None and place.at >= cut:
            break
        item = events.records.get(place.at) or notes.records.get(place.at) or acts.get(place.at)
        if item is None and not query.picks and place.record is not None:
            item = _removed(place.at, place.record)
        if item is not None:
            found.append((place.at, orjson.dumps({"kind": place.kind, **item})))
    fit = pages.fitting([item for _, item in found], query.max_bytes)
    if fit < len(found):
        cut = found[fit][0]
    shown = found[:fit]
    return [item for _, item in shown], [events.sensitive[at] for at, _ in shown if at in events.sensitive], cut


def _removed(at: int, record: RecordEntry) -> dict[str, Any]:
    """What stands for a record that is not there any more."""
    named = {"event_id": record.ident, "event_date": record.day} if record.kind == EVENT else {"id": int(record.ident)}
    return {**named, "log_index": at, "removed": True}


def _acts(conn: Connection, places: Sequence[_Place], *, salts: bool) -> dict[int, dict[str, Any]]:
    """Acts by their index in the log."""
    if not places:
        return {}
    at = {UUID(orjson.loads(as_json(place.entry))["id"]): place.at for place in places}
    found = {}
    for act_id, act, acted_at, acted_by, details, salt, digest in conn.execute(_SQL["acts"], (list(at),)):
        told = {"act": act, "act_id": str(act_id), "acted_at": rfc3339(acted_at), "acted_by": acted_by}
        members = {**told, "details": orjson.Fragment(details), "log_index": at[act_id]}
        found[at[act_id]] = {**members, **({"digest": digest, "salt": salt} if salts else {})}
    return found
