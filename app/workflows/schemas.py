"""What a workflow request may hold: marshmallow schemas, and requests turned into values or refusals."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from datastorage_common import jsonvalue
from datastorage_common.workflow_batches import index_keys
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.audit.schemas import Choice, Fault, FieldFault, Flag, Moment, Refusal, Text, Whole, decoder
from app.workflows.search import ANY, CHOICE_WEIGHTS, FLAG_WEIGHTS, LABELS, STATUSES, Search

SEVERITIES = ("critical", "high", "medium", "low")
PRIORITIES = ("P0", "P1", "P2", "P3")
# The labels whose values are a closed set.
LABEL_VALUES: Mapping[str, Sequence[str]] = {"severity": SEVERITIES, "priority": PRIORITIES}
LABEL_TOOLS: Mapping[str, Sequence[str]] = {
    "gitOpsTool": ("argocd", "flux", ANY),
    "serviceMesh": ("istio", "linkerd", ANY),
}
_UNBOUNDED = 2**31  # the body's size is the limit
_MAX_COUNT = 2**53 - 1  # beyond it many clients' JSON loses digits
_MAX_RATE_DECIMALS = 20

# A search looks each of them up in each workflow that fits: a hundred take 0.2 s among ten thousand.
MAX_PAIRS = 100
MAX_LABEL_VALUES = 64
# Of the index, by one workflow; see `datastorage_common.workflow_batches`.
MAX_KEYS = 1024
METRICS = (
    "expected_success_rate",
    "expected_duration_seconds",
    "actual_success_rate",
    "total_executions",
    "successful_executions",
)
IMMUTABLE = (
    *("workflow_id", "workflow_name", "version", "name", "description", "owner", "maintainer", "content"),
    *("content_hash", "parameters", "execution_engine", "container_image", "container_digest"),
    *("labels", "custom_labels", "detected_labels"),
)

_MESSAGES: dict[str, Any] = {
    "required": Fault("is required", "required"),
    "null": Fault("must not be null", "required"),
    "type": Fault("must be a JSON object", "invalid"),
}


def _each(member: Text, values: Iterable[Any]) -> list[str]:
    return [str(member.deserialize(v)) for v in values]


class Label(fields.Field[Any]):
    """A stored label: a value or ``*``, or a list of such."""

    def __init__(self, allowed: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)
        self.member = Text(1, 255) if allowed is None else Choice((*allowed, ANY), 255)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str | list[str]:
        if not isinstance(value, list):
            return _each(self.member, [value])[0]
        if not value:
            raise ValidationError(Fault("must not be empty", "required"))
        if len(value) > MAX_LABEL_VALUES:
            raise ValidationError(Fault(f"must hold at most {MAX_LABEL_VALUES} values", "exceeds_max_length"))
        return _each(self.member, value)


class TextLists(fields.Field[dict[str, list[str]]]):
    """An object from name to a list of strings."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)
        self.key, self.member = Text(1, 255), Text(0, 255)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; see `app.audit.schemas.decoder`."""
        return dict[self.key.wire, list[self.member.wire]]  # type: ignore[name-defined]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, list[str]]:
        if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
            raise ValidationError(Fault("must be an object from names to lists of strings", "invalid"))
        return dict(zip(_each(self.key, value), (_each(self.member, v) for v in value.values()), strict=True))


class Choices(fields.Field[list[str]]):
    """A list out of a closed set, or one of it."""

    def __init__(self, allowed: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)
        self.member = Choice(allowed)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it."""
        return self.member.wire | list[self.member.wire]  # type: ignore[name-defined]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        return _each(self.member, value if isinstance(value, list) else [value])


class Rate(fields.Field[Decimal]):
    """A number from 0 to 1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= 1:
            raise ValidationError(Fault("must be a number from 0 to 1", "invalid"))
        number = Decimal(value)
        if number.as_tuple().exponent < -_MAX_RATE_DECIMALS:  # type: ignore[operator]
            raise ValidationError(Fault(f"must have at most {_MAX_RATE_DECIMALS} decimals", "invalid"))
        return number


class Parameters(fields.Field[dict[str, Any]]):
    """Any JSON object that PostgreSQL can store."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(_MESSAGES["type"])
        if jsonvalue.depth_exceeds(value, 32) or jsonvalue.number_out_of_range(value, 400):
            raise ValidationError(Fault("is nested too deeply or holds a number too large to store", "invalid"))
        if jsonvalue.has_unstorable_text(value):
            raise ValidationError(Fault("holds a character that cannot be stored", "invalid"))
        if jsonvalue.growth_bytes(value) > jsonvalue.MAX_GROWTH_BYTES:
            raise ValidationError(Fault("holds too many numbers with large exponents", "exceeds_max_length"))
        return value


