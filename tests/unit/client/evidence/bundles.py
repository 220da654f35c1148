"""Bundles of made-up logs, and what somebody may do to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from datastorage_client.evidence import About, Checked, Stream, Written, check_evidence, write_evidence, zip_layout
from datastorage_client.evidence.manifest import Manifest, parse_manifest
from datastorage_client.evidence.zip_layout import METHODS
from datastorage_client.evidence.zip_read import ZipReader
from datastorage_client.evidence.zip_write import ZipWriter
from datastorage_client.verify.trust import Trust

from tests.log_record import event_steps, parse
from tests.unit.client.verify.log_server import DAY, KEY, SALT, Log
from tests.unit.client.verify.test_tree import fetch_from

TRUST = Trust((KEY.verifier,))
REQUEST = "0199c0de-0000-7000-8000-000000000001"
QUERY = {"event_type": "gateway.signal.received", "format": "ndjson", "salts": "true"}


def line_of(log: Log, index: int) -> bytes:
    """A record as the export gives it with its salt."""
    return log._item(index).encode()


def put_exported(log: Log, outcome: str, request: str = REQUEST, actor: str = "auditor", **data: Any) -> int:
    """The service's own event about an export; its place."""
    ident = f"0199c0de-0000-7000-9000-{len(log.entries):012}"
    log.put_event(ident)
    index = len(log.entries) - 1
    told = {
        "request_id": request, "route": "GET /api/v1/audit/export", "filters": QUERY, "format": "ndjson",
        "kinds": ["audit_event"], "salts": True, "range": [0, 0], **data,
    }  # fmt: skip
    event = json.loads(log.events[ident])
    event |= {
        "event_type": "datastorage.audit.exported", "event_category": "datastorage.access", "event_action": "export",
        "event_outcome": outcome, "actor_id": actor, "recorded_by": None, "request_id": request, "event_data": told,
    }  # fmt: skip
    [steps] = event_steps(parse(json.dumps(event)), SALT)
    log.events[ident] = json.dumps({**event, "digest": steps.digest.hex()}).encode()
    log.entries[index] = steps.entry.encode()
    log.records[index] = ("audit_event", f"{ident} {DAY}")
    return index


def export(log: Log, indexes: Iterable[int], *, stop: int | None = None) -> tuple[list[bytes], About]:
    """An export of these records, recorded in the log, which is signed then."""
    lines = [line_of(log, index) for index in indexes]
    body = b"".join(line + b"\n" for line in lines)
    stop = len(log.entries) if stop is None else stop
    span = {"range": [0, stop]}
    put_exported(log, "pending", **span)
    told = {"rows": len(lines), "sensitive_events": 0, "bytes": len(body), "sha256": sha256(body).hexdigest()}
    put_exported(log, "success", **span, **told)
    log.sign()
    stream = Stream(
        request_id=REQUEST, records=len(lines), bytes=len(body), sha256=sha256(body).hexdigest(), whole=True
    )
    about = About(query=QUERY, range=(0, stop), principal="auditor", end=str(stop), streams=[stream])
    return lines, about


def write(path: Path, log: Log, lines: Iterable[bytes], about: About, **options: Any) -> Written:
    return write_evidence(path, lines, fetch_from(log), TRUST, lambda: about, **options)


def bundle(path: Path, log: Log, indexes: Iterable[int]) -> Path:
    lines, about = export(log, indexes)
    write(path, log, lines, about)
    return path


def check(path: Path, trust: Trust = TRUST) -> Checked:
    return check_evidence(path, trust)


def told(path: Path, trust: Trust = TRUST) -> list[str]:
    """What is wrong with a bundle, as people read it."""
    return [str(fault) for fault in check(path, trust).wrong]


def contents(path: Path) -> dict[str, bytes]:
    """The files of a bundle."""
    with ZipReader(path) as reader:
        return {name: b"".join(reader.open(name)) for name in METHODS}


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None], *, manifest: bool = True) -> None:
    """What somebody makes of a bundle who rewrites zip, comment and (with ``manifest``) the manifest too."""
    files = contents(path)
    change(files)
    with open(path, "w+b") as file:
        made = ZipWriter(file)
        for name in METHODS:
            data = files[name]
            if name == zip_layout.MANIFEST and manifest:
                data = _manifest(parse_manifest(data), made)
            made.put(name, data)
        made.close()


def _manifest(manifest: Manifest, made: ZipWriter) -> bytes:
    return msgspec.structs.replace(manifest, files=made.files).encode()
