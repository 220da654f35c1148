"""The bytes of requests, prepared so that sending one costs next to nothing."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

Requests = Iterator[bytes]


def post(path: str, body: bytes) -> bytes:
    """The bytes of a POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


_EVENT = (
    '{"version":"1.0","event_type":"gateway.signal.received","event_timestamp":"%(moment)s","event_category":"gateway",'
    '"event_action":"received","event_outcome":"success","correlation_id":"%(prefix)s-%%d","actor_type":"service",'
    '"actor_id":"gateway-%%d","resource_type":"Deployment","resource_id":"checkout-%%d","namespace":"payments",'
    '"cluster_name":"production-eu-1","severity":"warning","duration_ms":12,"event_data":{"sequence":%%d,'
    '"cluster":"production-eu-1","object":{"kind":"Deployment","name":"checkout-service","uid":"%%032x"},'
    '"labels":{"team":"payments","tier":"backend","release":"2024.11.3"},"reason":"OOMKilled","restarts":7,'
    '"message":"container exceeded its memory limit and was restarted by the kubelet","limits":{"memory":"512Mi",'
    '"cpu":"500m"},"annotations":["first-seen","auto-remediation","notify-oncall"]}}'
)


@functools.lru_cache(maxsize=64)
def _template(prefix: str, moment: str) -> bytes:
    return (_EVENT % {"prefix": prefix, "moment": moment}).encode()


def event_bytes(prefix: str, number: int, moment: str) -> bytes:
    """One event of about 1 KB, distinct by its correlation id and its data."""
    return _template(prefix, moment) % (number, number % 97, number % 997, number, number)


def now() -> str:
    """The present as the API wants it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def singles(prefix: str) -> Requests:
    """Requests of one distinct event each, without end; head and body are one template, so that each costs little."""
    moment = now()
    # A number of fixed width keeps the length, and so the head, the same.
    body = _template(prefix, moment).replace(b"%d", b"%010d", 1)
    head = post("/api/v1/audit/events", body % (0, 10, 100, 10**9, 0)).split(b"\r\n\r\n", 1)[0]
    whole = head + b"\r\n\r\n" + body
    return (whole % (n, 10 + n % 87, 100 + n % 897, 10**9 + n, n) for n in itertools.count())


def batches(prefix: str, count: int, size: int) -> Requests:
    """Requests of ``size`` distinct events each."""
    moment = now()
    for b in range(count):
        events = (event_bytes(prefix, b * size + i, moment) for i in range(size))
        yield post("/api/v1/audit/events/batch", b"[" + b",".join(events) + b"]")
