"""What a list of events or notifications may be asked: query parameters turned into a checked query."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from datastorage_common import jsonvalue
from datastorage_common.uuids import parse_uuid

from app.audit.event import CHANNELS, NOTIFICATION_STATUSES, OUTCOMES
from app.audit.queries import Query
from app.http.list_arguments import ListArguments

EVENT_FILTERS = (
    "event_type",
    "event_category",
    "severity",
    "correlation_id",
    "actor_type",
    "actor_id",
    "resource_type",
    "resource_id",
    "namespace",
    "cluster_name",
)
_NOTIFICATION_ID = re.compile(r"[0-9]{1,18}")


def event_query(arguments: Mapping[str, str], now: datetime) -> Query:
    """Check the parameters of GET /api/v1/audit/events. Raises Problem 400."""
    read = ListArguments(arguments, now)
    for name in EVENT_FILTERS:
        read.equal(name)
    read.choice("event_outcome", OUTCOMES)
    since = read.time("since", "event_timestamp", ">=")
    until = read.time("until", "event_timestamp", "<=")
    # event_date follows from the timestamp; naming it lets PostgreSQL leave whole months out.
    if since is not None:
        read.where("event_date >= %s", since.date())
    if until is not None:
        read.where("event_date <= %s", until.date())
    _containment(read)
    return _finish(read, parse_uuid)


def notification_query(arguments: Mapping[str, str], now: datetime) -> Query:
    """Check the parameters of GET /api/v1/audit/notifications. Raises Problem 400."""
    read = ListArguments(arguments, now)
    read.equal("remediation_id")
    read.choice("channel", CHANNELS)
    read.choice("status", NOTIFICATION_STATUSES)
    read.time("since", "sent_at", ">=")
    read.time("until", "sent_at", "<=")
    return _finish(read, _NOTIFICATION_ID.fullmatch)


def _containment(read: ListArguments) -> None:
    text = read.raw("data")
    if text is None:
        return
    try:
        value = jsonvalue.parse(text.encode("utf-8", "surrogatepass"))
    except jsonvalue.JSONError:
        read.refuse("data", "must be a JSON object")
        return
    if not isinstance(value, dict):
        read.refuse("data", "must be a JSON object")
    elif jsonvalue.fault_of(value, jsonvalue.MAX_NESTING, jsonvalue.MAX_NUMBER_DIGITS) is not None:
        read.refuse("data", "holds something that cannot be stored")
    elif jsonvalue.growth_bytes(value) > jsonvalue.MAX_GROWTH_BYTES:
        read.refuse("data", "holds too many numbers with large exponents")
    else:
        read.where("event_data @> %s::jsonb", jsonvalue.compact(value).decode())


def _finish(read: ListArguments, is_ident: Callable[[str], object]) -> Query:
    """The query. Raises Problem 400 that names every wrong parameter."""
    limit, offset = read.limit(50), read.offset()
    count = read.raw("count")
    if count not in (None, "exact", "none"):
        read.refuse("count", "must be one of: exact, none")
    cursor = read.cursor(is_ident)
    read.check()
    return Query(read.conditions, read.parameters, limit, offset, cursor, count != "none" and cursor is None)
