"""What a stored row says of its digest is what the event was stored with."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.audit.event import AuditEvent
from app.audit.schemas import EVENT_FIELDS
from app.audit.stored import event_digests
from tests.verify_support import make_events


def row(event: AuditEvent) -> dict[str, Any]:
    """As PostgreSQL gives it back."""
    members = orjson.loads(event.row)
    found = {name: members[name] for name in EVENT_FIELDS}
    found["event_data"] = event.event_data
    if found["actor_ip"] is not None:
        found["actor_ip"] += "/128" if ":" in found["actor_ip"] else "/32"
    return found


@pytest.mark.parametrize("event", make_events(30), ids=lambda event: event.correlation_id)
def test_a_row_gives_the_digest_that_it_was_stored_with(event: AuditEvent) -> None:
    of_context = event.context_trace_id is not None
    assert event_digests(row(event), of_context) == (event.digest,)
    assert event.digest in event_digests(row(event), None)


def test_a_mask_is_another_address() -> None:
    event = make_events(1)[0]
    for address in ("192.0.2.7/24", "2001:db8::1/32"):
        assert event_digests({**row(event), "actor_ip": address}, False) != (event.digest,)


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000])
def test_what_gives_no_digest(data: bytes) -> None:
    assert event_digests({**row(make_events(1)[0]), "event_data": data}, False) == ()
