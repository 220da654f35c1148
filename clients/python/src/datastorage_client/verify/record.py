"""Whether a record, as the API gives it, is the one that an entry of the log was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from datastorage_common import jsonvalue, records
from datastorage_common.addresses import canonical_address
from datastorage_common.records import EVENT, NOTIFICATION, Entry
from datastorage_common.times import parse_rfc3339, rfc3339

from datastorage_client.verify.errors import OtherRecordError, ProofFormError, RecordDiffersError

_TIMES = ("event_timestamp", "recorded_at", "sent_at", "created_at", "updated_at")


@runtime_checkable
class Model(Protocol):
    """What `datastorage_client.models` has of a record."""

    def to_dict(self) -> dict[str, Any]: ...


# Deeper than any record is stored, and not deeper than it can be written out again.
_MAX_NESTING = 240
# As text or bytes of JSON, which keep every number as it is written; or parsed by `datastorage_common.jsonvalue`.
Record = bytes | str | Mapping[str, Any] | Model


def read_record(record: Record) -> dict[str, Any]:
    """The members of a record. Raises ProofFormError where they are none, or numbers have been rounded."""
    try:
        if isinstance(record, str | bytes):
            members = jsonvalue.parse(record if isinstance(record, bytes) else record.encode())
        else:
            members = dict(record) if isinstance(record, Mapping) else record.to_dict()
    except (jsonvalue.JSONError, UnicodeEncodeError) as e:
        raise ProofFormError(f"the record is not JSON: {e}") from None
    if not isinstance(members, dict):
        raise ProofFormError("the record is not a JSON object")
    if "data" in members and "pagination" in members:
        raise ProofFormError("this is an answer with many records: take one of its data")
    if jsonvalue.depth_exceeds(members, _MAX_NESTING):
        raise ProofFormError("the record is nested deeper than any record can be")
    if _has_float(members):
        raise ProofFormError(
            "the record has numbers that were read as doubles, and are not what they were: give its JSON text"
        )
    # The service stores none; written out, a short one may be gigabytes.
    if jsonvalue.number_out_of_range(members, jsonvalue.MAX_NUMBER_DIGITS):
        raise ProofFormError("the record has a number that no record can have")
    for name in _TIMES:
        if (moment := parse_rfc3339(members.get(name))) is not None:
            members[name] = rfc3339(moment)
    return members


def check_event(event: dict[str, Any], entry: Entry, salt: bytes) -> None:
    """Raises OtherRecordError where the entry is another record's, RecordDiffersError where the event was altered.

    ProofFormError where it is no event as it is given by id.
    """
    ident = event.get("event_id")
    _check_has(event, "event", "event_id", "event_date")
    _check_entry(entry, EVENT, str(ident), str(event.get("event_date")))
    if not isinstance(event.get("event_data"), dict):
        raise ProofFormError(f"event {ident} has no event_data here: take it as it is given by id")
    columns = jsonvalue.canonical({name: event.get(name) for name in records.EVENT_COLUMNS})
    found = list(event_digests(event))
    if (answered := event.get("digest")) is not None:
        found = [digest for digest in found if digest.hex() == answered]
        if not found:
            raise RecordDiffersError(f"event {ident} does not give the digest {answered} that it is answered with")
    _check_commitment(f"event {ident}", entry, salt, found, columns)


def check_notification(row: dict[str, Any], recorded_by: str | None, entry: Entry, salt: bytes) -> None:
    """As `check_event`. ``recorded_by`` is in the proof and not in the answers about notifications."""
    ident = row.get("id")
    _check_has(row, "notification", "id", "sent_at")
    _check_entry(entry, NOTIFICATION, str(ident), str(row.get("sent_at"))[:10])
    columns = {name: row.get(name) for name in records.NOTIFICATION_COLUMNS}
    columns["recorded_by"] = row.get("recorded_by", recorded_by)
    digest = records.notification_digest(
        jsonvalue.canonical({name: row.get(name) for name in records.NOTIFICATION_MEMBERS})
    )
    _check_commitment(f"notification {ident}", entry, salt, [digest], jsonvalue.canonical(columns))


def event_digests(event: dict[str, Any]) -> Iterator[bytes]:
    """Of the members of an event: one, or two where it is not known whether the trace_id is the event's own."""
    members = {name: event.get(name) for name in records.EVENT_MEMBERS}
    if isinstance(address := members["actor_ip"], str):
        members["actor_ip"] = _address(address)
    flag = event.get("trace_id_from_context")
    if not flag:
        yield records.event_digest(jsonvalue.canonical(members))
    if flag is not False:
        yield records.event_digest(jsonvalue.canonical({**members, "trace_id": None}))


# Most events come from a few.
@lru_cache(4096)
def _address(text: str) -> str:
    """An address as the digest has it: answers have some as PostgreSQL writes them."""
    try:
        return canonical_address(text)
    except ValueError:
        return text


def _check_has(members: dict[str, Any], what: str, *names: str) -> None:
    if missing := [name for name in names if members.get(name) is None]:
        raise ProofFormError(f"the record is no {what}: it has no {missing[0]}")


def _check_entry(entry: Entry, kind: str, ident: str, day: str) -> None:
    if (entry.kind, entry.id, entry.on) != (kind, ident, day):
        raise OtherRecordError(
            f"the proof is of the {entry.kind} {entry.id} of {entry.on}, not of the {kind} {ident} of {day}"
        )


def _check_commitment(what: str, entry: Entry, salt: bytes, digests: list[bytes], columns: bytes) -> None:
    if not any(records.commitment(salt, digest, columns) == entry.commitment for digest in digests):
        raise RecordDiffersError(
            f"{what} is not what its entry in the log was made of: a member, or the salt of the proof, is another"
        )


def _has_float(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, float):
            return True
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False
