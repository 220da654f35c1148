"""The log of a service under gunicorn, read as strangers and verifiers read it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

from datastorage_common.notes import make_key

from tests.support import GunicornService, event, notification, wait_until

LOG = "/api/v1/log"
EVENTS = "/api/v1/audit/events"
KEY = make_key("log.example/one", bytes(range(32)))


def test_the_verifier_of_the_client_accepts_it(run_service: Callable[..., GunicornService], tmp_path: Path) -> None:
    keys, verifier = tmp_path / "keys", tmp_path / "log.vkey"
    keys.write_text(KEY.encode())
    keys.chmod(0o600)
    service = run_service(log__key_file=str(keys), audit__record_service="false")
    ident = str(uuid.uuid4())
    batch = [event() for _ in range(299)]
    assert service.request("POST", f"{EVENTS}/batch", [*batch, event(event_id=ident)]).status == 201
    number = service.request("POST", "/api/v1/audit/notifications", notification()).json["id"]
    for path in (f"{EVENTS}/{ident}", f"/api/v1/audit/notifications/{number}"):
        wait_until(lambda path=path: service.request("GET", f"{path}/proof").status == 200, what="it is signed")
    checkpoint = service.request("GET", f"{LOG}/checkpoint").body
    size = int(checkpoint.split(b"\n")[1])
    assert size == 301
    verifier.write_bytes(service.request("GET", f"{LOG}/key").body)
    assert verifier.read_text() == f"{KEY.verifier}\n"
    told = verify("--url", service.url, "--key", str(verifier), "--sample", "20")
    assert told.returncode == 0, told.stderr + told.stdout
    proof, row = tmp_path / "event.tlog-proof", tmp_path / "event.json"
    proof.write_bytes(service.request("GET", f"{EVENTS}/{ident}/proof").body)
    row.write_bytes(service.request("GET", f"{EVENTS}/{ident}").body)
    offline = ("--key", str(verifier), "--proof", str(proof))
    assert verify(*offline, "--event", str(row)).returncode == 0
    altered = json.loads(row.read_bytes())
    row.write_text(json.dumps({**altered, "recorded_by": "somebody else"}))
    assert verify(*offline, "--event", str(row)).returncode == 1
    [told_of] = service.request("GET", "/api/v1/audit/notifications").json["data"]
    proof.write_bytes(service.request("GET", f"/api/v1/audit/notifications/{number}/proof").body)
    row.write_text(json.dumps(told_of))
    assert verify(*offline, "--notification", str(row)).returncode == 0
    # The server decodes paths before they are routed.
    assert service.request("GET", f"{LOG}/tile/0/001.p/45").status == 200
    for path in ("0%2F001.p/45", "0/001.p%2F45", "%30/001.p/45", "0/001.p/45%0A", "0/../0/001.p/45"):
        assert service.request("GET", f"{LOG}/tile/{path}").status == 404, path


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("datastorage")), "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
