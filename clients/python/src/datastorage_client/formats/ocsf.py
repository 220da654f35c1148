"""Records as OCSF 1.3 events of the class API Activity (https://schema.ocsf.io/1.3.0/classes/api_activity)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from datastorage_common.times import parse_rfc3339

_VERSION = "1.3.0"
_CLASS, _CATEGORY = 6003, 6
_PRODUCT = {"name": "Data Storage Service", "vendor_name": "Data Storage Service"}
_UNKNOWN = 0
_OTHER = 99
_CREATE, _READ, _UPDATE, _DELETE = 1, 2, 3, 4
_ACTIVITIES = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete", _OTHER: "Other"}
# What an action's first word says of it, in the present and in the past.
_VERBS = {
    _CREATE: "create created add added put post insert inserted import imported run start started register registered",
    _READ: "get read list listed describe described head query queried search searched export exported view viewed "
    "watch watched fetch fetched download downloaded",
    _UPDATE: "update updated set patch patched modify modified change changed attach attached enable enabled disable "
    "disabled edit edited replace replaced rename renamed rotate rotated",
    _DELETE: "delete deleted remove removed terminate terminated purge purged revoke revoked destroy destroyed drop "
    "dropped erase erased",
}
_ACTIVITY_OF = {word: activity for activity, words in _VERBS.items() for word in words.split()}
# ``GetObject``, ``get_object``, ``GET`` and ``get-object`` begin with ``get``.
_FIRST_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SEVERITIES = {
    **dict.fromkeys(("debug", "info", "informational"), (1, "Informational")),
    "low": (2, "Low"),
    **dict.fromkeys(("medium", "warning"), (3, "Medium")),
    **dict.fromkeys(("high", "error"), (4, "High")),
    "critical": (5, "Critical"),
    "fatal": (6, "Fatal"),
}
_STATUSES = {
    **dict.fromkeys(("success", "sent", "acknowledged"), (1, "Success")),
    **dict.fromkeys(("failure", "failed"), (2, "Failure")),
}
_USER_TYPES = {"user": (1, "User"), "admin": (2, "Admin"), "system": (3, "System")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ocsf_event(record: Mapping[str, Any]) -> dict[str, Any]:
    """The OCSF event of an event or notification as the feed gives it; ``unmapped.record`` is the record whole.

    Raises KeyError, TypeError or ValueError for what is no record.
    """
    told = _of_notification(record) if record["kind"] == "notification" else _of_event(record)
    activity = told["activity_id"]
    return {
        "class_uid": _CLASS,
        "class_name": "API Activity",
        "category_uid": _CATEGORY,
        "category_name": "Application Activity",
        "type_uid": _CLASS * 100 + activity,
        "type_name": f"API Activity: {_ACTIVITIES[activity]}",
        "activity_name": _ACTIVITIES[activity],
        **told,
        "unmapped": {"record": dict(record)},
    }


def _of_event(record: Mapping[str, Any]) -> dict[str, Any]:
    action = record.get("event_action") or ""
    activity = _activity(action)
    return {
        # Of an activity that has no number its own name is wanted.
        **({"activity_name": action} if activity == _OTHER and action else {}),
        "activity_id": activity,
        "time": _milliseconds(record["event_timestamp"]),
        **_severity(record.get("severity")),
        **_status(record.get("event_outcome")),
        **_given(
            status_code=record.get("error_code"),
            status_detail=record.get("error_message"),
            duration=record.get("duration_ms"),
        ),
        "actor": {"user": _user(record.get("actor_id"), record.get("actor_type"))},
        "api": {
            "operation": action or record["event_type"],
            **({"service": {"name": record["event_category"]}} if record.get("event_category") else {}),
            **({"request": {"uid": record["request_id"]}} if record.get("request_id") else {}),
        },
        "src_endpoint": _endpoint(record.get("actor_ip")),
        **_resources(
            uid=record.get("resource_id"), type=record.get("resource_type"), namespace=record.get("namespace")
        ),
        "metadata": {
            **_metadata(f"{record['event_date']}/{record['event_id']}", record, record["event_timestamp"]),
            "event_code": record["event_type"],
            **_given(correlation_uid=record.get("correlation_id")),
        },
    }


def _of_notification(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "activity_id": _CREATE,
        "time": _milliseconds(record["sent_at"]),
        **_severity("info"),
        **_status(record.get("status")),
        **_given(status_detail=record.get("error_message")),
        # Who sent it is not in the record; who recorded it is, where the service asks for tokens.
        "actor": {"user": _user(record.get("recorded_by"), None)},
        "api": {"operation": f"notification.{record['channel']}"},
        "src_endpoint": _endpoint(None),
        **_resources(uid=record.get("recipient"), type=record.get("channel")),
        "metadata": {
            **_metadata(f"notification/{record['id']}", record, record["sent_at"]),
            **_given(correlation_uid=record.get("remediation_id")),
        },
    }


def _given(**members: Any) -> dict[str, Any]:
    """Those that have a value."""
    return {name: value for name, value in members.items() if value not in (None, "")}


def _resources(**members: Any) -> dict[str, Any]:
    """The one that it was about; nothing where nothing is said of it."""
    found = _given(**members)
    return {"resources": [found]} if found else {}


def _user(ident: str | None, kind: str | None) -> dict[str, Any]:
    number, name = _USER_TYPES.get((kind or "").lower(), (_OTHER, kind) if kind else (_UNKNOWN, "Unknown"))
    # An object of this kind has a name or an id.
    return {**({"uid": ident} if ident else {"name": "unknown"}), "type_id": number, "type": name}


def _severity(text: str | None) -> dict[str, Any]:
    number, name = _SEVERITIES.get((text or "").lower(), (_OTHER, text) if text else (_UNKNOWN, "Unknown"))
    return {"severity_id": number, "severity": name}


def _status(text: str | None) -> dict[str, Any]:
    number, name = _STATUSES.get((text or "").lower(), (_OTHER, text) if text else (_UNKNOWN, "Unknown"))
    return {"status_id": number, "status": name}


def _endpoint(ip: str | None) -> dict[str, Any]:
    # The class requires one, and that has an address or a name.
    return {"name": "unknown"} if ip is None else {"ip": ip}


def _metadata(uid: str, record: Mapping[str, Any], time: str) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "product": _PRODUCT,
        "uid": uid,
        "log_name": record["kind"],
        "original_time": time,
        **_given(sequence=record.get("log_index")),
    }


def _activity(action: str) -> int:
    found = _FIRST_WORD.match(action)
    return _OTHER if found is None else _ACTIVITY_OF.get(found[0].lower(), _OTHER)


def _milliseconds(text: str) -> int:
    moment = parse_rfc3339(text)
    if moment is None:
        raise ValueError("no time")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
