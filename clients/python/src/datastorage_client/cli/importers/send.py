"""Sending events in batches over HTTP, and finding out what became of each.

A batch is all or nothing. When the service refuses one because of some of its events, those are reported and left
out and the rest goes again, so that one bad record costs no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from datastorage_common import jsonvalue

from datastorage_client.cli.errors import ProblemError, ServiceError
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.importers import cloudtrail
from datastorage_client.cli.importers.cloudtrail import MappingError
from datastorage_client.cli.importers.files import FileRecord
from datastorage_client.problems import largest_batch

BATCH_PATH = "/api/v1/audit/events/batch"
# Below the service's default limit on bodies (5 MiB); a service with a lower one answers 413 and gets less.
MAX_BODY_BYTES = 4 * 1024**2

_INDEXED_FIELD = re.compile(r"\[(\d{1,9})\](?:\.(.+))?", re.DOTALL)
_INDEXED_DETAIL = re.compile(r"event at index (\d{1,9}): (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Event:
    """An event on its way: its request body, and how to name it to people."""

    position: str
    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that is not stored, and why: one text for each thing that is wrong with it."""

    position: str
    event_id: str | None
    reasons: tuple[str, ...]


@dataclass(kw_only=True)
class ImportCounts:
    """What became of the records so far."""

    stored: int = 0
    existing: int = 0  # were in the store already, with the same content
    accepted: int = 0  # kept durably, written to their table later (202)
    refused: int = 0
    derived_ids: int = 0  # of the above: eventID was no UUID

    @property
    def settled(self) -> int:
        """Records whose fate is known."""
        return self.stored + self.existing + self.accepted + self.refused


class Sender:
    """Maps records, sends them, keeps the counts. ``on_refusal`` hears of each refused record at once."""

    def __init__(
        self,
        client: HTTPClient,
        *,
        category: str,
        shift: timedelta,
        batch_size: int,
        on_refusal: Callable[[RejectedRecord], None],
    ) -> None:
        self.counts = ImportCounts()
        self._client = client
        self._category = category
        self._shift = shift
        self._batch_size = batch_size
        self._on_refusal = on_refusal

    def send(self, records: Iterable[FileRecord]) -> Iterator[ImportCounts]:
        """Send all records in their order; yields the counts after each batch.

        Raises ServiceError when the service cannot be reached or refuses for reasons that lie in no record, and
        FileError when the files cannot be read. The counts then say what was settled before.
        """
        for batch in self._batches(records):
            self._settle(batch)
            yield self.counts

    def _batches(self, records: Iterable[FileRecord]) -> Iterator[list[Event]]:
        batch: list[Event] = []
        ids: set[str] = set()
        size = 0
        for record in records:
            event = self._event(record)
            if event is None:
                continue
            # An id twice goes in two batches: the answer then says which of the two it means.
            if batch and (size + len(event.body) > MAX_BODY_BYTES or event.event_id in ids):
                yield batch
                batch, ids, size = [], set(), 0
            batch.append(event)
            ids.add(event.event_id)
            size += len(event.body) + 1
            if len(batch) >= self._batch_size:
                yield batch
                batch, ids, size = [], set(), 0
        # The last one may be empty, so that refusals after the last full batch are seen as progress too.
        yield batch

    def _event(self, record: FileRecord) -> Event | None:
        try:
            event = cloudtrail.to_event(record.value, category=self._category, shift=self._shift)
            body = jsonvalue.compact(event)
        except MappingError as e:
            self._refuse(record.position, None, (str(e),))
            return None
        except TypeError:
            self._refuse(record.position, None, ("holds a number or a text that JSON cannot carry",))
            return None
        if cloudtrail.event_id(record.value)[1]:
            self.counts.derived_ids += 1
        return Event(record.position, event["event_id"], body)

    def _settle(self, batch: list[Event]) -> None:
        """Send until each event of the batch is stored, accepted or refused; every turn makes the work smaller."""
        work = [batch]
        while work:
            part = work.pop()
            if not part:
                continue
            try:
                self._post(part)
            except ProblemError as problem:
                if problem.status not in (400, 409, 413):
                    raise
                blamed = _blamed(problem, len(part))
                if not blamed and len(part) > 1:
                    # Too much at once, or one record in here: halves tell. The first half goes first.
                    middle = len(part) // 2
                    most = largest_batch(problem.members)
                    if most is not None and most < len(part):
                        middle = self._batch_size = most
                    work += [part[middle:], part[:middle]]
                    continue
                blamed = blamed or {0: [f"{problem.title}: {problem.detail}"]}
                for index, reasons in sorted(blamed.items()):
                    self._refuse(part[index].position, part[index].event_id, tuple(reasons))
                work.append([event for index, event in enumerate(part) if index not in blamed])

    def _post(self, part: Sequence[Event]) -> None:
        body = b"[" + b",".join(event.body for event in part) + b"]"
        # Repeatable: every event carries its own id.
        answer = self._client.post(BATCH_PATH, body, repeatable=True)
        members = answer.object()
        ids, duplicates = members.get("event_ids"), members.get("duplicates", [])
        # Also of what is kept for later: something else that answers 202 has kept nothing.
        if ids != [event.event_id for event in part] or not isinstance(duplicates, list):
            raise ServiceError(f"the answer to a batch ({answer.status}) is not one of the Data Storage Service")
        if answer.status == 202:
            self.counts.accepted += len(part)
            return
        self.counts.existing += len(duplicates)
        self.counts.stored += len(part) - len(duplicates)

    def _refuse(self, position: str, event_id: str | None, reasons: tuple[str, ...]) -> None:
        self.counts.refused += 1
        self._on_refusal(RejectedRecord(position, event_id, reasons))


def _blamed(problem: ProblemError, size: int) -> dict[int, list[str]]:
    """Index → reasons of the events that a refusal of a batch names; empty if it names none."""
    if problem.status == 413:
        return {}
    found: dict[int, list[str]] = {}
    for field, message in problem.field_errors.items():
        if m := _INDEXED_FIELD.fullmatch(field):
            found.setdefault(int(m[1]), []).append(f"{m[2]}: {message}" if m[2] else message)
    detail = _INDEXED_DETAIL.fullmatch(problem.detail)
    for index in _indexes(problem.members):
        found.setdefault(index, [f"conflict: {detail[2] if detail else problem.detail}"])
    if not found and detail:
        found[int(detail[1])] = [detail[2]]
    return {index: reasons for index, reasons in found.items() if index < size}


def _indexes(members: Mapping[str, Any]) -> list[int]:
    """The extension member ``indexes`` of a 409."""
    named = members.get("indexes")
    return [i for i in named if type(i) is int and i >= 0] if isinstance(named, list) else []
