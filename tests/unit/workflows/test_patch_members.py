"""What PATCH does with each member of a workflow: code, page and document say the same."""

from __future__ import annotations

import re

from app.workflows import schemas, store
from tests.tree import ROOT
from tests.unit.openapi.test_document import DOCUMENT

CHANGED = set(schemas.PatchSchema._declared_fields)
# Stored members that are neither what a workflow is nor what PATCH changes.
OTHERS = {
    *("status_reason", "previous_version", "deprecation_notice", "version_notes", "change_summary", "approved_by"),
    *("approved_at", "created_by", "is_latest_version", "disabled_at", "created_at", "updated_at"),
}


def names(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", text))


def test_every_stored_member_is_of_one_kind() -> None:
    assert set(schemas.IMMUTABLE) | CHANGED | OTHERS == set(store.MEMBERS)
    assert len(schemas.IMMUTABLE) + len(CHANGED) + len(OTHERS) == len(store.MEMBERS)


def test_the_page_says_which() -> None:
    page = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*) \| (.*) \|$", page[page.index("| members | PATCH |") :], re.MULTILINE)
    said = {what: names(members) for members, what in rows[2:5]}
    assert said == {"changes them": CHANGED, "400": set(schemas.IMMUTABLE), "named in `ignored`": OTHERS}


def test_the_document_says_which() -> None:
    text = DOCUMENT["paths"]["/api/v1/workflows/{workflow_id}"]["patch"]["description"]
    [listed] = re.findall(r"What a workflow is \((.*?)\)", text, re.DOTALL)
    assert names(listed) == set(schemas.IMMUTABLE)
    assert set(DOCUMENT["components"]["schemas"]["WorkflowPatch"]["properties"]) == CHANGED
