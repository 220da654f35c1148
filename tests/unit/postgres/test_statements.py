"""Statements are read from their files as they are meant, and each says why it is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.postgres import statements as module
from app.postgres.statements import all_of, statements
from tests.tree import ROOT

FILES = sorted(p for p in (ROOT / "sql").glob("*.sql") if not re.match(r"\d{4}_", p.name) and p.name != "grants.sql")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "resource", lambda name: tmp_path / name)
    monkeypatch.setattr(module, "statements", statements.__wrapped__)
    (tmp_path / "sql").mkdir()
    return tmp_path / "sql"


def test_a_statement_is_on_one_line_and_without_comments(folder: Path) -> None:
    (folder / "some.sql").write_text(
        "-- About the file.\n\n-- name: one\n-- Why it is so.\nSELECT a,\n    b\n-- Why here.\nFROM c;\n"
        "\n-- name: two\n-- Why.\nSELECT '{x}' -- not a line of its own\n"
    )
    assert module.statements("some") == {"one": "SELECT a, b FROM c", "two": "SELECT '{x}' -- not a line of its own"}


def test_a_file_is_read_once() -> None:
    assert statements("log") is statements("log")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;\n-- name: one\nSELECT 1;\n",
        "-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n",
        "-- name: one\n-- name: two\nSELECT 2;\n",
    ],
)
def test_a_file_that_is_not_understood_is_refused(folder: Path, text: str) -> None:
    (folder / "some.sql").write_text(text)
    with pytest.raises(ValueError, match=r"sql/some\.sql"):
        module.statements("some")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_statement_says_why_it_is_as_it_is(path: Path) -> None:
    lines = path.read_text().splitlines()
    for name in statements(path.stem):
        below = lines[lines.index(f"-- name: {name}") + 1]
        assert below.startswith("-- "), f"{path.name}: {name} says nothing"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_comment_stands_behind_a_part_of_a_statement(path: Path) -> None:
    """Statements are sent on one line, of which such a comment would take the rest away."""
    assert not [text for text in statements(path.stem).values() if "--" in text]


def test_conditions_are_joined_and_none_is_any_row() -> None:
    assert all_of(("a = %s", "b")) == "a = %s AND b"
    assert all_of(()) == "true"
