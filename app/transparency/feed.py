"""The feed: records in the order of the log, from a cursor on. Nobody who follows it misses a record.

It ends where the log is signed. Its cursors know the log again: where it was restored, or goes on under another name,
whoever follows it is told, and from where nothing is missed.
"""

from __future__ import annotations

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
from app.transparency.feed_cursor import CursorSeal, Position, entry_tag, origin_tag
from app.transparency.log_reads import Keys, entries_between, oldest_kept, published
from app.transparency.log_store import LogBrokenError

EVENT, NOTIFICATION, ACT = KINDS = ("audit_event", "notification", "act")
# Given for a cursor: from the present end on.
END = "end"

_SQL = statements("feed")
# What a reader with limits may be shown beside events.
_OTHERS = frozenset({NOTIFICATION})
# A page looks at so many entries at the most, and for about so long: what is asked for may be rare.
_MAX_LOOKED_AT = 50_000
_MAX_SECONDS = 1.0
# In pieces that grow, for what is rare.
_FIRST_PIECE, _LARGEST_PIECE = 256, 4096


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
    remembered: bool  # outside PostgreSQL, how large it was when it was last signed
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
    seal = CursorSeal(bytes(state.key))
    end = _end(conn, state, keys)
    start = _start(conn, query.after, state, seal, end)
    if start.passed >= end:
        return FeedPage([], seal.seal(start), True, [])
    places, stop, last = _places(conn, query, start.passed, end, monotonic)
    items, sensitive, cut = _items(conn, query, places, large=large)
    if cut is not None:
        stop, last = cut, entries_between(conn, cut - 1, cut)[0] if cut else None
    tag = start.entry if stop == start.passed else entry_tag(None if last is None else as_json(last))
    return FeedPage(items, seal.seal(Position(stop, start.origin, tag)), stop >= end, sensitive)


def _end(conn: Connection, state: _State, keys: Keys) -> int:
    """How many entries are shown: those of the newest checkpoint; all, where nothing is ever signed."""
    point = published(conn, keys)
    if point is not None:
        return min(point.size, state.size)
    return state.size if state.origin is None and not keys else 0


def _start(conn: Connection, after: str | None, state: _State, seal: CursorSeal, end: int) -> Position:
    if after is None:
        return _position(conn, oldest_kept(conn), state)
    if after == END:
        # Before the first checkpoint of a name nothing is shown, and what is there by now is not meant.
        return _position(conn, end or state.size, state)
    position = seal.open(after)
    if position is None:
        raise NotACursorError
    if position.origin != state.tag:
        known = _still_known(conn, position, state)
        if known is not None or not state.behind:
            _restart(conn, known or 0, state, seal, "the log goes on under another name")
        # A standby has not heard of the name yet, perhaps: the cursor keeps it.
    if position.passed > state.size:
        if state.behind:
            return position
        if state.remembered:
            # A failover that has lost something: who gives places next will say so.
            raise StandsStillError
        _restart(conn, 0, state, seal, "the log is shorter than it was")
    kept = _tag_before(conn, position.passed)
    if kept is None:
        oldest = oldest_kept(conn)
        if position.passed < oldest:
            said = "what follows is not kept any more"
            raise ExpiredError(said, seal.seal(_position(conn, oldest, state)))
        if position.passed > oldest:
            raise LogBrokenError(f"entry {position.passed - 1} is not there")
    elif kept != position.entry and position.entry != entry_tag(None):
        _restart(conn, 0, state, seal, "the log is another one than it was")
    return position


def _restart(conn: Connection, index: int, state: _State, seal: CursorSeal, said: str) -> None:
    raise RestartedError(said, seal.seal(_position(conn, max(index, oldest_kept(conn)), state)))


def _still_known(conn: Connection, position: Position, state: _State) -> int | None:
    """Up to where what a cursor of another name stands for is in this log: to where it got a name since.

    None: it never had that name.
    """
    names = [(name, int(size) if size.isdecimal() else 0) for name, size in conn.execute(_SQL["origins"])]
    tags = [origin_tag(None), *(origin_tag(name) for name, _ in names)]
    if position.origin not in tags:
        return None
    since = names[tags.index(position.origin) :]
    return min(position.passed, state.size, *(size for _, size in since))


def _position(conn: Connection, index: int, state: _State) -> Position:
    return Position(index, state.tag, _tag_before(conn, index) or entry_tag(None))


def _tag_before(conn: Connection, index: int) -> bytes | None:
    """What a cursor keeps of the entry before this index; None where that is not there."""
    if index == 0:
        return entry_tag(None)
    try:
        return entry_tag(as_json(entries_between(conn, index - 1, index)[0]))
    except LogBrokenError:
        return None


def _places(
    conn: Connection, query: FeedQuery, start: int, end: int, monotonic: Callable[[], float]
) -> tuple[list[_Place], int, bytes | None]:
    """The entries that are asked for, as many as a page may have; up to where was looked; the last entry before."""
    until = monotonic() + _MAX_SECONDS
    end = min(end, start + _MAX_LOOKED_AT)
    piece = _FIRST_PIECE if query.picks else query.limit
    found: list[_Place] = []
    last: bytes | None = None
    while start < end and (last is None or monotonic() < until):
        stop = min(end, start + piece)
        entries = entries_between(conn, start, stop)
        missing = query.limit - len(found)
        places = [_Place(at, entry, record_of(entry)) for at, entry in enumerate(entries, start)]
        wanted = _wanted(conn, query, places, missing)
        found += wanted[:missing]
        if len(wanted) >= missing:
            return found, found[-1].at + 1, found[-1].entry
        start, last = stop, entries[-1]
        piece = min(2 * piece, _LARGEST_PIECE)
    return found, start, last


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
