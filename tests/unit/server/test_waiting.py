"""Which connection has to go where there are too many."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from app.config.settings import ServerSettings
from app.server.waiting import CROWDED_SECONDS, Waiting


def connection() -> Any:
    return type("Connection", (SimpleNamespace,), {"__hash__": object.__hash__})(queue=None, aside=0.5)


def test_the_slowest_is_one_that_is_done_before_one_that_is_served_and_an_idle_one_last() -> None:
    waiting = Waiting(ServerSettings(), 75)
    order = [waiting.aside, waiting.lingering, waiting.heads, waiting.bodies, waiting.unread, waiting.idle]
    made = [connection() for _ in order]
    for queue, conn in zip(order, made, strict=True):
        queue.add(conn, 10.0)
    for queue, conn in zip(order, made, strict=True):
        assert waiting.slowest(10.0 + CROWDED_SECONDS) is conn
        queue.remove(conn)
    assert waiting.slowest(10.0 + CROWDED_SECONDS) is None


def test_one_that_is_put_aside_goes_before_all_others_and_at_once() -> None:
    waiting = Waiting(ServerSettings(), 75)
    waiting.lingering.add(connection(), 10.0)
    waiting.aside.add(aside := connection(), 11.0)
    assert waiting.slowest(11.0) is aside


def test_one_that_has_hardly_waited_is_spared() -> None:
    waiting = Waiting(ServerSettings(), 75)
    waiting.lingering.add(connection(), 10.0)
    assert waiting.slowest(10.0 + CROWDED_SECONDS / 2) is None


def test_each_kind_of_waiting_has_its_time() -> None:
    waiting = Waiting(ServerSettings(header_timeout=1.0, body_timeout=2.0, answer_timeout=3.0), 75)
    assert (waiting.heads.seconds, waiting.bodies.seconds, waiting.unread.seconds, waiting.idle.seconds) == (
        1,
        2,
        3,
        75,
    )
