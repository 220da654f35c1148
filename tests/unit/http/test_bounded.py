"""How many large answers are made at a time."""

from __future__ import annotations

import contextlib

import pytest

from app.http import bounded
from app.http.problems import Problem


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


def test_a_room_has_so_many_places_and_one_at_the_least() -> None:
    room = bounded.Room(2, 0, "too many")
    with room, room:
        with pytest.raises(Problem) as caught, room:
            pytest.fail("a third was let in")
        assert (caught.value.detail, caught.value.headers["Retry-After"]) == ("too many", "1")
    with pytest.raises(ZeroDivisionError), bounded.Room(0, 0, "") as _:
        raise ZeroDivisionError
    with room, room:
        pass
