"""Numbers of things in sentences."""

from __future__ import annotations

import pytest
from datastorage_common.counts import counted


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 records"), (1, "1 record"), (2, "2 records"), (2274, "2,274 records")]
)
def test_one_and_several(number: int, told: str) -> None:
    assert counted(number, "record") == told


def test_a_plural_of_its_own() -> None:
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
