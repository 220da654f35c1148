"""What the list of holds may be asked: query parameters turned into a checked query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from datastorage_common.uuids import parse_uuid

from app.http.list_parameters import ListParameters
from app.postgres.lists import ListQuery

STATES = ("active", "released")
LIST_PARAMETERS = ("state", "name", "limit", "offset", "cursor")


def list_query(arguments: Mapping[str, str], now: datetime) -> ListQuery:
    """Check the parameters of GET /api/v1/holds. Raises Problem 400 that names every wrong one."""
    read = ListParameters(arguments, now)
    state = read.choice("state", STATES, None)
    if state is not None:
        read.where("released_at IS NULL" if state == "active" else "released_at IS NOT NULL")
    read.filter_by("name")
    limit, offset, cursor = read.limit(100), read.offset(), read.cursor(parse_uuid)
    read.check()
    return ListQuery(read.conditions, read.values, limit, offset, cursor)
