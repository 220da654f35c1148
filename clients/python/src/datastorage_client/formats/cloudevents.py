"""Records as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, JSON format)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Section "Type System": no text of an attribute has control characters, surrogates or noncharacters.
_NONCHARACTERS = "".join(f"{chr(0x10000 * n + 0xFFFE)}{chr(0x10000 * n + 0xFFFF)}" for n in range(17))
_NO_TEXT = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")


def cloud_event(record: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The CloudEvent of an event or notification as the feed gives it; ``data`` is the record whole.

    ``source``: a URI reference of the service. With ``id`` it is the event's identity: an event's own is its id and its
    day. Attributes have U+FFFD in the place of what none may have. Raises KeyError or TypeError for what is no record.
    """
    if record["kind"] == "notification":
        ident = f"notification/{record['id']}"
        told = {
            "type": f"notification.{record['channel']}.{record['status']}",
            "time": record["sent_at"],
            "subject": record["remediation_id"],
        }
    else:
        ident = f"{record['event_date']}/{record['event_id']}"
        named = (record.get("resource_type"), record.get("resource_id"))
        told = {
            "type": record["event_type"],
            "time": record["event_timestamp"],
            "subject": "/".join(part for part in named if part),
        }
    # None may be empty, and those that are not required may be left out.
    attributes = {name: _NO_TEXT.sub("\ufffd", text) for name, text in told.items() if text}
    return {
        "specversion": "1.0",
        "id": ident,
        "source": source,
        **attributes,
        "datacontenttype": "application/json",
        "data": dict(record),
    }
