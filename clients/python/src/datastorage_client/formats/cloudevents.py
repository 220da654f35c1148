"""Records as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, JSON format)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def cloud_event(record: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The CloudEvent of an event or notification as the feed gives it; ``data`` is the record whole.

    ``source``: a URI reference of the service. With ``id`` it is the event's identity: an event's own is its id and its
    day. Raises KeyError for what is no record.
    """
    if record["kind"] == "notification":
        told = {
            "id": f"notification/{record['id']}",
            "type": f"notification.{record['channel']}.{record['status']}",
            "time": record["sent_at"],
            "subject": record["remediation_id"],
        }
    else:
        told = {
            "id": f"{record['event_date']}/{record['event_id']}",
            "type": record["event_type"],
            "time": record["event_timestamp"],
            "subject": f"{record['resource_type']}/{record['resource_id']}",
        }
    return {"specversion": "1.0", "source": source, **told, "datacontenttype": "application/json", "data": dict(record)}
