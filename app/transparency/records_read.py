"""The records that entries of the log are about: which of them are meant, and what is given of each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from datastorage_common.times import rfc3339

from app.audit import by_key
from app.audit.by_key import EventKey
from app.audit.event import NOTIFICATION_CATEGORY
from app.audit.shapes import Shape
from app.auth.read_limits import ReadLimits
from app.postgres import pages
from app.postgres.sessions import Connection
from app.postgres.statements import Sql, statements
from app.transparency.entries import RecordEntry, as_json, record_of
from app.transparency.log_reads import entries_between

EVENT, NOTIFICATION, ACT = KINDS = ("audit_event", "notification", "act")

_SQL = statements("feed")
# So many entries are looked at in one go at the most, and for about so long: what is asked for may be rare.
_MAX_LOOKED_AT = 50_000
_MAX_SECONDS = 1.0
# In pieces that grow while they are short, for what is rare.
_FIRST_PIECE, _LARGEST_PIECE, _SHORT_SECONDS = 8, 4096, 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are meant, and how they are given. Conditions of a kind go with no other kind."""

    kinds: frozenset[str]
    reads: ReadLimits
    shape: Shape
    events: Sequence[Sql] = ()  # conditions
    notifications: Sequence[Sql] = ()
    salts: bool = False

    @property
    def picks(self) -> bool:
        """Whether it takes a look at records to tell which of them are meant."""
        return bool(self.events or self.notifications) or self.reads.narrow


class Read(NamedTuple):
    """What was read of the log: items in its order, and up to which entry."""

    items: list[bytes]
    stop: int
    sensitive: list[str]  # the ids of those events in it that are marked so


class _Place(NamedTuple):
    """An entry of the log."""

    at: int
    entry: bytes  # in its kept form
    record: RecordEntry | None  # what it is about; None: an act

    @property
    def kind(self) -> str:
        return ACT if self.record is None else self.record.kind


def read_records(
    conn: Connection,
    wanted: Wanted,
    start: int,
    end: int,
    limit: int,
    max_bytes: int,
    monotonic: Callable[[], float],
    *,
    large: bool,
) -> Read:
    """Up to ``limit`` of the records that are meant from entry ``start`` on; ``start`` is below ``end``.

    One entry at least is looked at. Raises LogBrokenError; psycopg.Error; pages.LargeRowsError where it takes
    ``large``.
    """
    places, stop = _places(conn, wanted, start, end, limit, monotonic)
    items, sensitive, cut = _items(conn, wanted, places, max_bytes, large=large)
    return Read(items, stop if cut is None else cut, sensitive)


def _places(
    conn: Connection, wanted: Wanted, start: int, end: int, limit: int, monotonic: Callable[[], float]
) -> tuple[list[_Place], int]:
    """The entries that are asked for, ``limit`` at the most; up to where was looked."""
    until = monotonic() + _MAX_SECONDS
    end = min(end, start + _about(wanted, _MAX_LOOKED_AT))
    piece = _FIRST_PIECE if wanted.picks else limit
    found: list[_Place] = []
    while True:
        began = monotonic()
        stop = min(end, start + _about(wanted, piece))
        entries = entries_between(conn, start, stop)
        missing = limit - len(found)
        places = [_Place(at, entry, record_of(entry)) for at, entry in enumerate(entries, start)]
        meant = _meant(conn, wanted, places, missing)
        found += meant[:missing]
        if len(meant) >= missing:
            return found, found[-1].at + 1
        now = monotonic()
        if stop == end or now >= until:
            return found, stop
        start = stop
        # What is asked for may take long for each event: the next piece may not take all of the time.
        if now - began < _SHORT_SECONDS:
            piece = min(2 * piece, _LARGEST_PIECE)


def _about(wanted: Wanted, number: int) -> int:
    """The number; less for readers with limits, nobody knows how much: by it they could count others' records."""
    return number - secrets.randbelow(number // 2 + 1) if wanted.reads.narrow else number


def _meant(conn: Connection, wanted: Wanted, places: list[_Place], most: int) -> list[_Place]:
    """Those that are asked for, or more than ``most`` of them."""
    if not wanted.picks:
        if len(wanted.kinds) == len(KINDS):
            return places
        return [place for place in places if place.kind in wanted.kinds]
    picked: set[int] = set()
    if EVENT in wanted.kinds and (keys := _event_keys(places)):
        picked |= by_key.pick_events(conn, keys, wanted.events, wanted.reads, most)
    if NOTIFICATION in wanted.kinds and wanted.reads.admits(None, NOTIFICATION_CATEGORY):
        numbers = _numbers(places)
        if wanted.notifications and numbers:
            picked |= by_key.pick_notifications(conn, numbers, wanted.notifications, wanted.reads, most)
        elif not wanted.notifications:
            picked |= {at for _, at in numbers}
    return [place for place in places if place.at in picked]


def _event_keys(places: Sequence[_Place]) -> list[EventKey]:
    return [EventKey(r.ident, r.day, at) for at, _, r in places if r is not None and r.kind == EVENT]


def _numbers(places: Sequence[_Place]) -> list[tuple[int, int]]:
    """The row number of each notification, and its index in the log."""
    return [(int(r.ident), at) for at, _, r in places if r is not None and r.kind == NOTIFICATION]


def _items(
    conn: Connection, wanted: Wanted, places: list[_Place], max_bytes: int, *, large: bool
) -> tuple[list[bytes], list[str], int | None]:
    """What stands for the entries, as far as there is room; the sensitive ones; where it ends early, if it does."""
    keys = _event_keys(places)
    events = by_key.events(conn, keys, wanted.reads, wanted.shape, max_bytes, salts=wanted.salts, large=large)
    notes = by_key.notifications(conn, _numbers(places), wanted.reads, wanted.shape, salts=wanted.salts)
    acts = _acts(conn, [place for place in places if place.record is None], salts=wanted.salts)
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
        if item is None and wanted.shape.tombstones and not wanted.picks and place.record is not None:
            item = _removed(place.at, place.record)
        if item is not None:
            found.append((place.at, item))
    fit = pages.fitting([item for _, item in found], max_bytes)
    if fit < len(found):
        cut = found[fit][0]
    shown = found[:fit]
    return [item for _, item in shown], [events.sensitive[at] for at, _ in shown if at in events.sensitive], cut


def _removed(at: int, record: RecordEntry) -> bytes:
    """What stands for a record that is not there any more."""
    named = {"event_id": record.ident, "event_date": record.day} if record.kind == EVENT else {"id": int(record.ident)}
    return orjson.dumps({"kind": record.kind, **named, "log_index": at, "removed": True})


def _acts(conn: Connection, places: Sequence[_Place], *, salts: bool) -> dict[int, bytes]:
    """Acts by their index in the log."""
    if not places:
        return {}
    at = {UUID(orjson.loads(as_json(place.entry))["id"]): place.at for place in places}
    found = {}
    for act_id, act, acted_at, acted_by, details, salt, digest in conn.execute(_SQL["acts"], (list(at),)):
        told = {"act": act, "act_id": str(act_id), "acted_at": rfc3339(acted_at), "acted_by": acted_by}
        members: dict[str, Any] = {"kind": ACT, **told, "details": orjson.Fragment(details), "log_index": at[act_id]}
        found[at[act_id]] = orjson.dumps({**members, **({"digest": digest, "salt": salt} if salts else {})})
    return found
