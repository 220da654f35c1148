"""The list of verifier keys in docs/log.md is a file that `--key` takes, without the revoked key."""

from __future__ import annotations

import re

from datastorage_client.verify.keys import read_keys
from datastorage_common.notes import SIGNATURE, parse_verifier_key

from tests.support import ROOT


def test_the_published_list_is_a_file_of_keys_without_the_revoked_one() -> None:
    page = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
    section = page.partition("\n### Publish the verifier keys\n")[2].partition("\n##")[0]
    [text] = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert [key.name for key in read_keys(text)] == ["log.example/audit-2"]
    [revoked] = re.findall(r"^# (log\S+)$", text, re.MULTILINE)
    assert parse_verifier_key(revoked, (SIGNATURE,)).name == "log.example/audit"
