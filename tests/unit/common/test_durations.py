from __future__ import annotations

import pytest
from datastorage_common.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (5, 5),
        (0.5, 0.5),
        ("5", 5),
        ("0", 0),
        (" 2.5 ", 2.5),
        ("250ms", 0.25),
        ("10s", 10),
        ("5m", 300),
        ("1h30m", 5400),
        ("7d", 604800),
        ("1.5h", 5400),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "10 s",
        "-5s",
        "5S",
        "5s later",
        "ten",
        -1,
        True,
        None,
        [1],
        pytest.param(10**400, id="huge-int"),
        pytest.param("9" * 400, id="huge"),
        pytest.param("9" * 400 + "d", id="huge-days"),
        float("nan"),
        float("inf"),
        "100000000d",
    ],
)
def test_not_durations(value: object) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(value)
