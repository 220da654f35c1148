"""Entries in the form in which they are kept, and as they are hashed."""

from __future__ import annotations

import json
from datetime import date, timedelta
from hashlib import sha256
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transparency.entries import (
    EntryError,
    act_key,
    as_json,
    event_key,
    notification_key,
    place_key,
    readable,
    record_of,
    split,
)

COMMITMENT = bytes(range(32))
EVENT_ID = UUID("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
MAX_BYTES = 1024
KINDS = {0: "audit_event", 1: "audit_event", 2: "notification", 3: "notification"}
FIRST_DAY = date(2000, 1, 1)


def event_entry(
    code: int = 1, ident: UUID = EVENT_ID, day: date = date(2026, 11, 27), commitment: bytes = COMMITMENT
) -> bytes:
    return bytes([code]) + ident.bytes + days(day) + commitment


def notification_entry(
    code: int = 3, number: int = 17, day: date = date(2026, 11, 27), commitment: bytes = COMMITMENT
) -> bytes:
    return bytes([code]) + number.to_bytes(8, "big") + days(day) + commitment


def act_entry(text: bytes) -> bytes:
    return b"\x04" + len(text).to_bytes(2, "big") + text


def days(day: date) -> bytes:
    return (day - FIRST_DAY).days.to_bytes(4, "big", signed=True)


ACT = orjson.dumps(
    {"commitment": COMMITMENT.hex(), "id": str(EVENT_ID), "kind": "purge", "on": "2026-11-27", "v": 1},
    option=orjson.OPT_SORT_KEYS,
)
ANY_DAY = st.dates(date(1970, 1, 1), date(9999, 12, 31))
ANY_COMMITMENT = st.binary(min_size=32, max_size=32)
ANY_ENTRY = st.one_of(
    st.builds(event_entry, st.sampled_from([0, 1]), st.uuids(), ANY_DAY, ANY_COMMITMENT),
    st.builds(notification_entry, st.sampled_from([2, 3]), st.integers(1, 2**63 - 1), ANY_DAY, ANY_COMMITMENT),
    st.just(act_entry(ACT)),
)


def test_an_event_as_it_is_hashed() -> None:
    assert as_json(event_entry()) == (
        b'{"commitment":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
        b'"id":"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","kind":"audit_event","on":"2026-11-27","v":1}'
    )
    assert as_json(event_entry(0)).endswith(b'"v":0}'), "from before there was a log"


def test_a_notification_as_it_is_hashed() -> None:
    assert as_json(notification_entry()) == (
        b'{"commitment":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
        b'"id":"17","kind":"notification","on":"2026-11-27","v":1}'
    )
    assert as_json(notification_entry(2)).endswith(b'"v":0}')


def test_an_act_is_json_as_it_stands() -> None:
    assert as_json(act_entry(ACT)) == ACT
    assert record_of(act_entry(ACT)) is None


@given(ANY_ENTRY)
def test_json_is_canonical_and_short(entry: bytes) -> None:
    text = as_json(entry)
    assert len(text) <= MAX_BYTES
    members = json.loads(text)
    assert members.keys() == {"commitment", "id", "kind", "on", "v"}
    assert text == json.dumps(members, sort_keys=True, separators=(",", ":")).encode()


@given(ANY_ENTRY)
def test_json_says_what_the_kept_form_says(entry: bytes) -> None:
    members, record = json.loads(as_json(entry)), record_of(entry)
    if record is None:
        return
    assert members == {
        "commitment": record.commitment.hex(),
        "id": record.ident,
        "kind": record.kind,
        "on": record.day.isoformat(),
        "v": record.version,
    }
    assert (record.kind, record.version) == (KINDS[entry[0]], entry[0] % 2)
    assert record.day == FIRST_DAY + timedelta(days=int.from_bytes(entry[-36:-32], "big", signed=True))


@given(st.lists(ANY_ENTRY, max_size=20))
def test_entries_that_are_kept_one_behind_the_other_are_found_again(entries: list[bytes]) -> None:
    assert split(b"".join(entries)) == entries


@pytest.mark.parametrize("at", [0, 1, 2])
def test_events_are_read_up_to_the_first_whose_day_no_calendar_has(at: int) -> None:
    entries = [event_entry(day=FIRST_DAY + timedelta(days=n)) for n in range(3)]
    broken = [*entries]
    broken[at] = entries[at][:17] + b"\x7f\xff\xff\xff" + entries[at][21:]
    assert readable(b"".join(broken)) == (entries[:at], "no such entry: OverflowError")


@given(st.lists(ANY_ENTRY, min_size=1, max_size=4), st.data())
def test_a_cut_is_noticed_unless_it_is_between_two(entries: list[bytes], data: st.DataObject) -> None:
    kept = b"".join(entries)
    cut = data.draw(st.integers(1, len(entries[-1]) - 1))
    with pytest.raises(EntryError, match="cut off"):
        split(kept[:-cut])


@pytest.mark.parametrize("length", [53, 61])
@pytest.mark.parametrize("code", [5, 6, 127, 255])
def test_an_unknown_kind_is_refused(code: int, length: int) -> None:
    """Also where it is as long as an event."""
    with pytest.raises(EntryError, match=f"of the kind {code}"):
        split(event_entry() + bytes([code]) + bytes(length - 1))


def test_keys() -> None:
    """As a program of somebody else makes them: 64 bits of SHA-256, big-endian, signed."""

    def key(ident: bytes) -> int:
        return int.from_bytes(sha256(ident).digest()[:8], "big", signed=True)

    assert place_key(event_entry()) == place_key(event_entry(0)) == event_key(EVENT_ID) == key(b"e" + EVENT_ID.bytes)
    number = (17).to_bytes(8, "big")
    assert place_key(notification_entry()) == place_key(notification_entry(2)) == notification_key(17)
    assert notification_key(17) == key(b"n" + number)
    assert place_key(act_entry(ACT)) == act_key(EVENT_ID) == key(b"a" + EVENT_ID.bytes)
    assert len({event_key(EVENT_ID), act_key(EVENT_ID), notification_key(17)}) == 3
    assert all(-(2**63) <= event_key(UUID(int=i)) < 2**63 for i in range(100))
