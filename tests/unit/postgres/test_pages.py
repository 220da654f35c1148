"""How many rows fit into an answer."""

from __future__ import annotations

import pytest

from app.postgres import pages


@pytest.mark.parametrize(
    ("rows", "max_bytes", "fit"),
    [
        ([], 1000, 0),
        ([b"x" * 5000], 1000, 1),
        ([b"x" * 5000, b"x"], 1000, 1),
        ([b"x" * 100] * 9, 512 + 4 * 101, 4),
        ([b"x" * 100] * 9, 512 + 4 * 101 - 1, 3),
        ([b"x" * 100] * 9, 0, 1),
        ([b"x" * 100] * 9, 10_000, 9),
    ],
)
def test_the_rows_that_fit_and_the_first_always(rows: list[bytes], max_bytes: int, fit: int) -> None:
    assert pages.fitting(rows, max_bytes) == fit
