"""Of what is wrong the first are kept, in the order of the log, however many there are."""

from __future__ import annotations

import random

from datastorage_common.faults import MOST_FAULTS, Faults


def test_the_first_are_kept_and_all_are_counted() -> None:
    found = Faults()
    found.add("head", "of the whole")
    indexes = list(range(3 * MOST_FAULTS))
    random.Random(1).shuffle(indexes)
    for index in indexes:
        found.add("content", "wrong", index=index, record=("audit_event", str(index)))
    assert found.faults == {"content": 3 * MOST_FAULTS, "head": 1}
    assert [each.index for each in found.wrong] == list(range(MOST_FAULTS))
    assert found.first is found.wrong[0]
    assert not found.well
