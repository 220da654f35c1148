"""Moving a file's times, so that old records fall into the window that the service takes.

The identity of an event is its id and the UTC date of its timestamp. A second import must therefore move the times
by exactly what the first one did, or it would double the records (on another date) or contradict them (on the
same). Nothing is kept on the importer's side: the offset is found again from records that the service has.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339

from datastorage_client.cli.errors import ProblemError, ServiceError
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.importers import cloudtrail
from datastorage_client.cli.importers.cloudtrail import MappingError
from datastorage_client.cli.importers.files import FileRecord

# Records that are asked for. Batches go out in the file's order, so after a run that was cut off the first records
# are there if any are; several of them, because the first may have been refused.
_FIRST = 5
_SAMPLE = 10


@dataclass(kw_only=True)
class Survey:
    """What one look over all files found; keeps a handful of records, however many there are."""

    count: int = 0
    newest: datetime | None = None
    oldest: datetime | None = None
    probes: list[FileRecord] = field(default_factory=list)  # first, last, newest and some at random


def survey(records: Iterable[FileRecord]) -> Survey:
    """Count the records, find the span of their times and choose which to look for in the store.

    Records that cannot be mapped are counted only. Raises FileError where the files cannot be read.
    """
    found = Survey()
    first: list[FileRecord] = []
    sample: list[FileRecord] = []
    last: FileRecord | None = None
    newest: FileRecord | None = None
    usable = 0
    # Always the same choice for the same files: a run that goes wrong can be looked into.
    chance = random.Random(0)
    for record in records:
        found.count += 1
        try:
            moment = cloudtrail.event_time(record.value)
        except MappingError:
            continue
        usable += 1
        if found.newest is None or moment > found.newest:
            found.newest, newest = moment, record
        if found.oldest is None or moment < found.oldest:
            found.oldest = moment
        last = record
        if len(first) < _FIRST:
            first.append(record)
        elif len(sample) < _SAMPLE:
            sample.append(record)
        elif (place := chance.randrange(usable - _FIRST)) < _SAMPLE:  # each record with the same chance
            sample[place] = record
    found.probes = [*first, *sample, *(r for r in (last, newest) if r is not None)]
    return found


def to_now(newest: datetime, now: datetime) -> timedelta:
    """The offset that puts ``newest`` at ``now``, in whole seconds, so that fractions of a second stay as they are."""
    return timedelta(seconds=(now - newest) // timedelta(seconds=1))


def stored_offset(probes: Iterable[FileRecord], client: HTTPClient) -> timedelta | None:
    """By how much an earlier import moved these records, or None if the service has none of them.

    Only rows whose event_data is the record count: another event under the same id says nothing. If the records
    were imported with several offsets, the one that most of those looked for have, then the latest. Raises
    ServiceError: without an answer no offset is safe.
    """
    votes: Counter[timedelta] = Counter()
    asked: set[UUID] = set()
    for probe in probes:
        try:
            ident, _ = cloudtrail.event_id(probe.value)
            moment = cloudtrail.event_time(probe.value)
            content = jsonvalue.canonical(probe.value)
        except (MappingError, TypeError):
            continue  # it cannot have been sent, and will be reported when it is its turn
        if ident in asked:
            continue
        asked.add(ident)
        row = _row(client, ident)
        if row is not None and jsonvalue.canonical(row.get("event_data")) == content:
            stored = parse_rfc3339(row.get("event_timestamp"))
            if stored is None:
                raise ServiceError(f"the service has event {ident} without a time that can be read")
            votes[stored - moment] += 1
    if not votes:
        return None
    return max(votes, key=lambda offset: (votes[offset], offset))


def _row(client: HTTPClient, ident: UUID) -> dict[str, Any] | None:
    try:
        return client.get(f"/api/v1/audit/events/{ident}").object()
    except ProblemError as e:
        # Only the service's own word counts: a 404 of something else must not look like an empty store.
        if e.status == 404 and e.slug == "not-found":
            return None
        raise


def written(offset: timedelta) -> str:
    """The offset as ``--shift-by`` takes it: seconds, with a fraction only where there is one."""
    sign = "-" if offset < timedelta(0) else ""
    size = abs(offset)
    seconds = size.days * 86400 + size.seconds
    fraction = f".{size.microseconds:06}".rstrip("0") if size.microseconds else ""
    return f"{sign}{seconds}{fraction}s"


def readable(offset: timedelta) -> str:
    """The offset for people: ``+1180d 3h 12m 5s``."""
    size = abs(offset)
    hours, rest = divmod(size.seconds, 3600)
    parts = ((size.days, "d"), (hours, "h"), (rest // 60, "m"), (rest % 60, "s"))
    shown = " ".join(f"{n}{unit}" for n, unit in parts if n) or "0s"
    return ("-" if offset < timedelta(0) else "+") + shown
