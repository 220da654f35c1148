from __future__ import annotations

import pytest

from app.config.load import ConfigError
from app.config.values import categories, parse_size, rate, ratio
from app.configuration import load_settings
from tests.unit.config.helpers import env


@pytest.mark.parametrize(
    ("text", "size"),
    [(0, 0), (4096, 4096), ("4096", 4096), ("1B", 1), ("256KiB", 262144), ("5 MiB", 5 * 1024**2), ("1GiB", 1024**3)],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "value", ["", "5MB", "1.5MiB", "-1", "9" * 5000, "9" * 20, 2**63, f"{2**40}GiB", -1, True, 1.0, None]
)
def test_not_sizes(value: object) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        parse_size(value)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("YES", True), ("1", True), ("no", False), ("0", False)])
def test_booleans(text: str, value: bool) -> None:
    assert load_settings(None, env(AUTH__ALLOW_ANONYMOUS=text)).auth.allow_anonymous is value


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("any", ("any",)),
        (["any"], ("any",)),
        ("a, b", ("a", "b")),
        (["Über alles"], ("Über alles",)),
        ("a" * 50, ("a" * 50,)),
    ],
)
def test_categories(text: object, taken: tuple[str, ...]) -> None:
    assert categories(text) == taken


@pytest.mark.parametrize("value", ["", [], [""], "any,gateway", ["any", "gateway"], "a" * 51, True, 5, None, {}])
def test_no_categories(value: object) -> None:
    with pytest.raises(ValueError, match="any, or a list of names of 1 to 50 characters"):
        categories(value)


@pytest.mark.parametrize(
    "value",
    ["600/minute", "50/second", "100000 per 5 minutes", "1 per day", "1000/hour", "5/MINUTES", "5 per 02 minutes"],
)
def test_rates(value: str) -> None:
    assert rate(value) == value


@pytest.mark.parametrize("value", ["", None])
def test_no_rate(value: object) -> None:
    assert rate(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "600", 600, "600/fortnight", "0/minute", "-1/minute", "1/minute;2/hour", "1/minute,2/hour", "2 per 2 days",
        "1/month", "1" * 80 + "/minute", "9999999999999999/minute", True, ["1/minute"],
        "5 per 0 minutes", "5/00 minutes", "100/d", "100/m", "100/i", "5 perminute", "5/minute\n;",
    ],
)  # fmt: skip
def test_not_rates(value: object) -> None:
    with pytest.raises(ValueError, match="one rate such as 600/minute"):
        rate(value)


def test_a_rate_that_is_none_is_named_by_its_key() -> None:
    with pytest.raises(ConfigError, match=r"limits\.principal_events must be one rate such as 600/minute"):
        load_settings(None, env(LIMITS__PRINCIPAL_EVENTS="many"))


@pytest.mark.parametrize(("text", "share"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25), (".5", 0.5), (1, 1.0), (0.1, 0.1)])
def test_shares(text: object, share: float) -> None:
    assert ratio(text) == share


@pytest.mark.parametrize("value", ["", "1.1", "-0.1", "nan", "1e-1", 2, -1, True, None, float("nan")])
def test_no_shares(value: object) -> None:
    with pytest.raises(ValueError, match="a number from 0 to 1"):
        ratio(value)
