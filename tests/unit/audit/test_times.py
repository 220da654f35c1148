from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit.times import parse_time
from tests.unit.fakes import NOW


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("24h", "2026-01-04T10:00:00+00:00"),
        ("30m", "2026-01-05T09:30:00+00:00"),
        ("1h30m", "2026-01-05T08:30:00+00:00"),
        ("7d", "2025-12-29T10:00:00+00:00"),
        ("1.5d", "2026-01-03T22:00:00+00:00"),
        ("0s", "2026-01-05T10:00:00+00:00"),
        ("1d2h3m4s", "2026-01-04T07:56:56+00:00"),
        ("2026-01-05", "2026-01-05T00:00:00+00:00"),
        ("2026-01-05T08:00:00", "2026-01-05T08:00:00+00:00"),
        ("2026-01-05T08:00:00Z", "2026-01-05T08:00:00+00:00"),
        ("2026-01-05T08:00:00.25+02:00", "2026-01-05T06:00:00.250000+00:00"),
        ("2026-01-05T08:00:00 02:00", "2026-01-05T06:00:00+00:00"),
    ],
)
def test_times(text: str, iso: str) -> None:
    parsed = parse_time(text, NOW)
    assert parsed is not None
    assert parsed.isoformat() == iso


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1h",
        "+1h",
        "1",
        "1w",
        "1H",
        "h",
        "1h ",
        "1 h",
        "1h-30m",
        "1.h",
        "1e3s",
        "٣h",
        "99999999999d",
        "9" * 400 + "d",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "2026-01-05T25:00:00",
        "2026-01-05T08:00",
        "2026-01-05 08:00:00",
        "2026-1-5",
        "2026-01-05\n",
        "2026-01-05T08:00:00 2:00",
    ],
)
def test_not_times(text: str) -> None:
    assert parse_time(text, NOW) is None


@given(st.text("0123456789dhms.-:TZ+ ", max_size=30))
def test_anything_is_a_time_or_not(text: str) -> None:
    parsed = parse_time(text, NOW)
    assert parsed is None or parsed.utcoffset() is not None
