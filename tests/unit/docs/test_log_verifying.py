"""What docs/log.md says of the findings of `datastorage verify --database` is what there is."""

from __future__ import annotations

import re

from tests.support import ROOT

_ADDED = re.compile(r"""(?:\.add\(\s*|Wrong\(|kind, text = )"([a-z ]+)"(?=,)""")


def test_every_finding_is_in_the_table() -> None:
    page = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
    section = page.partition("\n## Verifying\n")[2].partition("\n## ")[0]
    table = section.partition("| what | when |")[2].partition("\n\n")[0]
    told = {kind for row in table.splitlines() for kind in re.findall(r"`([a-z ]+)`", row.partition(" | ")[0])}
    found = {kind for path in (ROOT / "app" / "verify").glob("*.py") for kind in _ADDED.findall(path.read_text())}
    assert told == found
