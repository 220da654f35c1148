"""What a list of events or notifications may be asked: query parameters turned into a checked query."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime

from datastorage_common import jsonvalue
from datastorage_common.uuids import parse_uuid

from app.audit.event import CHANNELS, NOTIFICATION_STATUSES, OUTCOMES
from app.audit.queries import Query
from app.auth.read_limits import ReadLimits
from app.http.list_parameters import ListParameters
from app.http.query import QueryParameters

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
    "request_id",
)
MAX_DATA_ELEMENTS = 32
_PAGE = ("limit", "offset", "cursor", "count")
# All that decides which events are meant.
EVENT_CONDITIONS = (*EVENT_FILTERS, "event_outcome", "since", "until", "data")
EVENT_PARAMETERS = (*EVENT_CONDITIONS, *_PAGE)
# All that decides which notifications are meant.
NOTIFICATION_CONDITIONS = ("remediation_id", "channel", "status", "since", "until")
NOTIFICATION_PARAMETERS = (*NOTIFICATION_CONDITIONS, *_PAGE)
_NOTIFICATION_ID = re.compile(r"[0-9]{1,18}")


def event_day(arguments: Mapping[str, str]) -> date | None:
    """Which of the events with one id is meant: that of this day, or the newest. Raises Problem 400."""
    read = QueryParameters(arguments)
    found = read.day("event_date")
    read.check()
    return found


def event_query(arguments: Mapping[str, str], now: datetime, reads: ReadLimits) -> Query:
    """Check the parameters of GET /api/v1/audit/events. Raises Problem 400."""
    read = ListParameters(arguments, now)
    read_event_filters(read)
    return _finish(read, reads, parse_uuid)


def read_event_filters(read: ListParameters) -> datetime | None:
    """Read the filters of events, `EVENT_CONDITIONS`; the moment before which none of them is, where there is one."""
    for name in EVENT_FILTERS:
        read.filter_by(name)
    read.filter_by_choice("event_outcome", OUTCOMES)
    since = read.bound("since", "event_timestamp", ">=")
    until = read.bound("until", "event_timestamp", "<=")
    # event_date follows from the timestamp; naming it lets PostgreSQL leave whole months out.
    if since is not None:
        read.where("event_date >= %s", since.date())
    if until is not None:
        read.where("event_date <= %s", until.date())
    _containment(read)
    return since


def notification_query(arguments: Mapping[str, str], now: datetime, reads: ReadLimits) -> Query:
    """Check the parameters of GET /api/v1/audit/notifications. Raises Problem 400."""
    read = ListParameters(arguments, now)
    read_notification_filters(read)
    return _finish(read, reads, _NOTIFICATION_ID.fullmatch)


def read_notification_filters(read: ListParameters) -> datetime | None:
    """As `read_event_filters`, of notifications: `NOTIFICATION_CONDITIONS`."""
    read.filter_by("remediation_id")
    read.filter_by_choice("channel", CHANNELS)
    read.filter_by_choice("status", NOTIFICATION_STATUSES)
    since = read.bound("since", "sent_at", ">=")
    read.bound("until", "sent_at", "<=")
    return since


def _containment(read: ListParameters) -> None:
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
    elif jsonvalue.array_elements(value) > MAX_DATA_ELEMENTS:
        # PostgreSQL compares each of them with each element of what is stored.
        read.refuse("data", f"holds arrays of more than {MAX_DATA_ELEMENTS} elements in all")
    else:
        read.where("event_data @> %s::jsonb", jsonvalue.compact(value).decode())


def _finish(read: ListParameters, reads: ReadLimits, is_key: Callable[[str], object]) -> Query:
    """The query. Raises Problem 400 that names every wrong parameter."""
    limit, offset = read.limit(50), read.offset()
    count = read.raw("count")
    if count not in (None, "exact", "none"):
        read.refuse("count", "must be one of: exact, none")
    cursor = read.cursor(is_key)
    read.check()
    return Query(read.conditions, read.values, limit, offset, cursor, count != "none" and cursor is None, reads)