class Hash(Text):
    """SHA-256 as 64 lower-case hexadecimal digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch("[0-9a-f]{64}", text):
            raise ValidationError(Fault("must be 64 lower-case hexadecimal digits", "invalid"))
        return text


class _Schema(Schema):
    class Meta:
        unknown = EXCLUDE

    error_messages = _MESSAGES


_Labels = _Schema.from_dict({n: Label(LABEL_VALUES.get(n), required=True) for n in LABELS}, name="Labels")
_Detected = _Schema.from_dict(
    {
        **{n: Flag(allow_none=True) for n in FLAG_WEIGHTS},
        **{n: Choice(LABEL_TOOLS[n], allow_none=True) for n in CHOICE_WEIGHTS},
        "failed_detections": Choices((*FLAG_WEIGHTS, *CHOICE_WEIGHTS), allow_none=True),
    },
    name="DetectedLabels",
)


class Object(fields.Nested):
    """An object with members of its own."""

    @property
    def wire(self) -> Any:
        """What msgspec may take for it."""
        return decoder(self.schema)


def _nested(schema: type[Schema], **kwargs: Any) -> Object:
    return Object(schema, unknown=EXCLUDE, error_messages=_MESSAGES, **kwargs)


def _optional(high: int) -> Text:
    return Text(0, high, allow_none=True)


class WorkflowSchema(_Schema):
    """POST /api/v1/workflows: a workflow to be created."""

    workflow_name = Text(1, 255, required=True)
    version = Text(1, 50, required=True)
    name = Text(1, 255, required=True)
    description = Text(1, _UNBOUNDED, required=True)
    content = Text(1, _UNBOUNDED, required=True)
    labels = _nested(_Labels, required=True)
    execution_engine = Text(1, 50, required=True)
    content_hash = Hash(1, 64, allow_none=True)
    status = Choice(STATUSES, allow_none=True)
    owner = _optional(255)
    maintainer = _optional(255)
    parameters = Parameters(allow_none=True)
    container_image = _optional(1024)
    container_digest = _optional(255)
    custom_labels = TextLists(allow_none=True)
    detected_labels = _nested(_Detected, allow_none=True)
    status_reason = _optional(_UNBOUNDED)
    previous_version = _optional(50)
    deprecation_notice = _optional(_UNBOUNDED)
    version_notes = _optional(_UNBOUNDED)
    change_summary = _optional(_UNBOUNDED)
    approved_by = _optional(255)
    approved_at = Moment(allow_none=True)
    expected_success_rate = Rate(allow_none=True)
    expected_duration_seconds = Whole(0, 2**31 - 1, allow_none=True)
    actual_success_rate = Rate(allow_none=True)
    total_executions = Whole(0, _MAX_COUNT, allow_none=True)
    successful_executions = Whole(0, _MAX_COUNT, allow_none=True)
    created_by = _optional(255)


class PatchSchema(_Schema):
    """PATCH /api/v1/workflows/{id}: what may change."""

    status = Choice(STATUSES)
    disabled_by = _optional(255)
    disabled_reason = _optional(_UNBOUNDED)
    expected_success_rate = Rate(allow_none=True)
    expected_duration_seconds = Whole(0, 2**31 - 1, allow_none=True)
    actual_success_rate = Rate(allow_none=True)
    total_executions = Whole(0, _MAX_COUNT)
    successful_executions = Whole(0, _MAX_COUNT)
    updated_by = _optional(255)


class ReasonSchema(_Schema):
    """PATCH /api/v1/workflows/{id}/disable and /enable."""

    reason = _optional(_UNBOUNDED)
    updated_by = _optional(255)


_Filters = _Schema.from_dict(
    {
        **{
            n: Choice(LABEL_VALUES[n], 255, required=True) if n in LABEL_VALUES else Text(1, 255, required=True)
            for n in LABELS
        },
        "custom_labels": TextLists(allow_none=True),
        "detected_labels": _nested(_Detected, allow_none=True),
        "status": Choices(STATUSES, allow_none=True),
    },
    name="Filters",
)


class SearchSchema(_Schema):
    """POST /api/v1/workflows/search."""

    remediation_id = _optional(255)
    filters = _nested(_Filters, required=True)
    top_k = Whole(1, 100, allow_none=True)
    min_score = Rate(allow_none=True)
    include_disabled = Flag(allow_none=True)


FIELDS = tuple({*WorkflowSchema._declared_fields, *PatchSchema._declared_fields, *SearchSchema._declared_fields})
_WORKFLOW, _PATCH, _REASON, _SEARCH = WorkflowSchema(), PatchSchema(), ReasonSchema(), SearchSchema()


def _load(schema: Schema, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldFault]]:
    try:
        return dict(schema.load(body)), []
    except ValidationError as e:
        messages = e.messages if isinstance(e.messages, dict) else {"_schema": e.messages}
        valid = e.valid_data if isinstance(e.valid_data, dict) else {}
        return valid, list(_flatten(messages, ""))


def _flatten(messages: Mapping[Any, Any], prefix: str) -> Sequence[FieldFault]:
    """marshmallow's nested messages as dotted names with one fault each."""
    found: list[FieldFault] = []
    for key, value in messages.items():
        name = prefix.rstrip(".") if key == "_schema" else f"{prefix}{key}"
        if isinstance(value, dict):
            found.extend(_flatten(value, f"{name}."))
        else:
            first = value[0]
            found.append(FieldFault(name, first if isinstance(first, Fault) else Fault(str(first), "invalid")))
    return found


