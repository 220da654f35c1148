"""What a request that makes or changes a workflow may hold, and requests turned into values or failures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from datastorage_common.workflow_batches import index_keys

from app.validation.field_errors import FieldError, FieldMessage, ValidationFailure, load
from app.validation.fields import Choice, Moment, Text, Whole
from app.validation.ignored import KnownMembers
from app.workflows.fields import (
    DETECTED_LABELS,
    UNBOUNDED,
    Hash,
    Label,
    Parameters,
    Rate,
    TextLists,
    WorkflowBase,
    nested,
    optional,
    present,
)
from app.workflows.labels import LABEL_VALUES, LABELS, STATUSES

_MAX_COUNT = 2**53 - 1  # beyond it many clients' JSON loses digits


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

_Labels = WorkflowBase.from_dict({n: Label(LABEL_VALUES.get(n), required=True) for n in LABELS}, name="Labels")


class WorkflowSchema(WorkflowBase):
    """POST /api/v1/workflows: a workflow to be created."""

    workflow_name = Text(1, 255, required=True)
    version = Text(1, 50, required=True)
    name = Text(1, 255, required=True)
    description = Text(1, UNBOUNDED, required=True)
    content = Text(1, UNBOUNDED, required=True)
    labels = nested(_Labels, required=True)
    execution_engine = Text(1, 50, required=True)
    content_hash = Hash(1, 64, allow_none=True)
    status = Choice(STATUSES, allow_none=True)
    owner = optional(255)
    maintainer = optional(255)
    parameters = Parameters(allow_none=True)
    container_image = optional(1024)
    container_digest = optional(255)
    custom_labels = TextLists(allow_none=True)
    detected_labels = nested(DETECTED_LABELS, allow_none=True)
    status_reason = optional(UNBOUNDED)
    previous_version = optional(50)
    deprecation_notice = optional(UNBOUNDED)
    version_notes = optional(UNBOUNDED)
    change_summary = optional(UNBOUNDED)
    approved_by = optional(255)
    approved_at = Moment(allow_none=True)
    expected_success_rate = Rate(allow_none=True)
    expected_duration_seconds = Whole(0, 2**31 - 1, allow_none=True)
    actual_success_rate = Rate(allow_none=True)
    total_executions = Whole(0, _MAX_COUNT, allow_none=True)
    successful_executions = Whole(0, _MAX_COUNT, allow_none=True)
    created_by = optional(255)


class PatchSchema(WorkflowBase):
    """PATCH /api/v1/workflows/{id}: what may change."""

    status = Choice(STATUSES)
    disabled_by = optional(255)
    disabled_reason = optional(UNBOUNDED)
    expected_success_rate = Rate(allow_none=True)
    expected_duration_seconds = Whole(0, 2**31 - 1, allow_none=True)
    actual_success_rate = Rate(allow_none=True)
    total_executions = Whole(0, _MAX_COUNT)
    successful_executions = Whole(0, _MAX_COUNT)
    updated_by = optional(255)


class ReasonSchema(WorkflowBase):
    """PATCH /api/v1/workflows/{id}/disable and /enable."""

    reason = optional(UNBOUNDED)
    updated_by = optional(255)


FIELDS = tuple({*WorkflowSchema._declared_fields, *PatchSchema._declared_fields})
_WORKFLOW, _PATCH, _REASON = WorkflowSchema(), PatchSchema(), ReasonSchema()
# What the requests may hold: everything else is ignored, and named in the answer.
WORKFLOW_MEMBERS, PATCH_MEMBERS, REASON_MEMBERS = KnownMembers(_WORKFLOW), KnownMembers(_PATCH), KnownMembers(_REASON)


def _too_many_keys(labels: Mapping[str, Any]) -> FieldMessage | None:
    count = index_keys(labels).number
    if count <= MAX_KEYS:
        return None
    text = (
        f"make {count} keys of the index, max {MAX_KEYS}: each component goes with each environment, and so on; use *"
    )
    return FieldMessage(text, "exceeds_max_length")


def workflow(body: dict[str, Any], *, verify_content_hash: bool) -> dict[str, Any] | ValidationFailure:
    """The members of a workflow to be created, nulls left out, content_hash and detected_labels always there."""
    loaded, errors = load(_WORKFLOW, body)
    loaded = {k: v for k, v in loaded.items() if v is not None}
    if "content" in loaded:
        digest = hashlib.sha256(loaded["content"].encode()).hexdigest()
        if verify_content_hash and loaded.setdefault("content_hash", digest) != digest:
            errors.append(FieldError("content_hash", FieldMessage("is not the SHA-256 of content", "invalid")))
        loaded.setdefault("content_hash", digest)
    if not any(f.name.partition(".")[0] == "labels" for f in errors) and (message := _too_many_keys(loaded["labels"])):
        errors.append(FieldError("labels", message))
    if errors:
        return ValidationFailure(tuple(errors), {})
    loaded["detected_labels"] = present(loaded.get("detected_labels"))
    return loaded


def workflow_faults(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The wrong members of a workflow to be created, each with what is wrong: what `datastorage import` asks."""
    checked = workflow(body, verify_content_hash=True)
    return [(f.name, str(f.message)) for f in checked.errors] if isinstance(checked, ValidationFailure) else []


def patch(body: dict[str, Any]) -> dict[str, Any] | ValidationFailure:
    """The members to change."""
    loaded, errors = load(_PATCH, body)
    return ValidationFailure(tuple(errors), {}) if errors else loaded


def reason(body: dict[str, Any]) -> dict[str, Any] | ValidationFailure:
    """reason and updated_by, None when absent."""
    loaded, errors = load(_REASON, body)
    if errors:
        return ValidationFailure(tuple(errors), {})
    return {"reason": loaded.get("reason"), "updated_by": loaded.get("updated_by")}
