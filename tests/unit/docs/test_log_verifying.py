"""What docs/log.md says of the findings of `datastorage verify` is what there is."""

from __future__ import annotations

import re

from tests.support import ROOT

_ADDED = re.compile(r"""(?:\.add\(\s*|Wrong\(\s*|kind, text = |Error, |Error\), )"([a-z ]+)"(?=,)""")


def told(heading: str) -> set[str]:
    """The findings that the table of a section names."""
    page = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = section.partition("| what | when |")[2].partition("\n\n")[0]
    return {kind for row in table.splitlines() for kind in re.findall(r"`([a-z ]+)`", row.partition(" | ")[0])}


def found(*places: str) -> set[str]:
    """The findings that are in the code."""
    return {kind for place in places for path in ROOT.glob(place) for kind in _ADDED.findall(path.read_text())}


def test_every_finding_is_in_the_table() -> None:
    shared = found("clients/python/src/datastorage_common/faults.py")
    assert shared >= {"content", "no row"}
    assert told("Verifying") == found("app/verify/*.py") | shared
    client = found(
        "clients/python/src/datastorage_client/verify/*.py", "clients/python/src/datastorage_client/cli/*.py"
    )
    assert told("Verifying from outside, and a copy") == client
    assert "feed" in client
