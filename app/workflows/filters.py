"""What a list of workflows may be asked: query parameters turned into a checked query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from datastorage_common.uuids import parse_uuid

from app.http.list_parameters import ListParameters
from app.workflows.labels import ANY, LABEL_VALUES, LABELS, STATUSES
from app.workflows.search import label_condition
from app.workflows.store import WorkflowQuery

_PAGE = ("limit", "cursor", "include")
LIST_PARAMETERS = ("status", "workflow_name", *LABELS, "latest", "offset", *_PAGE)
VERSIONS_PARAMETERS = _PAGE


def list_query(arguments: Mapping[str, str], now: datetime) -> WorkflowQuery:
    """Check the parameters of GET /api/v1/workflows. Raises Problem 400 that names every wrong one."""
    read = ListParameters(arguments, now)
    read.filter_by_choice("status", STATUSES)
    read.filter_by("workflow_name")
    for name in LABELS:
        value = read.text(name)
        allowed = LABEL_VALUES.get(name)
        if value is not None and allowed is not None and value not in (*allowed, ANY):
            read.refuse(name, "must be one of: " + ", ".join((*allowed, ANY)))
        elif value is not None:
            condition = label_condition(name, value)
            read.where(condition.text, *condition.parameters)
    latest = read.boolean("latest", None)
    if latest is not None:
        read.where("is_latest_version" if latest else "NOT is_latest_version")
    return _finish(read, read.limit(100), read.offset())


def versions_query(arguments: Mapping[str, str], now: datetime, name: str) -> WorkflowQuery:
    """Check the parameters of GET /api/v1/workflows/by-name/{name}/versions. Raises Problem 400."""
    read = ListParameters(arguments, now)
    read.where("workflow_name = %s", name)
    return _finish(read, read.limit(1000), 0)


def _finish(read: ListParameters, limit: int, offset: int) -> WorkflowQuery:
    cursor = read.cursor(parse_uuid)
    include = read.text("include")
    if include not in (None, "content"):
        read.refuse("include", "must be content")
    read.check()
    return WorkflowQuery(read.conditions, read.values, limit, offset, cursor, content=include is not None)
