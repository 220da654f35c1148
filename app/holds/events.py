"""The audit events of holds: who set or released which, and why; stored with the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datastorage_common import jsonvalue

from app.audit.event import AuditEvent
from app.audit.own_events import ADMIN, Caller, OwnEvents


def changed(own: OwnEvents, caller: Caller, verb: str, row: Mapping[str, Any]) -> AuditEvent:
    """A hold was ``set`` or ``released``. Marked sensitive: name, reason and filter may name a person or a case."""
    if verb == "set":
        told = {"name": row["name"], "reason": row["reason"], "filter": jsonvalue.parse(row["filter"].encode())}
    else:
        told = {"name": row["name"], "reason": row["release_reason"]}
    hold_id = str(row["hold_id"])
    act_id = str(row["set_act" if verb == "set" else "release_act"])
    return own.of_caller(
        caller,
        event_category=ADMIN,
        event_type=f"{ADMIN}.hold_{verb}",
        event_action=f"hold_{verb}",
        resource_type="Hold",
        resource_id=hold_id,
        is_sensitive=True,
        event_data={"hold_id": hold_id, "act_id": act_id, **told},
    )
