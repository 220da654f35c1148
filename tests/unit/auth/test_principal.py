from __future__ import annotations

import pytest

from app.auth.principal import usable_name


@pytest.mark.parametrize("name", ["-", "", "a" * 256, "a\nb", "a\x00", "a\x1b[0m", None, 5, ["a"]])
def test_names_that_cannot_be_recorded(name: object) -> None:
    assert not usable_name(name)
