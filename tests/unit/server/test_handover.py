"""Connections that threads leave for the loop, and the pipe that wakes it."""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.server.handover import Handover


class Loop:
    def __init__(self, poller: selectors.BaseSelector) -> None:
        self.poller = poller
        self.taken: list[Any] = []
        self.handover: Any = Handover(poller, self.taken.append)

    def turn(self) -> bool:
        """Whether something has woken the loop, which has then done it."""
        found = self.poller.select(0)
        for key, events in found:
            key.data(events)
        return bool(found)


@pytest.fixture
def loop() -> Iterator[Loop]:
    with selectors.DefaultSelector() as poller:
        made = Loop(poller)
        yield made
        os.close(made.handover._read)
        os.close(made.handover._write)


def test_what_threads_leave_is_taken_in_its_order(loop: Loop) -> None:
    assert not loop.turn()
    for number in range(3):
        thread = threading.Thread(target=loop.handover.put, args=[number])
        thread.start()
        thread.join()
    assert loop.turn()
    assert loop.taken == [0, 1, 2]
    assert not loop.turn()


def test_none_wakes_the_loop_and_no_more(loop: Loop) -> None:
    loop.handover.put(None)
    assert loop.turn()
    assert loop.taken == []


def test_what_is_left_while_the_loop_takes_is_taken_as_well(loop: Loop) -> None:
    def take(item: int) -> None:
        loop.taken.append(item)
        if item < 2:
            loop.handover.put(item + 1)

    loop.handover._take = take
    loop.handover.put(0)
    while loop.turn():
        pass
    assert loop.taken == [0, 1, 2]


def test_a_full_pipe_keeps_no_thread_waiting(loop: Loop) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(loop.handover._write, bytes(65536))
    loop.handover.put(1)
    while loop.turn():
        pass
    assert loop.taken == [1]
