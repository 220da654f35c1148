"""Records as the parameters of the statements that insert them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from psycopg.types.json import Json
from psycopg.types.numeric import Int4

from app.audit.event import AuditEvent, Notification, ParentKey


def event_rows(events: Iterable[AuditEvent], parents: dict[ParentKey, date]) -> list[Json]:
    """The one parameter of insert_events (sql/audit.sql): a JSON array of the events' rows."""
    rows = [
        e.row
        if e.parent_event_id is None or (day := parents.get(e.parent_key)) is None
        else b'%b,"parent_event_date":"%b"}' % (e.row[:-1], day.isoformat().encode())
        for e in events
    ]
    return [Json(b"[%b]" % b",".join(rows), dumps=_as_is)]


def _as_is(encoded: bytes) -> bytes:
    return encoded


def notification_arrays(notifications: Iterable[Notification]) -> list[list[object]]:
    """The parameters of insert_notifications (sql/audit.sql): one array for each column."""
    rows = [
        (
            n.remediation_id,
            n.notification_id,
            n.recipient,
            n.channel,
            n.message_summary,
            n.status,
            n.sent_at,
            n.delivery_status,
            n.error_message,
            Int4(n.escalation_level),
            n.recorded_by,
            n.request_id,
            n.digest,
        )
        for n in notifications
    ]
    return [list(column) for column in zip(*rows, strict=True)]
