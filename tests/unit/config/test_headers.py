"""A file of headers: read whole or refused, and no value of it is ever said."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.headers import read_headers


def test_a_header_a_line(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer a b=\n\n  X-Scope-OrgID:tenant-1  \n")
    assert read_headers(str(file)) == {"Authorization": "Bearer a b=", "X-Scope-OrgID": "tenant-1"}


@pytest.mark.parametrize("line", ["secret", "a b: secret", ": secret", "A:", "A: \x01secret", "A: sécret"])
def test_what_is_no_header_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "headers"
    file.write_text(f"B: c\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="headers: ") as caught:
        read_headers(str(file))
    assert "cret" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none"):
        read_headers(str(tmp_path / "none"))
