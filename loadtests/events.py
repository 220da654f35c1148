"""Audit events made of real CloudTrail records: mapped as the importer maps them, varied, stamped with the present."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from datastorage_client.cli.importers import cloudtrail

CORPUS = Path(__file__).resolve().parent / "corpus"


@functools.cache
def mapped() -> list[dict[str, Any]]:
    """One event for each record of the corpus, as `datastorage import cloudtrail` would send it."""
    with gzip.open(CORPUS / "cloudtrail.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [cloudtrail.to_event(json.loads(line)) for line in lines]


@dataclass(frozen=True)
class _Template:
    """An event as bytes, cut where what differs from event to event goes in."""

    before: bytes
    between: bytes
    after: bytes


_MOMENT, _CORRELATION = "\x01moment\x01", "\x01correlation\x01"


@functools.cache
def _templates() -> list[_Template]:
    made = []
    for event in mapped():
        # Without event_id: the service makes one, so that the same record can be sent again and again.
        body = {k: v for k, v in event.items() if k != "event_id"}
        ordered = {**body, "event_timestamp": _MOMENT, "correlation_id": _CORRELATION}
        raw = orjson.dumps({k: ordered[k] for k in sorted(ordered, key=lambda k: k == "correlation_id")})
        before, rest = raw.split(orjson.dumps(_MOMENT), 1)
        between, after = rest.split(orjson.dumps(_CORRELATION), 1)
        made.append(_Template(before, between, after))
    return made


def moment() -> str:
    """The present as the API wants it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def bodies(prefix: str, start: int = 0, step: int = 1) -> Iterator[bytes]:
    """Bodies for POST /api/v1/audit/events without end, each from another record; about 1.5 KB.

    The n-th is about ``<prefix>-<n // 4>``: four events share a correlation, as calls of one session do.
    """
    templates = _templates()
    for n in itertools.count(start, step):
        t = templates[n * 7 % len(templates)]
        yield b'%b"%b"%b"%b-%d"%b' % (t.before, moment().encode(), t.between, prefix.encode(), n // 4, t.after)


def batches(prefix: str, size: int, start: int = 0, step: int = 1) -> Iterator[bytes]:
    """Bodies for POST /api/v1/audit/events/batch without end, ``size`` events each."""
    for n in itertools.count(start, step):
        yield b"[" + b",".join(itertools.islice(bodies(prefix, n * size), size)) + b"]"


def with_id(body: bytes, ident: str) -> bytes:
    """The same body with an event_id of the client's own, which makes sending it again safe."""
    return b'{"event_id":"%b",%b' % (ident.encode(), body[1:])
