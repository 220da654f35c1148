from __future__ import annotations

import pytest

from app.config.values import categories, parse_size
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
