"""The audit events of the catalogue: made as every other event is, stored with the change or after the search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from datastorage_common import jsonvalue

from app.audit.event import AuditEvent
from app.audit.own_events import OwnEvents
from app.config.settings import AuditSettings
from app.workflows.labels import LABELS
from app.workflows.search import Found, Search

CATEGORY = "workflow"

# Room for the results beside them, below the limit of event_data.
_MAX_FILTERS_SHARE = 0.5


class EventFactory:
    """Makes the service's own events about workflows."""

    def __init__(self, settings: AuditSettings, now: Callable[[], datetime]) -> None:
        self._own = OwnEvents(now)
        self._max_filters = int(settings.max_event_data * _MAX_FILTERS_SHARE)

    def created(
        self,
        row: Mapping[str, Any],
        trace_id: str | None = None,
        recorded_by: str | None = None,
        request_id: str | None = None,
    ) -> AuditEvent:
        """A workflow was created; ``recorded_by`` was authenticated."""
        members = ("workflow_name", "version", "status", "is_latest_version", "content_hash", "execution_engine")
        return self._changed("created", "create", row, {m: row[m] for m in members}, trace_id, recorded_by, request_id)

    def updated(
        self,
        row: Mapping[str, Any],
        changes: Mapping[str, Any],
        trace_id: str | None = None,
        recorded_by: str | None = None,
        request_id: str | None = None,
    ) -> AuditEvent:
        """A workflow was patched, disabled or enabled; ``changes`` are the members that were set."""
        data = {m: row[m] for m in ("workflow_name", "version", "status")}
        texts = {m: v[:1000] if isinstance(v, str) else v for m, v in changes.items()}
        return self._changed("updated", "update", row, {**data, "changes": texts}, trace_id, recorded_by, request_id)

    def _changed(
        self,
        verb: str,
        action: str,
        row: Mapping[str, Any],
        data: dict[str, Any],
        trace_id: str | None,
        recorded_by: str | None,
        request_id: str | None,
    ) -> AuditEvent:
        ident = str(row["workflow_id"])
        return self._own.make(
            event_category=CATEGORY,
            trace_id=trace_id,
            recorded_by=recorded_by,
            request_id=request_id,
            event_type=f"datastorage.workflow.{verb}",
            event_action=action,
            correlation_id=ident,
            resource_type="Workflow",
            resource_id=ident,
            event_data={"workflow_id": ident, **data},
        )

    def searched(
        self,
        search: Search,
        found: Sequence[Found],
        duration_ms: int,
        trace_id: str | None = None,
        recorded_by: str | None = None,
        request_id: str | None = None,
    ) -> AuditEvent:
        """A search was answered."""
        filters = dict(search.asked)
        if jsonvalue.written_bytes(filters) > self._max_filters:
            filters = {name: search.labels[name] for name in LABELS}
        return self._own.make(
            event_category=CATEGORY,
            trace_id=trace_id,
            recorded_by=recorded_by,
            request_id=request_id,
            event_type="workflow.catalog.search_completed",
            event_action="search_completed",
            correlation_id=search.remediation_id or search.fingerprint,
            resource_type="workflow_catalog",
            resource_id=search.fingerprint,
            duration_ms=duration_ms,
            event_data={
                "query": {"top_k": search.top_k, "min_score": search.min_score, "filters": filters},
                "results": {
                    "total_found": len(found),
                    "returned": len(found),
                    "workflows": [f.audit for f in found],
                },
                "search_metadata": {"duration_ms": duration_ms},
            },
        )
