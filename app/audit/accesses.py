"""Who read events that are marked sensitive, and who exports records: recorded before anything is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from app.audit.event import AuditEvent
from app.audit.ingest import Ingest
from app.audit.outcome import Spilled, Stored, WriteRequest
from app.audit.own_events import ACCESS, Caller, OwnEvents

# Of what was read, and by which filters, an event says so much at the most.
_MAX_IDS = 100
_MAX_FILTERS = 32
_MAX_FILTER_CHARACTERS = 256
# What a caller is told instead.
NOT_RECORDED = "who reads sensitive events is recorded, and that cannot be done now - please retry"


EXPORT_NOT_RECORDED = "who exports records is recorded, and that cannot be done now - please retry"


class AccessRecorder:
    """Records each answer that holds sensitive events, and each export."""

    def __init__(self, ingest: Ingest, own: OwnEvents) -> None:
        self._ingest = ingest
        self._own = own

    def keep(self, caller: Caller, event_ids: Sequence[str], filters: Mapping[str, str]) -> bool:
        """Record that the caller is given these events; False if that was not kept, so that they must not be given.

        Waits for the commit, or for the dead letter queue: what is only in memory would be lost with the process,
        after the answer. A reader of sensitive events waits as long as a writer does; others do not.
        """
        event = self._own.of_caller(
            caller,
            event_category=ACCESS,
            event_type="datastorage.audit.read",
            event_action="read",
            resource_type="AuditEvent",
            resource_id=event_ids[0] if len(event_ids) == 1 else caller.route,
            event_data={
                "filters": _bounded(filters),
                "sensitive_events": len(event_ids),
                "event_ids": list(event_ids[:_MAX_IDS]),
            },
        )
        return self._kept(event)

    def keep_export(self, caller: Caller, filters: Mapping[str, str], told: Mapping[str, Any], outcome: str) -> bool:
        """Record an export: that it begins (pending), or how it ended. False if that was not kept.

        ``told``: what of it, beside its filters. Both events have the same correlation_id, that of the request.
        """
        event = self._own.of_caller(
            caller,
            event_category=ACCESS,
            event_type="datastorage.audit.exported",
            event_action="export",
            event_outcome=outcome,
            resource_type="AuditLog",
            resource_id=caller.route,
            event_data={"filters": _bounded(filters), **told},
        )
        return self._kept(event)

    def _kept(self, event: AuditEvent) -> bool:
        return isinstance(self._ingest.submit(WriteRequest((event,)), None), Stored | Spilled)


def _bounded(filters: Mapping[str, str]) -> dict[str, str]:
    return {
        name[:_MAX_FILTER_CHARACTERS]: value[:_MAX_FILTER_CHARACTERS]
        for name, value in islice(filters.items(), _MAX_FILTERS)
    }
