"""The committed client is what the API document gives, and its exceptions are the service's problems."""

from __future__ import annotations

from pathlib import Path

from datastorage_client import PROBLEMS

from app.http.problems import KINDS
from scripts.client import GENERATED, generate


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.py")}


def test_the_generated_part_is_that_of_the_document(tmp_path: Path) -> None:
    generate(tmp_path / "_generated")
    fresh, committed = contents(tmp_path / "_generated"), contents(GENERATED)
    stale = sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))
    assert not stale, "run `make client`"


def test_every_problem_has_an_exception() -> None:
    assert PROBLEMS.keys() == KINDS.keys()
    for slug, kind in KINDS.items():
        assert f"{kind.status}: " in str(PROBLEMS[slug].__doc__)
