"""The service's own events about an export, which the log proves: who, by which filter, how many, and which bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from datastorage_common.times import parse_rfc3339, rfc3339

from datastorage_client.evidence.manifest import Manifest, Stream, filters_of

EVENT_TYPE = "datastorage.audit.exported"
_NOBODY = "anonymous"
# What an event keeps of each filter.
_MAX_FILTER_CHARACTERS = 256
_PENDING, _SUCCESS = "pending", "success"
# Of one bundle: an export that broke off more often is better made anew.
MAX_EXPORTED = 10_000
MAX_EXPORTED_BYTES = 16 * 1024 * 1024
# The service writes 32 filters at the most, of so many characters each.
MAX_EVENT_BYTES = 128 * 1024


class _Data(msgspec.Struct, frozen=True):
    request_id: str
    filters: dict[str, str]
    format: str
    kinds: list[str]
    salts: bool
    range: tuple[int, int]
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None


class Exported(msgspec.Struct, frozen=True):
    """One of these events, as the feed gives it."""

    kind: str
    log_index: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    event_type: str
    event_outcome: str
    actor_id: str
    recorded_by: str | None
    recorded_at: str
    event_data: _Data

    @property
    def is_begin(self) -> bool:
        """Whether it says that the export began."""
        return self.event_outcome == _PENDING

    @property
    def is_whole(self) -> bool:
        """Whether it says that all of it was sent."""
        return self.event_outcome == _SUCCESS

    @property
    def principal(self) -> str | None:
        """Who exported; None: nobody was authenticated."""
        return None if self.actor_id == _NOBODY else self.actor_id


_decoder = msgspec.json.Decoder(Exported)


def read_exported(line: bytes) -> Exported | None:
    """The event in a line of JSON; None where it is not one of these, or not of the service's own."""
    if len(line) > MAX_EVENT_BYTES:
        return None
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # What a client made up has its name.
    mine = found.kind == "audit_event" and found.event_type == EVENT_TYPE and found.recorded_by is None
    return found if mine else None


@dataclass(slots=True)
class Seen:
    """What the lines of a stream are, as they stand in the bundle."""

    records: int = 0
    bytes: int = 0
    sha256: str = ""
    first: int | None = None
    last: int | None = None


def disagreements(manifest: Manifest, seen: Sequence[Seen], events: Sequence[Exported]) -> Iterator[str]:
    """What of the manifest and the records is not what these events say, in sentences."""
    if len(seen) != len(manifest.streams) or not seen:
        yield "the manifest names no answer of the export"
        return
    if not manifest.streams[-1].whole:
        yield "the last answer did not come to its end"
    at = manifest.range[0]
    by_request = _by_request(events)
    for request, count in Counter(stream.request_id for stream in manifest.streams).items():
        if count > 1:
            yield f"the manifest names {count} answers of the request {request}, which has one"
    for number, (stream, lines) in enumerate(zip(manifest.streams, seen, strict=True), 1):
        said = f"answer {number}, of the request {stream.request_id},"
        mine = by_request.get(stream.request_id, [])
        begins = [event for event in mine if event.is_begin]
        if not begins:
            yield f"{said} is not in the log: no event says that it was asked for"
            continue
        for event in mine:
            yield from (f"{said} {text}" for text in _of_event(manifest, event))
        first, stop = begins[0].event_data.range
        # The id of a request is chosen by who sends it: two exports may have the same, and be mixed.
        if other := next((event for event in mine if event.event_data.range[0] != first), None):
            begin = other.event_data.range[0]
            yield f"{said} is in the log with two beginnings, the entries {first} and {begin}: it is of two exports"
        if first != at if number == 1 else first > at:
            yield f"{said} looks through the entries from {first} on, and {at} is where it had to begin"
        if lines.first is not None and lines.last is not None:
            if lines.first < first or lines.last >= stop:
                yield f"{said} has records outside the entries {first} to {stop - 1} that it looked through"
            at = lines.last + 1
        yield from (f"{said} {text}" for text in _of_lines(stream, lines, mine))
    known = {stream.request_id for stream in manifest.streams}
    for event in events:
        if event.event_data.request_id not in known:
            yield f"entry {event.log_index} is about the request {event.event_data.request_id}, which is none of these"
        if event.log_index < manifest.range[1]:
            yield f"entry {event.log_index} is within the range that was looked through"


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """What came in answers that broke off: how many records, between the entry ``first`` and ``last``."""

    records: int
    first: int
    last: int


