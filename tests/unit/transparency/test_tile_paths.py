"""Names of tiles: each has one, and no other text names one."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.transparency.tile_paths import Place, parse_bundle, parse_tile

LARGEST = (2**63 - 1) // 256 - 1


def name_of(number: int, width: int) -> str:
    """As C2SP tlog-tiles says it."""
    last = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        last = f"x{number % 1000:03d}/{last}"
    return last + (f".p/{width}" if width < 256 else "")


@given(st.integers(0, LARGEST), st.integers(1, 256))
@example(1234067, 256)
@example(LARGEST, 256)
@example(999, 255)
@example(1000, 1)
def test_each_tile_has_a_name(number: int, width: int) -> None:
    assert parse_tile("0", name_of(number, width)) == Place(0, number, width)
    assert parse_bundle(name_of(number, width)) == Place(0, number, width)


def test_the_example_of_the_specification() -> None:
    assert parse_tile("1", "x001/x234/067") == Place(1, 1234067, 256)


@given(st.from_regex(re.compile(r"(x?[0-9x]{0,4}/){0,3}[0-9]{2,4}(\.p/[0-9]{0,4})?", re.ASCII), fullmatch=True))
@example("x000/001")
@example("001.p/256")
@example("001.p/0")
@example("001.p/01")
@example("x001/x000/000")
def test_nothing_else_names_one(text: str) -> None:
    place = parse_bundle(text)
    if place is not None:
        assert name_of(place.number, place.width) == text


@pytest.mark.parametrize("level", ["", "00", "01", "64", "-1", "1.0", "x", "٣", "0\n", "9" * 5000, "entries"])
def test_what_is_no_level(level: str) -> None:
    assert parse_tile(level, "000") is None


def test_no_tree_is_so_large() -> None:
    assert parse_tile("0", name_of(LARGEST + 1, 256)) is None
    assert parse_tile("7", "000.p/127") == Place(7, 0, 127)
    for level in ("8", "63"):
        assert parse_tile(level, "000.p/1") is None
    assert parse_tile("0", "x999/" * 6 + "999") is None


@pytest.mark.parametrize(
    ("size", "level", "number", "width", "there"),
    [
        *(
            (0, 0, 0, 1, False),
            (1, 0, 0, 1, True),
            (1, 0, 0, 2, False),
            (255, 0, 0, 256, False),
            (256, 0, 0, 256, True),
        ),
        *((256, 0, 1, 1, False), (256, 1, 0, 1, True), (256, 1, 0, 2, False), (70_000, 0, 273, 112, True)),
        *((70_000, 0, 273, 113, False), (70_000, 1, 0, 256, True), (70_000, 1, 1, 17, True), (70_000, 1, 1, 18, False)),
        *((70_000, 2, 0, 1, True), (70_000, 2, 0, 2, False), (70_000, 3, 0, 1, False)),
    ],
)
def test_what_a_tree_has(size: int, level: int, number: int, width: int, there: bool) -> None:
    assert Place(level, number, width).is_in(size) is there
