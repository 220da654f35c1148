"""Of what is wrong the first are kept, in the order of the log, however many there are."""

from __future__ import annotations

import random

from app.verify.report import MOST_FAULTS, Report


def test_the_first_are_kept_and_all_are_counted() -> None:
    report = Report()
    report.add("head", "of the whole")
    indexes = list(range(3 * MOST_FAULTS))
    random.Random(1).shuffle(indexes)
    for index in indexes:
        report.add("content", "wrong", index=index, record=("audit_event", str(index)))
    assert report.faults == {"content": 3 * MOST_FAULTS, "head": 1}
    assert [each.index for each in report.wrong] == list(range(MOST_FAULTS))
    assert report.first is report.wrong[0]
    assert not report.well
