"""A search that the quick decoder takes is the one that the schema makes of the same request."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.validation.field_errors import ValidationFailure
from app.workflows import search_request
from app.workflows.search import Search

FILTERS = {
    "signal_type": "OOMKilled",
    "severity": "critical",
    "component": "pod",
    "environment": "prod",
    "priority": "P0",
}
TEXTS = st.sampled_from(
    ["", "*", "pod", "P0", "p0", "critical", "argocd", "istio", "\0", "\ud800", "x" * 255, "x" * 256]
)
ODD = st.one_of(
    st.none(), st.booleans(), TEXTS, st.integers(-1, 101), st.just({}), st.just([]), st.just(Decimal("0.5"))
)
NAMES = st.sampled_from(
    ["gitOpsManaged", "pdbProtected", "gitOpsTool", "serviceMesh", "stateful", "failed_detections", "x"]
)
DETECTED = st.dictionaries(
    NAMES, st.one_of(ODD, st.lists(st.sampled_from(["gitOpsTool", "stateful", "none"]), max_size=2)), max_size=3
)
CUSTOM = st.dictionaries(TEXTS, st.one_of(st.lists(st.one_of(TEXTS, st.integers()), max_size=3), ODD), max_size=2)
STATUS = st.one_of(ODD, st.just("active"), st.lists(st.sampled_from(["active", "disabled", "x"]), max_size=2))


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    filters: dict[str, Any] = dict(FILTERS)
    for name in draw(st.lists(st.sampled_from([*FILTERS, "gone"]), max_size=1)):
        filters[name] = draw(ODD)
    for name, values in (("custom_labels", CUSTOM), ("detected_labels", DETECTED), ("status", STATUS)):
        if draw(st.booleans()):
            filters[name] = draw(st.one_of(values, ODD) if draw(st.integers(0, 5)) == 0 else values)
    body: dict[str, Any] = {"filters": filters}
    for name in draw(
        st.lists(st.sampled_from(["remediation_id", "top_k", "min_score", "include_disabled", "x"]), max_size=2)
    ):
        body[name] = draw(ODD)
    return body


def by_schema(body: dict[str, Any]) -> Search | ValidationFailure:
    quick, search_request._quick_search = search_request._quick_search, lambda *_, **__: None
    try:
        return search_request.search(body)
    finally:
        search_request._quick_search = quick


@given(bodies())
def test_both_ways_make_the_same(body: dict[str, Any]) -> None:
    assert search_request.search(body) == by_schema(body)


def test_right_searches_do_not_need_the_schema() -> None:
    detected = {"gitOpsManaged": True, "gitOpsTool": "argocd", "failed_detections": ["stateful"]}
    full = {**FILTERS, "custom_labels": {"team": ["a"]}, "detected_labels": detected, "status": "active"}
    for body in (
        {"filters": FILTERS},
        {"filters": full, "top_k": 5, "min_score": Decimal("0.5"), "remediation_id": "r"},
    ):
        assert search_request._quick_search(body, plain=False) is not None


def test_filters_that_cannot_be_stored_are_refused() -> None:
    body = {"filters": {**FILTERS, "unknown": ["a\0"]}}
    failure = search_request.search(body)
    assert isinstance(failure, ValidationFailure)
    assert [(f.name, str(f.message)) for f in failure.errors] == [("filters", "holds something that cannot be stored")]
    assert by_schema(body) == failure


def test_disabled_ones_are_found_where_they_are_asked_for() -> None:
    found = search_request.search({"filters": FILTERS, "include_disabled": True})
    assert isinstance(found, Search)
    assert found.statuses is None
