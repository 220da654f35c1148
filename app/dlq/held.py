"""Whether a dead letter is under a hold: then it may not be deleted."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import orjson

from app.audit.event import AuditEvent
from app.audit.validator import Validator
from app.dlq.codec import decode
from app.postgres.database import Database
from app.postgres.sessions import Connection
from app.postgres.statements import statements

_SQL = statements("holds")
# So many are named.
_MOST = 10
_EVENT_COLUMNS = (
    *("event_type", "event_timestamp", "event_category", "event_outcome", "severity", "correlation_id", "actor_type"),
    *("actor_id", "resource_type", "resource_id", "namespace", "cluster_name", "request_id"),
)
_NOTIFICATION_COLUMNS = ("remediation_id", "channel", "status", "sent_at")


class HeldError(Exception):
    """The letter is under these holds."""

    def __init__(self, hold_ids: list[UUID]) -> None:
        super().__init__("it is under a hold")
        self.hold_ids = hold_ids


def unless_held(
    database: Database,
    validator: Validator,
    stream: str,
    message: bytes | None,
    record: Callable[[], None],
    delete: Callable[[], bool],
) -> bool:
    """Delete a dead letter with this message, and let nobody set a hold meanwhile; what ``delete`` gives.

    ``record``: says before that it is about to be done; it may take its time. Raises HeldError, and as
    `Database.change`: where nobody can say whether it is under a hold it stays.
    """

    def action(conn: Connection) -> bool:
        conn.execute(_SQL["keep_out_new_holds"])
        found = conn.execute(*_look(validator, stream, message)).fetchall()
        if found:
            raise HeldError([hold_id for (hold_id,) in found])
        record()
        # Whose session ended meanwhile keeps nobody out any more: this fails, and the letter stays.
        conn.execute(_SQL["keep_out_new_holds"])
        return delete()

    return database.change(action)


def _look(validator: Validator, stream: str, message: bytes | None) -> tuple[str, tuple[object, ...]]:
    """The statement that looks for holds of a letter, and its parameters."""
    record = decode(validator, stream, message)
    if isinstance(record, str):
        return _SQL["any"], (_MOST,)
    if isinstance(record, AuditEvent):
        columns = {name: getattr(record, name) for name in _EVENT_COLUMNS}
        columns["event_data"] = orjson.Fragment(record.event_data)
        return _SQL["of_event"], (orjson.dumps(columns).decode(), _MOST)
    columns = {name: getattr(record, name) for name in _NOTIFICATION_COLUMNS}
    return _SQL["of_notification"], (orjson.dumps(columns).decode(), _MOST)
