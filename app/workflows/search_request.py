"""What a search request may hold, and a request turned into a search or into what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from datastorage_common import jsonvalue
from marshmallow import ValidationError

from app.validation.decoder import decoder
from app.validation.field_errors import FieldError, FieldMessage, ValidationFailure, load
from app.validation.fields import Choice, Flag, Text, Whole
from app.validation.ignored import KnownMembers
from app.workflows.fields import (
    DETECTED_LABELS,
    Choices,
    Rate,
    TextLists,
    WorkflowBase,
    nested,
    optional,
    present,
)
from app.workflows.labels import LABEL_VALUES, LABELS, STATUSES
from app.workflows.search import Search

# A search looks each of them up in each workflow that fits: a hundred take 0.2 s among ten thousand.
MAX_PAIRS = 100


_Filters = WorkflowBase.from_dict(
    {
        **{
            n: Choice(LABEL_VALUES[n], 255, required=True) if n in LABEL_VALUES else Text(1, 255, required=True)
            for n in LABELS
        },
        "custom_labels": TextLists(allow_none=True),
        "detected_labels": nested(DETECTED_LABELS, allow_none=True),
        "status": Choices(STATUSES, allow_none=True),
    },
    name="Filters",
)


class SearchSchema(WorkflowBase):
    """POST /api/v1/workflows/search."""

    remediation_id = optional(255)
    filters = nested(_Filters, required=True)
    top_k = Whole(1, 100, allow_none=True)
    min_score = Rate(allow_none=True)
    include_disabled = Flag(allow_none=True)


FIELDS = tuple(SearchSchema._declared_fields)
_SEARCH = SearchSchema()
MEMBERS = KnownMembers(_SEARCH)
# Of min_score its own field has to say whether it is right.
_QUICK_SEARCH = decoder(SearchSchema(exclude=("min_score",)))
_MIN_SCORE = _SEARCH.fields["min_score"]


def _quick_search(body: dict[str, Any], *, plain: bool) -> dict[str, Any] | None:
    """The members of a search that is right; None where the schema has to look."""
    try:
        loaded = msgspec.structs.asdict(msgspec.convert(body, _QUICK_SEARCH))
        loaded["min_score"] = _MIN_SCORE.deserialize(body.get("min_score"))
    except (msgspec.ValidationError, UnicodeEncodeError, ValidationError):
        return None
    if not plain and jsonvalue.has_unstorable_text(body.get("remediation_id")):
        return None
    filters = _given(loaded["filters"])
    _as_list(filters, "status")
    if isinstance(filters.get("detected_labels"), msgspec.Struct):
        filters["detected_labels"] = _given(filters["detected_labels"])
        _as_list(filters["detected_labels"], "failed_detections")
    return {**{k: v for k, v in loaded.items() if v is not msgspec.UNSET}, "filters": filters}


def _as_list(members: dict[str, Any], name: str) -> None:
    if isinstance(members.get(name), str):
        members[name] = [members[name]]


def _given(value: msgspec.Struct) -> dict[str, Any]:
    return {k: v for k, v in msgspec.structs.asdict(value).items() if v is not msgspec.UNSET}


# A parameter of the path, said together with what is wrong in the body.
WRONG_EXPLAIN = FieldError("explain", FieldMessage("must be true or false", "invalid"))


def search(body: dict[str, Any], *, plain: bool = False) -> Search | ValidationFailure:
    """The search that a request asks for. ``plain``: the body comes from a plain `jsonvalue.Document`."""
    # The filters go into the answer and the search's audit event as they came, with members that mean nothing.
    asked = body.get("filters")
    unfit = (
        jsonvalue.depth_exceeds(asked, jsonvalue.MAX_NESTING)
        if plain
        else jsonvalue.fault_of(asked, jsonvalue.MAX_NESTING, jsonvalue.MAX_NUMBER_DIGITS) is not None
    )
    quick = _quick_search(body, plain=plain)
    if quick is not None and not unfit and _too_many_pairs(quick) is None:
        return _search(quick, body)
    loaded, errors = load(_SEARCH, body)
    if not errors and unfit:
        errors = [FieldError("filters", FieldMessage("holds something that cannot be stored", "invalid"))]
    if (message := _too_many_pairs(loaded)) is not None:
        errors.append(FieldError("filters.custom_labels", message))
    if errors:
        return ValidationFailure(tuple(errors), {})
    return _search(loaded, body)


def _too_many_pairs(loaded: Mapping[str, Any]) -> FieldMessage | None:
    custom = (loaded.get("filters") or {}).get("custom_labels") or {}
    if sum(map(len, custom.values())) <= MAX_PAIRS:
        return None
    # Each counts once.
    count = sum(len(set(values)) for values in custom.values())
    if count <= MAX_PAIRS:
        return None
    return FieldMessage(f"must hold at most {MAX_PAIRS} values in all (actual: {count})", "exceeds_max_length")


def _search(loaded: dict[str, Any], body: dict[str, Any]) -> Search:
    filters, asked = loaded["filters"], body.get("filters")
    statuses: Sequence[str] | None = filters.get("status") or ("active",)
    if loaded.get("include_disabled"):
        statuses = None
    top_k, min_score = loaded.get("top_k"), loaded.get("min_score")
    return Search(
        labels={n: filters[n] for n in LABELS},
        custom_labels=filters.get("custom_labels") or {},
        detected_labels=present(filters.get("detected_labels")),
        statuses=statuses,
        top_k=10 if top_k is None else top_k,
        min_score=Decimal(0) if min_score is None else min_score,
        remediation_id=loaded.get("remediation_id") or None,
        asked=asked if isinstance(asked, dict) else {},
    )
