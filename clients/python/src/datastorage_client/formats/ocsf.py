"""Records as OCSF 1.3 events of the class API Activity (https://schema.ocsf.io/1.3.0/classes/api_activity)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from datastorage_common.times import parse_rfc3339

_VERSION = "1.3.0"
_CLASS, _CATEGORY = 6003, 6
_PRODUCT = {"name": "Data Storage Service", "vendor_name": "Data Storage Service"}
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_ACTIVITIES = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete", _OTHER: "Other"}
# What an action's first word says of it.
_VERBS = {
    **dict.fromkeys(("create", "created", "add", "added", "put", "post", "insert", "import", "run", "start"), _CREATE),
    **dict.fromkeys(("get", "read", "list", "describe", "head", "query", "search", "export", "view", "watch"), _READ),
    **dict.fromkeys(("update", "updated", "set", "patch", "modify", "change", "changed", "attach", "enable"), _UPDATE),
    **dict.fromkeys(("delete", "deleted", "remove", "removed", "terminate", "purge", "revoke"), _DELETE),
}
_SEVERITIES = {
    **dict.fromkeys(("debug", "info", "informational"), 1),
    "low": 2,
    **dict.fromkeys(("medium", "warning"), 3),
    **dict.fromkeys(("high", "error"), 4),
    "critical": 5,
    "fatal": 6,
}
_UNKNOWN = 0
_STATUSES = {"success": (1, "Success"), "failure": (2, "Failure"), "sent": (1, "Success"), "failed": (2, "Failure")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ocsf_event(record: Mapping[str, Any]) -> dict[str, Any]:
    """The OCSF event of an event or notification as the feed gives it; ``unmapped.record`` is the record whole.

    Raises KeyError or ValueError for what is no record.
    """
    told = _of_notification(record) if record["kind"] == "notification" else _of_event(record)
    activity = told["activity_id"]
    return {
        "class_uid": _CLASS,
        "class_name": "API Activity",
        "category_uid": _CATEGORY,
        "category_name": "Application Activity",
        "type_uid": _CLASS * 100 + activity,
        "activity_name": _ACTIVITIES[activity],
        **told,
        "unmapped": {"record": dict(record)},
    }


def _of_event(record: Mapping[str, Any]) -> dict[str, Any]:
    status = _STATUSES.get(record["event_outcome"], (99, "Other"))
    told: dict[str, Any] = {
        "activity_id": _VERBS.get(_first_word(record["event_action"]), _OTHER),
        "time": _milliseconds(record["event_timestamp"]),
        "severity_id": _SEVERITIES.get(str(record["severity"]).lower(), 99 if record["severity"] else _UNKNOWN),
        "status_id": status[0],
        "status": status[1],
        "actor": {"user": {"uid": record["actor_id"], "type": record["actor_type"], "type_id": 99}},
        "api": {
            "operation": record["event_type"],
            "service": {"name": record["event_category"]},
            "request": {"uid": record["correlation_id"]},
        },
        "src_endpoint": _endpoint(record["actor_ip"], record["actor_id"]),
        "resources": [_resource(record)],
        "metadata": _metadata(f"{record['event_date']}/{record['event_id']}", record, record["event_timestamp"]),
    }
    if record["error_code"] is not None:
        told["status_code"] = record["error_code"]
    if record["error_message"] is not None:
        told["status_detail"] = record["error_message"]
    if record["duration_ms"] is not None:
        told["duration"] = record["duration_ms"]
    return told


def _of_notification(record: Mapping[str, Any]) -> dict[str, Any]:
    status = _STATUSES.get(record["status"], (99, "Other"))
    told: dict[str, Any] = {
        "activity_id": _CREATE,
        "time": _milliseconds(record["sent_at"]),
        "severity_id": 1,
        "status_id": status[0],
        "status": status[1],
        "actor": {"app_name": "notification"},
        "api": {"operation": f"notification.{record['channel']}", "request": {"uid": record["remediation_id"]}},
        "src_endpoint": _endpoint(None, "notification"),
        "resources": [{"uid": record["recipient"], "type": record["channel"]}],
        "metadata": _metadata(f"notification/{record['id']}", record, record["sent_at"]),
    }
    if record.get("error_message") is not None:
        told["status_detail"] = record["error_message"]
    return told


def _resource(record: Mapping[str, Any]) -> dict[str, Any]:
    named = {"uid": record["resource_id"], "type": record["resource_type"]}
    return {**named, **({"namespace": record["namespace"]} if record["namespace"] is not None else {})}


def _endpoint(ip: str | None, name: str) -> dict[str, Any]:
    # The class requires one; where no address is known it has the name alone.
    return {"name": name} if ip is None else {"ip": ip}


def _metadata(uid: str, record: Mapping[str, Any], time: str) -> dict[str, Any]:
    sequence = {} if record.get("log_index") is None else {"sequence": record["log_index"]}
    named = {"version": _VERSION, "product": _PRODUCT, "uid": uid, "log_name": record["kind"], "original_time": time}
    return {**named, **sequence}


def _first_word(action: str) -> str:
    """``GetObject``, ``get_object`` and ``get-object`` begin with ``get``."""
    word = ""
    for n, character in enumerate(action):
        if not character.isalpha() or (n and character.isupper()):
            break
        word += character
    return word.lower()


def _milliseconds(text: str) -> int:
    moment = parse_rfc3339(text)
    if moment is None:
        raise ValueError("no time")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
