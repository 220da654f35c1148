"""One definition of digest, commitment and entry: held to the page and to the forms that the service keeps."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

import orjson
import pytest
from datastorage_common import records
from datastorage_common.records import Entry, EntryFormError, entry_of, parse_entry

from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS
from app.audit.shapes import EVENT_MEMBERS
from tests import log_record

EVENT_ID = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
ENTRY = Entry("audit_event", EVENT_ID, "2026-01-05", 1, bytes(range(32)))


def test_members_are_those_of_the_page_and_of_the_service() -> None:
    assert set(records.EVENT_MEMBERS) == set(log_record.EVENT_MEMBERS) == set(EVENT_FIELDS)
    assert set(records.EVENT_COLUMNS) == set(log_record.EVENT_COLUMNS)
    assert set(records.NOTIFICATION_MEMBERS) == set(log_record.NOTIFICATION_MEMBERS) == set(NOTIFICATION_FIELDS)
    assert set(records.NOTIFICATION_COLUMNS) == set(log_record.NOTIFICATION_COLUMNS)
    # What an answer has and neither names is the digest itself, and the place of the entry.
    assert set(EVENT_MEMBERS) - set(records.EVENT_MEMBERS) - set(records.EVENT_COLUMNS) <= {"digest", "log_index"}


def test_the_commitment_is_that_of_the_page() -> None:
    salt, digest, columns = b"s" * 16, b"d" * 32, b"{}"
    assert records.commitment(salt, digest, columns) == sha256(salt + digest + sha256(columns).digest()).digest()
    assert records.commitment(salt, digest, None) == sha256(salt + digest).digest()


def test_an_entry_is_written_and_read() -> None:
    assert ENTRY.encode() == orjson.dumps(orjson.loads(ENTRY.encode()), option=orjson.OPT_SORT_KEYS)
    assert parse_entry(ENTRY.encode()) == ENTRY
    assert entry_of(orjson.loads(ENTRY.encode())) == ENTRY
    assert UUID(ENTRY.id)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        ENTRY.encode() + b"\n",
        ENTRY.encode().replace(b'"v":1', b'"v":2'),
        ENTRY.encode().replace(b'"v":1', b'"v": 1'),
        ENTRY.encode().replace(EVENT_ID.encode(), EVENT_ID.upper().encode()),
        ENTRY.encode().replace(EVENT_ID.encode(), b"42"),
        ENTRY.encode().replace(b"audit_event", b"notification"),
        ENTRY.encode() + b" " * 1024,
    ],
)
def test_other_bytes_are_no_entry(data: bytes) -> None:
    with pytest.raises(EntryFormError):
        parse_entry(data)


def test_members_that_are_no_json_are_no_entry() -> None:
    with pytest.raises(EntryFormError):
        entry_of({"v": object()})
