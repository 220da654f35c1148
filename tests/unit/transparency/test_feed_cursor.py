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

from app.transparency.feed_cursor import NO_TAG, CursorSeal, Position, looks_sealed, marks, origin_tag, position

KEY = bytes(range(32))
SEAL = CursorSeal(KEY)
TAGS = (b"a" * 8, b"b" * 8, b"c" * 8, NO_TAG)
PLACE = Position(70_000, origin_tag("log.example.org"), TAGS)
FORM = ">BQ8s32s"
LENGTH = 108
ALPHABET = string.ascii_letters + string.digits + "-_"

positions = st.builds(
    Position,
    st.integers(0, 2**63 - 1),
    st.binary(min_size=8, max_size=8),
    st.tuples(*[st.binary(min_size=8, max_size=8)] * 4),
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
    raw = [base64.urlsafe_b64decode(text) for text in texts]
    assert all(PLACE.origin not in each and TAGS[0] not in each for each in raw)
    assert (raw[0] == raw[1]) is (one == other)
    # Behind the nonce, 16 bytes are a hash of all that is sealed; the others are hidden by a stream that goes by it.
    same = [a == b for a, b in zip(*raw, strict=True)][16:]
    assert one == other or (sum(same[:16]) < 8 and sum(same[16:]) < 18)


def test_nobody_sees_that_two_are_of_the_same_place() -> None:
    texts = [SEAL.seal(PLACE, each_another=True) for _ in range(50)]
    raw = [base64.urlsafe_b64decode(text) for text in texts]
    assert len({each[:16] for each in raw}) == len({each[16:32] for each in raw}) == 50
    assert {SEAL.open(text) for text in texts} == {PLACE}
    assert {len(text) for text in texts} == {LENGTH}


def test_every_flipped_bit_is_refused() -> None:
    text = SEAL.seal(PLACE)
    raw = base64.urlsafe_b64decode(text)
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
    return base64.urlsafe_b64encode(bytes(16) + AESSIV(KEY).encrypt(plain, [bytes(16)])).rstrip(b"=").decode()


@pytest.mark.parametrize(("version", "passed"), [(0, 1), (2, 1), (255, 1), (1, 2**63), (1, 2**64 - 1)])
def test_what_another_release_may_have_sealed_is_refused(version: int, passed: int) -> None:
    text = sealed(struct.pack(FORM, version, passed, PLACE.origin, b"".join(TAGS)))
    assert looks_sealed(text)
    assert SEAL.open(text) is None
    last = PLACE._replace(passed=2**63 - 1)
    assert SEAL.open(sealed(struct.pack(FORM, 1, last.passed, PLACE.origin, b"".join(TAGS)))) == last


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


def test_a_name_is_known_again() -> None:
    names = ["", "a", "b", "é", str(uuid.UUID(int=1))]
    tags = {origin_tag(name) for name in names} | {origin_tag(None)}
    assert len(tags) == len(names) + 1
    assert origin_tag("a") == hashlib.sha256(b"a").digest()[:8]
    assert origin_tag(None) == NO_TAG == bytes(8)


def test_a_log_is_known_at_rounder_numbers_too() -> None:
    assert marks(0) == [0, 0, 0, 0]
    assert marks(255) == [255, 0, 0, 0]
    assert marks(70_000) == [70_000, 69_888, 65_536, 0]
    assert marks(2**24 + 2**17 + 3) == [2**24 + 2**17 + 3, 2**24 + 2**17, 2**24 + 2**17, 2**24]
    found = {70_000: b"a" * 8, 65_536: b"c" * 8}
    place = position(70_000, NO_TAG, found)
    assert place.tags == (b"a" * 8, NO_TAG, b"c" * 8, NO_TAG)
    assert place.known() == found, "what could not be read says nothing"
    assert position(0, NO_TAG, {0: b"x" * 8}).known() == {}
