"""The code of docs/integrate.md and the client's README runs, against the real service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import GunicornService
from tests.tree import ROOT

PAGES = (ROOT / "docs" / "integrate.md", ROOT / "clients" / "python" / "README.md")


def blocks(page: Path) -> list[str]:
    found = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    # That about the log needs one that is signed: test_verify.py.
    return [block for block in found if "datastorage_client.verify" not in block]


def verifying_block() -> str:
    """The code of the page that needs a log which is signed."""
    found = re.findall(r"^```python\n(.*?)^```$", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [block] = [block for block in found if "datastorage_client.verify" in block]
    return block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_code_on_the_page_runs(
    page: Path,
    service: GunicornService,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # some of it writes files
    found = blocks(page)
    assert found
    for block in found:
        assert "http://127.0.0.1:8080" in block
        code = compile(block.replace("http://127.0.0.1:8080", service.url), str(page), "exec")
        exec(code, {"__name__": "__main__"})
    if page.name == "integrate.md":
        shown = capsys.readouterr().out
        assert "gateway.signal.received {'signal': 'OOMKilled'}" in shown
        assert "'event_type': 'is required'" in shown
        assert "not on disk yet" not in shown
        assert "1. Raise the memory limit: 0.505\n   base: +5.0\n" in shown
