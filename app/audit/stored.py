"""Stored rows read back: whether what stands in their columns still gives their digest.

A row is read as it stands, with times and days as texts: a column may hold what no client could have sent.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from datastorage_common import jsonvalue, records

from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS
from app.validation.fields import parse_address

# Member → column, where they differ. An address with its mask: another mask would not show in its text.
_EXPRESSIONS = {
    "version": "e.event_version",
    "event_data": "e.event_data::json",
    "actor_ip": "text(e.actor_ip)",
}
EVENT_SELECT = ", ".join(_EXPRESSIONS.get(m, f"e.{m}") for m in EVENT_FIELDS)
NOTIFICATION_SELECT = ", ".join(f"n.{m}" for m in NOTIFICATION_FIELDS)
_WHOLE = ("/32", "/128")


def event_digests(members: dict[str, Any], trace_id_from_context: bool | None) -> tuple[bytes, ...]:
    """The digests that the members of a stored event give, by the names of EVENT_FIELDS; none where they cannot.

    ``event_data`` is JSON text, ``event_timestamp`` RFC 3339; ``members`` is used up. Two where nothing says whose its
    trace_id is: a release before stored that of the request as well.
    """
    try:
        members["event_data"] = jsonvalue.parse(members["event_data"])
        if members["actor_ip"] is not None:
            members["actor_ip"] = _address(members["actor_ip"])
        if trace_id_from_context is None and members["trace_id"] is not None:
            return _digest(members), _digest({**members, "trace_id": None})
        if trace_id_from_context:
            members["trace_id"] = None
        return (_digest(members),)
    except (ValueError, TypeError, RecursionError):
        return ()


def notification_digests(members: dict[str, Any]) -> tuple[bytes, ...]:
    """As `event_digests`, for a notification and the names of NOTIFICATION_FIELDS."""
    return (records.notification_digest(jsonvalue.canonical(members)),)


def _digest(members: dict[str, Any]) -> bytes:
    return records.event_digest(jsonvalue.canonical(members))


# Most events come from a few.
@lru_cache(4096)
def _address(text: str) -> str:
    for whole in _WHOLE:
        if text.endswith(whole):
            return parse_address(text.removesuffix(whole)) if (":" in text) == (whole == "/128") else text
    return text
