"""Who read events that are marked sensitive: recorded before the answer is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from app.audit.ingest import Ingest
from app.audit.outcome import Spilled, Stored, WriteRequest
from app.audit.own_events import ACCESS, Caller, OwnEvents

# Of what was read, and by which filters, an event says so much at the most.
_MAX_IDS = 100
_MAX_FILTERS = 32
_MAX_FILTER_CHARACTERS = 256
# What a caller is told instead.
NOT_RECORDED = "who reads sensitive events is recorded, and that cannot be done now - please retry"


class AccessRecorder:
    """Records each answer that holds sensitive events."""

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
            event_type="datastorage.access.sensitive_read",
            event_action="read",
            resource_type="AuditEvent",
            resource_id=event_ids[0] if len(event_ids) == 1 else caller.route,
            event_data={
                "filters": _bounded(filters),
                "sensitive_events": len(event_ids),
                "event_ids": list(event_ids[:_MAX_IDS]),
            },
        )
        return isinstance(self._ingest.submit(WriteRequest((event,)), None), Stored | Spilled)


def _bounded(filters: Mapping[str, str]) -> dict[str, str]:
    return {
        name[:_MAX_FILTER_CHARACTERS]: value[:_MAX_FILTER_CHARACTERS]
        for name, value in islice(filters.items(), _MAX_FILTERS)
    }
