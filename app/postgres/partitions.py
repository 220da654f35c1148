"""Which monthly partitions must exist, by first-of-month arithmetic (adding a month to the 31st skips February)."""

from __future__ import annotations

from collections.abc import Set
from datetime import date

# Previous, current and the next two: every accepted timestamp falls in one, with weeks to notice a failure.
_BACK, _AHEAD = 1, 2


def add_months(day: date, months: int) -> date:
    """First day of the month that lies ``months`` after the month of ``day``."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def wanted_months(today: date) -> list[date]:
    """First days of the months that must have a partition now, earliest first."""
    return [add_months(today, offset) for offset in range(-_BACK, _AHEAD + 1)]


def months_ahead(today: date, existing: Set[date]) -> int:
    """How many months after the current one have a partition, counted up to the first gap; -1 if this one lacks it."""
    ahead = -1
    while add_months(today, ahead + 1) in existing:
        ahead += 1
    return ahead
