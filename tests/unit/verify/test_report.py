"""Which of several faults is the first."""

from __future__ import annotations

from app.verify.report import Report


def test_records_come_first_in_the_order_of_the_log() -> None:
    report = Report()
    assert report.well
    report.add("head", "the head is wrong")
    report.add("tile", "a tile is wrong", index=0)
    assert str(report.first) == "entry 0: a tile is wrong"
    report.add("no entry", "it has no entry", record=("audit_event", "a"))
    assert str(report.first) == "audit_event a: it has no entry"
    report.add("columns", "…", index=9, record=("audit_event", "b"))
    report.add("content", "its content does not give its digest", index=4, record=("notification", "7"))
    report.add("columns", "…", index=5, record=("audit_event", "c"))
    assert str(report.first) == "notification 7, entry 4: its content does not give its digest"
    assert report.faults == {"head": 1, "tile": 1, "no entry": 1, "columns": 2, "content": 1}
    assert not report.well
