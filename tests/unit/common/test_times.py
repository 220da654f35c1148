from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from datastorage_common.times import parse_rfc3339, parse_time, rfc3339
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05t10:00:00z", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05T10:00:00.5Z", "2026-01-05T10:00:00.500000+00:00"),
        ("2026-01-05T10:00:00.123456999Z", "2026-01-05T10:00:00.123456+00:00"),
        ("2026-01-05T12:00:00+02:00", "2026-01-05T10:00:00+00:00"),
        ("2026-01-04T23:30:00-10:30", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05T10:00:00-00:00", "2026-01-05T10:00:00+00:00"),
    ],
)
def test_rfc3339(text: str, iso: str) -> None:
    parsed = parse_rfc3339(text)
    assert parsed is not None
    assert parsed.isoformat() == iso
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05",
        "2026-01-05T10:00:00",
        "2026-01-05 10:00:00Z",
        "2026-01-05T10:00Z",
        "2026-01-05T10:00:00.Z",
        "2026-01-05T10:00:00+0200",
        "2026-02-30T10:00:00Z",
        "2026-01-05T24:00:01Z",
        "2026-01-05T10:00:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٦-01-05T10:00:00Z",
        "2026-01-05T10:00:00Z\n",
        "",
        None,
        5,
    ],
)
def test_not_rfc3339(text: object) -> None:
    assert parse_rfc3339(text) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_rfc3339_reads_what_python_writes(moment: datetime) -> None:
    assert parse_rfc3339(moment.isoformat()) == moment


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 5, 10, tzinfo=UTC), "2026-01-05T10:00:00Z"),
        (datetime(2026, 1, 5, 10, 0, 0, 120000, tzinfo=UTC), "2026-01-05T10:00:00.120000Z"),
        (datetime(2026, 1, 5, 10, tzinfo=timezone(timedelta(hours=2))), "2026-01-05T08:00:00Z"),
    ],
)
def test_rfc3339_is_utc_with_z(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_rfc3339_loses_nothing(moment: datetime) -> None:
    assert parse_rfc3339(rfc3339(moment)) == moment