def unproven(manifest: Manifest, seen: Sequence[Seen], events: Sequence[Exported]) -> BrokenOff | None:
    """The records of answers that broke off, so that the log has no hash of exactly these.

    Each of them is in the log; that none is missing between these entries, and that each was sent, is not proven.
    """
    by_request = _by_request(events)
    count, spans, at = 0, [], manifest.range[0]
    for stream, lines in zip(manifest.streams, seen, strict=False):
        sent = [event.event_data for event in by_request.get(stream.request_id, []) if not event.is_begin]
        if lines.records and all((data.rows, data.sha256) != (lines.records, lines.sha256) for data in sent):
            count += lines.records
            spans += [at, at if lines.last is None else lines.last]
        at = at if lines.last is None else lines.last + 1
    return BrokenOff(count, min(spans), max(spans)) if spans else None


def last_recorded(events: Sequence[Exported]) -> datetime | None:
    """When the service recorded the last of these events, by its clock; None where none says so."""
    return max(filter(None, (parse_rfc3339(event.recorded_at) for event in events)), default=None)


def wrong_time(manifest: Manifest, events: Sequence[Exported]) -> str | None:
    """What is wrong with the time at which the bundle is said to be made; None where that can be."""
    made, last = parse_rfc3339(manifest.made_at), last_recorded(events)
    if made is None or not manifest.made_at.endswith("Z"):
        return f"made_at is no RFC 3339 time in UTC: {manifest.made_at[:64]}"
    if last is not None and made < last:
        return f"made_at is {manifest.made_at[:64]}, before the newest event about the export, of {rfc3339(last)}"
    return None


def is_cut(manifest: Manifest) -> bool:
    """Whether a filter is so long that the log has its beginning alone."""
    return any(len(text) >= _MAX_FILTER_CHARACTERS for text in manifest.filter.values())


def _by_request(events: Sequence[Exported]) -> dict[str, list[Exported]]:
    found: dict[str, list[Exported]] = {}
    for event in events:
        found.setdefault(event.event_data.request_id, []).append(event)
    return found


def _of_event(manifest: Manifest, event: Exported) -> Iterator[str]:
    data = event.event_data
    if event.principal != manifest.by:
        yield f"was given to {event.principal or 'nobody known'}, and the manifest says {manifest.by or 'nobody known'}"
    if filters_of(data.filters) != _bounded(manifest.filter):
        yield "was asked by another filter than the manifest says"
    if (data.format, data.salts) != ("ndjson", True):
        yield "was asked in another form, or without salts"
    if data.range[1] != manifest.range[1]:
        yield f"looks through the entries below {data.range[1]}, and the manifest says below {manifest.range[1]}"


def _of_lines(stream: Stream, lines: Seen, events: Sequence[Exported]) -> Iterator[str]:
    if (stream.records, stream.bytes, stream.sha256) != (lines.records, lines.bytes, lines.sha256):
        yield "is not what the manifest says of it"
    ended = [event.event_data for event in events if not event.is_begin]
    if not stream.whole:
        if any(data.rows is None or data.rows < lines.records for data in ended):
            yield f"has {lines.records:,} records here, more than were sent"
        return
    found = [event.event_data for event in events if event.is_whole]
    if not found:
        yield "is not said to be whole by any event in the log"
    for data in found:
        if data.rows != lines.records:
            yield f"had {data.rows} records when it was sent, and has {lines.records} here"
        elif (data.bytes, data.sha256) != (lines.bytes, lines.sha256):
            yield "has other bytes here than were sent: their SHA-256 is another one"


def _bounded(filters: Mapping[str, str]) -> dict[str, str]:
    return {name: text[:_MAX_FILTER_CHARACTERS] for name, text in filters.items()}
