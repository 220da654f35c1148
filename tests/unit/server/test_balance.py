"""How many connections each worker has, in memory that all of them see."""

from __future__ import annotations

import os

import pytest

from app.server.balance import Shares


@pytest.mark.parametrize(
    ("counts", "others"),
    [
        ([5], False),
        ([5, 5], False),
        ([5, 4], False),
        ([5, 3], True),
        ([5, 9], False),
        ([5, -1], False),
        ([5, -1, 0], True),
        ([1, 0], False),
        ([-1, 0], False),
    ],
)
def test_who_is_clearly_ahead_lets_others_go_first(counts: list[int], others: bool) -> None:
    shares = Shares(4)
    assert len(shares) == 4
    for slot, count in enumerate(counts):
        shares.set(slot, count)
    assert shares.others_first(0) is others


def test_every_process_sees_the_shares() -> None:
    shares = Shares(2)
    shares.set(0, 7)
    child = os.fork()
    if child == 0:
        shares.set(1, 3)
        os._exit(0)
    os.waitpid(child, 0)
    assert shares.others_first(0)
    assert not shares.others_first(1)


def test_a_slot_is_free_while_no_worker_has_it() -> None:
    shares = Shares(3)
    assert [shares.free_slot(taken) for taken in ([], [0], [1, 0], [0, 1, 2])] == [0, 1, 2, None]
