"""A flood of refusals fills neither memory nor the table."""

from __future__ import annotations

from app.audit.refusals import MAX_DIFFERENT, Refusals
from app.auth.refusal import Refusal


def refusal(number: int) -> Refusal:
    return Refusal(401, "unknown", None, f"192.0.2.{number}")


def test_sums_are_taken_once() -> None:
    refusals = Refusals()
    assert refusals.take() is None
    for number in range(3):
        refusals.add(refusal(1), f"request-{number}")
    refusals.add(refusal(2), "request-4")
    sums = refusals.take()
    assert sums is not None
    assert (dict(sums.counts), sums.others, sums.total) == ({refusal(1): 3, refusal(2): 1}, 0, 4)
    assert sums.first == {refusal(1): "request-0", refusal(2): "request-4"}
    assert refusals.take() is None


def test_of_many_different_ones_only_the_number_is_kept() -> None:
    refusals = Refusals()
    for _ in range(2):
        for number in range(200):
            refusals.add(refusal(number), "request")
    sums = refusals.take()
    assert sums is not None
    assert (len(sums.counts), len(sums.first), sums.others, sums.total) == (MAX_DIFFERENT, MAX_DIFFERENT, 300, 400)
