"""The bounded queue: order, bounds, room that goes to the first in line, withdrawing and closing."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from app.audit.buffer import Buffer
from app.audit.outcome import Stored, WriteRequest
from app.audit.pending_write import PendingWrite
from tests.support import wait_until
from tests.unit.fakes import HOUR


def pending(size: int = 1, nbytes: int = 10) -> PendingWrite:
    records: Any = tuple(SimpleNamespace(nbytes=nbytes) for _ in range(size))
    return PendingWrite(WriteRequest(records))


class Offer:
    """An offer in a thread of its own."""

    def __init__(self, buffer: Buffer, wanted: PendingWrite, timeout: float = HOUR) -> None:
        self.result: bool | None = None
        self._thread = threading.Thread(target=self._run, args=(buffer, wanted, timeout), daemon=True)
        waiting = len(buffer._line)
        self._thread.start()
        wait_until(lambda: len(buffer._line) > waiting or self.result is not None, what="the offer in line")

    def _run(self, buffer: Buffer, wanted: PendingWrite, timeout: float) -> None:
        self.result = buffer.offer(wanted, timeout)

    def done(self) -> bool | None:
        self._thread.join(60)
        return self.result


class Drain:
    """A drain in a thread of its own, which waits for the first."""

    def __init__(self, buffer: Buffer) -> None:
        self.result: list[PendingWrite] | None = None
        self._thread = threading.Thread(target=self._run, args=(buffer,), daemon=True)
        self._thread.start()
        wait_until(lambda: buffer._drainer_waits, what="the drain that waits")

    def _run(self, buffer: Buffer) -> None:
        self.result = buffer.drain(10, HOUR)

    def done(self) -> list[PendingWrite] | None:
        self._thread.join(60)
        return self.result


def test_in_order_and_all_at_once() -> None:
    buffer = Buffer(10, 1000)
    writes = [pending() for _ in range(5)]
    assert all(buffer.offer(t, 0) for t in writes)
    assert (buffer.depth, buffer.nbytes) == (5, 50)
    assert buffer.drain(100, 0) == writes
    assert (buffer.depth, buffer.nbytes) == (0, 0)
    assert {t.state for t in writes} == {"taken"}


def test_a_drain_takes_whole_requests_up_to_its_size() -> None:
    buffer = Buffer(100, 10_000)
    a, b, c = pending(4), pending(4), pending(4)
    for t in (a, b, c):
        buffer.offer(t, 0)
    assert buffer.drain(9, 0) == [a, b]
    assert buffer.drain(1, 0) == [c], "one larger than the drain goes alone"


def test_a_drain_waits_for_the_first() -> None:
    buffer = Buffer(10, 1000)
    drain = Drain(buffer)
    late = pending()
    assert buffer.offer(late, 0)
    assert drain.done() == [late]


def test_a_drain_waits_no_longer_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Buffer(10, 1000)
    waits: list[float] = []
    monkeypatch.setattr(buffer._filled, "wait", waits.append)
    assert buffer.drain(10, 0.05) == []
    assert waits == [0.05]
    monkeypatch.undo()
    assert buffer.drain(10, 0.001) == []


@pytest.mark.parametrize(
    ("first", "second"), [(pending(3), pending(3)), (pending(1, 60), pending(1, 60))], ids=["records", "bytes"]
)
def test_full(first: PendingWrite, second: PendingWrite) -> None:
    buffer = Buffer(5, 100)
    assert buffer.offer(first, 0)
    assert not buffer.offer(second, 0.02)
    assert second.state == "new"
    assert buffer.offer(pending(2, 10), 0), "what fits is still let in"


@pytest.mark.parametrize("large", [pending(50, 1), pending(1, 5000)], ids=["records", "bytes"])
def test_one_larger_than_the_queue_is_let_in_when_it_is_empty(large: PendingWrite) -> None:
    buffer = Buffer(5, 100)
    small = pending()
    assert buffer.offer(small, 0)
    assert not buffer.offer(large, 0.02)
    assert buffer.drain(10, 0) == [small]
    assert buffer.offer(large, 0)
    assert not buffer.offer(pending(), 0.02)
    assert buffer.drain(10, 0) == [large]


def test_room_goes_to_the_first_in_line() -> None:
    buffer = Buffer(4, 1000)
    buffer.offer(held := pending(4), 0)
    big, small, last = pending(3), pending(1), pending(1)
    offers = [Offer(buffer, t) for t in (big, small, last)]
    assert buffer.drain(10, 0) == [held]
    assert offers[0].done()
    assert offers[1].done()
    assert buffer.drain(10, 0) == [big, small], "in the order in which they came"
    assert offers[2].done()
    assert buffer.drain(10, 0) == [last]


def test_a_small_one_does_not_slip_past_a_large_one() -> None:
    buffer = Buffer(4, 1000)
    buffer.offer(pending(2), 0)
    large = Offer(buffer, pending(4))
    assert not buffer.offer(pending(1), 0.02), "it would fit, but another is first"
    buffer.drain(10, 0)
    assert large.done()


def test_who_gives_up_makes_room_for_those_behind() -> None:
    buffer = Buffer(4, 1000)
    buffer.offer(pending(2), 0)
    large = Offer(buffer, pending(4))
    small = Offer(buffer, pending(1))
    buffer._line[0].ready.release()  # as if its time were over
    assert large.done() is False
    assert small.done() is True


def test_withdraw() -> None:
    buffer = Buffer(2, 1000)
    a, b = pending(), pending()
    buffer.offer(a, 0)
    buffer.offer(b, 0)
    waiting = Offer(buffer, c := pending())
    assert buffer.withdraw(a)
    assert a.state == "withdrawn"
    assert waiting.done(), "the room is given to who waits"
    assert buffer.drain(10, 0) == [b, c]
    assert not buffer.withdraw(b), "the flusher has it"
    assert not buffer.withdraw(a), "once is enough"
    assert (buffer.depth, buffer.nbytes) == (0, 0)


def test_close_refuses_and_drains() -> None:
    buffer = Buffer(1, 1000)
    buffer.offer(a := pending(), 0)
    waiting = Offer(buffer, pending())
    buffer.close()
    assert waiting.done() is False
    assert not buffer.offer(pending(), HOUR)
    assert buffer.closed
    assert buffer.drain(10, HOUR) == [a]
    assert buffer.drain(10, HOUR) == [], "closed and empty: nothing to wait for"


def test_close_wakes_a_waiting_drain() -> None:
    buffer = Buffer(1, 1000)
    drain = Drain(buffer)
    buffer.close()
    assert drain.done() == []


def test_a_pending_write_hands_over_its_outcome() -> None:
    t = pending()
    assert t.wait(0) is None
    assert t.wait(-1) is None
    threading.Thread(target=t.resolve, args=(Stored(),)).start()
    assert t.wait(HOUR) == Stored()


def test_many_threads_lose_nothing() -> None:
    buffer = Buffer(7, 10_000)
    sent = [[pending(1 + (n + m) % 9) for m in range(50)] for n in range(8)]
    taken: list[PendingWrite] = []
    deepest = 0

    def put(mine: list[PendingWrite]) -> None:
        for t in mine:
            assert buffer.offer(t, HOUR)

    def take() -> None:
        nonlocal deepest
        while got := buffer.drain(5, HOUR):
            taken.extend(got)
            deepest = max(deepest, buffer.depth)

    putters = [threading.Thread(target=put, args=(mine,), daemon=True) for mine in sent]
    taker = threading.Thread(target=take, daemon=True)
    for thread in (*putters, taker):
        thread.start()
    for thread in putters:
        thread.join()
    buffer.close()
    taker.join()
    assert len(taken) == 400
    assert {id(t) for t in taken} == {id(t) for mine in sent for t in mine}
    assert deepest <= 9, "no more than the size, or one larger alone"
    for mine in sent:
        mine_taken = [t for t in taken if t in mine]
        assert mine_taken == mine, "each client's requests keep their order"
