"""How many rows fit into an answer, and how many large answers are made at a time."""

from __future__ import annotations

import contextlib

import pytest

from app.http import bounded
from app.http.problems import Problem


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
    assert bounded.fitting(rows, max_bytes) == fit


def test_the_fifth_large_page_waits_and_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_PATIENCE_SECONDS", 0)
    with contextlib.ExitStack() as held:
        for _ in range(4):
            held.enter_context(bounded.large_page())
        with pytest.raises(Problem) as caught, bounded.large_page():
            pytest.fail("a fifth was let in")
        assert caught.value.kind.slug == "service-unavailable"
    with bounded.large_page():
        pass


def test_a_page_that_fails_gives_its_room_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_PATIENCE_SECONDS", 0)
    for _ in range(5):
        with pytest.raises(ZeroDivisionError), bounded.large_page():
            raise ZeroDivisionError