def _keys_fault(labels: Mapping[str, Any]) -> Fault | None:
    count = index_keys(labels).number
    if count <= MAX_KEYS:
        return None
    text = (
        f"make {count} keys of the index, max {MAX_KEYS}: each component goes with each environment, and so on; use *"
    )
    return Fault(text, "exceeds_max_length")


def workflow(body: dict[str, Any], *, verify_content_hash: bool) -> dict[str, Any] | Refusal:
    """The members of a workflow to be created, nulls left out, content_hash and detected_labels always there."""
    loaded, faults = _load(_WORKFLOW, body)
    loaded = {k: v for k, v in loaded.items() if v is not None}
    if "content" in loaded:
        digest = hashlib.sha256(loaded["content"].encode()).hexdigest()
        if verify_content_hash and loaded.setdefault("content_hash", digest) != digest:
            faults.append(FieldFault("content_hash", Fault("is not the SHA-256 of content", "invalid")))
        loaded.setdefault("content_hash", digest)
    if not any(f.name.partition(".")[0] == "labels" for f in faults) and (fault := _keys_fault(loaded["labels"])):
        faults.append(FieldFault("labels", fault))
    if faults:
        return Refusal(tuple(faults), {})
    loaded["detected_labels"] = _present(loaded.get("detected_labels"))
    return loaded


def workflow_faults(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The wrong members of a workflow to be created, each with what is wrong: what `datastorage import` asks."""
    checked = workflow(body, verify_content_hash=True)
    return [(f.name, str(f.fault)) for f in checked.faults] if isinstance(checked, Refusal) else []


def patch(body: dict[str, Any]) -> dict[str, Any] | Refusal:
    """The members to change."""
    loaded, faults = _load(_PATCH, body)
    return Refusal(tuple(faults), {}) if faults else loaded


def reason(body: dict[str, Any]) -> dict[str, Any] | Refusal:
    """reason and updated_by, None when absent."""
    loaded, faults = _load(_REASON, body)
    if faults:
        return Refusal(tuple(faults), {})
    return {"reason": loaded.get("reason"), "updated_by": loaded.get("updated_by")}


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
WRONG_EXPLAIN = FieldFault("explain", Fault("must be true or false", "invalid"))


def search(body: dict[str, Any], *, plain: bool = False) -> Search | Refusal:
    """The search that a request asks for. ``plain``: the body comes from a plain `jsonvalue.Document`."""
    # The filters go into the answer and the search's audit event as they came, with members that mean nothing.
    asked = body.get("filters")
    unfit = jsonvalue.depth_exceeds(asked, 32) if plain else jsonvalue.fault_of(asked, 32, 400) is not None
    quick = _quick_search(body, plain=plain)
    if quick is not None and not unfit and _pairs_fault(quick) is None:
        return _search(quick, body)
    loaded, faults = _load(_SEARCH, body)
    if not faults and unfit:
        faults = [FieldFault("filters", Fault("holds something that cannot be stored", "invalid"))]
    if (fault := _pairs_fault(loaded)) is not None:
        faults.append(FieldFault("filters.custom_labels", fault))
    if faults:
        return Refusal(tuple(faults), {})
    return _search(loaded, body)


def _pairs_fault(loaded: Mapping[str, Any]) -> Fault | None:
    custom = (loaded.get("filters") or {}).get("custom_labels") or {}
    if sum(map(len, custom.values())) <= MAX_PAIRS:
        return None
    # Each counts once.
    count = sum(len(set(values)) for values in custom.values())
    if count <= MAX_PAIRS:
        return None
    return Fault(f"must hold at most {MAX_PAIRS} values in all (actual: {count})", "exceeds_max_length")


def _search(loaded: dict[str, Any], body: dict[str, Any]) -> Search:
    filters, asked = loaded["filters"], body.get("filters")
    statuses: Sequence[str] | None = filters.get("status") or ("active",)
    if loaded.get("include_disabled"):
        statuses = None
    top_k, min_score = loaded.get("top_k"), loaded.get("min_score")
    return Search(
        labels={n: filters[n] for n in LABELS},
        custom_labels=filters.get("custom_labels") or {},
        detected_labels=_present(filters.get("detected_labels")),
        statuses=statuses,
        top_k=10 if top_k is None else top_k,
        min_score=Decimal(0) if min_score is None else min_score,
        remediation_id=loaded.get("remediation_id") or None,
        asked=asked if isinstance(asked, dict) else {},
    )


def _present(detected: Mapping[str, Any] | None) -> dict[str, Any]:
    return {k: v for k, v in (detected or {}).items() if v is not None}
