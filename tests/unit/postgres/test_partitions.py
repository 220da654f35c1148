from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.settings import AuditSettings
from app.postgres.partitions import add_months, months_ahead, wanted_months

DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    ("day", "months", "first"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 1)),
        (date(2026, 1, 31), 0, date(2026, 1, 1)),
        (date(2026, 1, 1), -1, date(2025, 12, 1)),
        (date(2026, 12, 15), 1, date(2027, 1, 1)),
        (date(2026, 11, 30), 14, date(2028, 1, 1)),
        (date(2026, 3, 31), -13, date(2025, 2, 1)),
    ],
)
def test_add_months(day: date, months: int, first: date) -> None:
    assert add_months(day, months) == first


@given(DAYS, st.integers(-100, 100))
def test_months_come_one_after_the_other(day: date, months: int) -> None:
    here, there = add_months(day, months), add_months(day, months + 1)
    assert here.day == there.day == 1
    assert 28 <= (there - here).days <= 31


@given(DAYS)
def test_every_acceptable_event_has_a_month(day: date) -> None:
    limits = AuditSettings()
    wanted = wanted_months(day)
    for moment in (day - timedelta(seconds=limits.max_event_age), day + timedelta(days=1)):
        assert moment.replace(day=1) in wanted
    assert wanted == sorted(wanted)
    assert len(wanted) == 4
    assert (wanted[-1] - day).days >= 28, "weeks to notice that no month is made"


@pytest.mark.parametrize(
    ("months", "ahead"),
    [([], -1), ([1], 0), ([1, 2, 3], 2), ([1, 3, 4], 0), ([2, 3], -1), ([1, 2, 3, 4, 5, 6], 5)],
)
def test_months_ahead(months: list[int], ahead: int) -> None:
    assert months_ahead(date(2026, 1, 15), {date(2026, m, 1) for m in months}) == ahead
