"""The committed client is what the API document gives, and its exceptions are the service's problems."""

from __future__ import annotations

from datastorage_client import PROBLEMS

from app.http.problems import KINDS
from scripts.client import generate
from tests.tree import ROOT


def test_the_generated_files_are_those_of_their_sources() -> None:
    made = generate()
    stale = [str(path.relative_to(ROOT)) for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `make client`"
    folder = next(path.parent for path in made if path.parent.name == "_generated")
    assert set(folder.glob("*.py")) <= made.keys(), "nothing else is left there"


def test_every_problem_has_an_exception() -> None:
    assert PROBLEMS.keys() == KINDS.keys()
    for slug, kind in KINDS.items():
        assert f"{kind.status}: " in str(PROBLEMS[slug].__doc__)
