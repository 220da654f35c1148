"""Cursors of the feed: they come back as they went, say nothing, and are taken from nobody else."""

from __future__ import annotations

import base64
import hashlib
import string
import struct
import uuid

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

from app.transparency.feed_cursor import CursorSeal, Position, entry_tag, looks_sealed, origin_tag

KEY = bytes(range(32))
SEAL = CursorSeal(KEY)
ENTRY = b'{"commitment":"00","id":"1","kind":"notification","on":"2026-01-05","v":1}'
PLACE = Position(70_000, origin_tag("log.example.org"), entry_tag(ENTRY))
LENGTH = 55
ALPHABET = string.ascii_letters + string.digits + "-_"

positions = st.builds(
    Position, st.integers(0, 2**63 - 1), st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8)
)


@given(positions)
def test_a_position_comes_back_as_it_went(position: Position) -> None:
    text = SEAL.seal(position)
    assert SEAL.open(text) == position
    assert looks_sealed(text)
    assert len(text) == LENGTH, "how long it is says nothing"
    assert SEAL.seal(position) == text


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_what_is_sealed_says_nothing_of_the_place(one: int, other: int) -> None:
    texts = [SEAL.seal(PLACE._replace(passed=n)) for n in (one, other)]
    raw = [base64.urlsafe_b64decode(text + "=") for text in texts]
    assert all(PLACE.origin not in each and PLACE.entry not in each for each in raw)
    assert (raw[0] == raw[1]) is (one == other)
    # The first 16 bytes are a hash of all that is sealed; what is behind them is hidden by a stream that goes by it.
    same = [a == b for a, b in zip(*raw, strict=True)]
    assert one == other or (sum(same[:16]) < 8 and sum(same[16:]) < 13)


def test_every_flipped_bit_is_refused() -> None:
    text = SEAL.seal(PLACE)
    raw = base64.urlsafe_b64decode(text + "=")
    for n in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[n // 8] ^= 1 << n % 8
        assert SEAL.open(base64.urlsafe_b64encode(changed).rstrip(b"=").decode()) is None, n


def test_every_changed_character_is_refused() -> None:
    text = SEAL.seal(PLACE)
    for n in range(len(text)):
        for other in ALPHABET.replace(text[n], ""):
            assert SEAL.open(text[:n] + other + text[n + 1 :]) is None, (n, other)


def test_another_key_opens_nothing() -> None:
    assert CursorSeal(bytes(32)).open(SEAL.seal(PLACE)) is None


def sealed(plain: bytes) -> str:
    return base64.urlsafe_b64encode(AESSIV(KEY).encrypt(plain, None)).rstrip(b"=").decode()


@pytest.mark.parametrize(("version", "passed"), [(0, 1), (2, 1), (255, 1), (1, 2**63), (1, 2**64 - 1)])
def test_what_another_release_may_have_sealed_is_refused(version: int, passed: int) -> None:
    text = sealed(struct.pack(">BQ8s8s", version, passed, PLACE.origin, PLACE.entry))
    assert looks_sealed(text)
    assert SEAL.open(text) is None
    assert SEAL.open(sealed(struct.pack(">BQ8s8s", 1, 2**63 - 1, *PLACE[1:]))) == PLACE._replace(passed=2**63 - 1)


TEXT = SEAL.seal(PLACE)


@pytest.mark.parametrize(
    "text",
    [
        *("", "end", "0", "70000", "x", "\0", "é" * LENGTH, " " + TEXT, TEXT + " ", TEXT + "\n", TEXT + "=", TEXT * 2),
        *(TEXT[:-1], TEXT[1:], TEXT + "A", "-" * (LENGTH - 1) + "+", "/" + TEXT[1:], "A" * 10_000, "١" * LENGTH),
    ],
)
def test_what_has_not_the_form_is_refused_without_the_key(text: str) -> None:
    assert not looks_sealed(text)
    assert SEAL.open(text) is None


@pytest.mark.parametrize("text", ["A" * LENGTH, "_" * LENGTH, "-" * LENGTH, "z" * LENGTH])
def test_what_has_the_form_alone_is_refused(text: str) -> None:
    assert looks_sealed(text)
    assert SEAL.open(text) is None


def test_a_name_and_an_entry_are_known_again() -> None:
    names = ["", "a", "b", "é", str(uuid.UUID(int=1))]
    tags = {origin_tag(name) for name in names} | {origin_tag(None)}
    assert len(tags) == len(names) + 1
    assert origin_tag("a") == hashlib.sha256(b"a").digest()[:8]
    assert entry_tag(ENTRY) == hashlib.sha256(b"\0" + ENTRY).digest()[:8]
    assert entry_tag(None) == origin_tag(None) == bytes(8)
