"""Rows of the tables as records: how their entries begin, the digests that they give, and what else is hashed.

Who could change a row could have dropped what forbids NULL in it: where there is nothing, nothing is what it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339

from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS
from app.audit.stored import event_digests, notification_digests
from app.transparency.acts import Act
from app.transparency.entries import day_bytes
from app.verify.source import Stored


def event(row: Sequence[Any]) -> Stored:
    """A row of the statement events."""
    ident, day, parent_day, recorded_at, recorded_by, request_id, from_context, digest, salt, *members = row
    values = dict(zip(EVENT_FIELDS, members, strict=True))
    columns = {
        "event_date": day,
        "parent_event_date": parent_day,
        "recorded_at": recorded_at,
        "recorded_by": recorded_by,
        "request_id": request_id,
        "trace_id": values["trace_id"],
        "trace_id_from_context": from_context,
    }
    return Stored(
        head=bytes.fromhex(ident.replace("-", "")) + day_bytes(day),
        tail=b"",
        digests=event_digests(values, from_context),
        digest=digest or b"",
        salt=salt,
        columns=orjson.dumps(columns),
    )


def notification(row: Sequence[Any]) -> Stored:
    """A row of the statement notifications."""
    number, created_at, recorded_by, request_id, updated_at, digest, salt, *members = row
    values = dict(zip(NOTIFICATION_FIELDS, members, strict=True))
    columns = {
        "created_at": created_at,
        "id": number,
        "recorded_by": recorded_by,
        "request_id": request_id,
        "updated_at": updated_at,
    }
    return Stored(
        head=number.to_bytes(8, "big", signed=True) + day_bytes(values["sent_at"][:10]),
        tail=b"",
        digests=notification_digests(values),
        digest=digest or b"",
        salt=salt,
        columns=orjson.dumps(columns),
    )


def act(row: Sequence[Any]) -> Stored:
    """A row of the statement acts."""
    ident, kind, acted_at, acted_by, details, digest, salt = row
    moment = parse_rfc3339(acted_at)
    digests: tuple[bytes, ...] = ()
    try:
        if moment is not None:
            digests = (Act(UUID(ident), kind, moment, acted_by, jsonvalue.parse(details)).digest(),)
    except (ValueError, TypeError):  # JSON that is no object, or that no digest could be made of
        pass
    names = orjson.dumps({"id": ident, "kind": kind, "on": acted_at[:10], "v": 1})
    return Stored(b'{"commitment":"', b'",' + names[1:], digests, digest or b"", salt, None)
