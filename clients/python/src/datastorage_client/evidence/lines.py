"""The lines of a bundle's files: records as the export gave them, and entries with their index."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import msgspec
from datastorage_common.faults import Wrong
from datastorage_common.records import (
    EVENT,
    EVENT_COLUMNS,
    EVENT_MEMBERS,
    NOTIFICATION,
    NOTIFICATION_COLUMNS,
    NOTIFICATION_MEMBERS,
    Entry,
    EntryFormError,
    parse_entry,
)

from datastorage_client.evidence.errors import BundleError
from datastorage_client.evidence.zip_layout import ENTRIES
from datastorage_client.verify.compare import wrong_with

_ENTRY = re.compile(rb'\{"entry":(\{[^{}]{1,1024}\}),"index":(0|[1-9][0-9]{0,18})\}')
_OTHERS = ("digest", "kind", "log_index", "salt")
# Nothing stands for more than these in an entry: what else a line has could have been put there by anybody.
_MEMBERS = {
    EVENT: frozenset((*EVENT_MEMBERS, *EVENT_COLUMNS, *_OTHERS)),
    NOTIFICATION: frozenset((*NOTIFICATION_MEMBERS, *NOTIFICATION_COLUMNS, *_OTHERS)),
}


class _Line(msgspec.Struct):
    kind: str | None = None
    log_index: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    event_id: str | None = None
    id: int | None = None


_lines = msgspec.json.Decoder(_Line)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Named:
    """What a line says that it is; nothing of it is checked."""

    index: int | None
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + ("" if self.index is None else f", entry {self.index}")


def name_of(line: bytes) -> Named | None:
    """What a record is called; None where it cannot be read."""
    try:
        found = _lines.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    ident = found.event_id if found.kind == EVENT else found.id
    return Named(found.log_index, str(found.kind)[:64], str(ident)[:64])


def wrong_record(index: int, entry: Entry, line: bytes) -> Wrong | None:
    """What of a line does not fit the entry of this index."""
    wrong = wrong_with(entry, line)
    if wrong is not None:
        return wrong
    members = _members.decode(line)
    others = sorted(members.keys() - _MEMBERS.get(entry.kind, frozenset()))
    # The hash of a whole answer covers it too; one that broke off has none.
    if bytes(members.get("log_index", b"")) != b"%d" % index:
        return Wrong("log_index", f"it does not say that it is entry {index}")
    if others:
        return Wrong("members", f"it has members that its entry does not cover: {', '.join(others)[:200]}")
    return None


def entry_line(index: int, entry: bytes) -> bytes:
    """An entry as it stands in a bundle."""
    return b'{"entry":%b,"index":%d}\n' % (entry, index)


def read_entry(line: bytes, number: int) -> tuple[int, bytes, Entry]:
    """Index, bytes and members of an entry. Raises BundleError, which names the line."""
    found = _ENTRY.fullmatch(line)
    if found is None:
        raise BundleError(ENTRIES, f"line {number} is no entry with its index")
    try:
        return int(found[2]), found[1], parse_entry(found[1])
    except EntryFormError as e:
        raise BundleError(ENTRIES, f"line {number}: {e}", int(found[2])) from None
