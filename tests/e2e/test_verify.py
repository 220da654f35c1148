"""The client's verifier and its commands against the real service, with a signed log."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from datastorage_client import DataStorageClient
from datastorage_client.verify import RecordDiffersError, Verifier
from datastorage_client.verify.stored import find_stored
from datastorage_common import jsonvalue
from datastorage_common.notes import make_key

from tests.e2e.test_integrate import verifying_block
from tests.support import ROOT, Database, GunicornService, event, notification, wait_until

KEY = make_key("log.example/audit", b"\7" * 32)
# Written in other forms than the canonical one.
DATA = '{"z": 1.50, "a": 1e2, "big": 123456789012345678901234567890, "tiny": -1.20e-7, "list": [1, "é", null]}'


@pytest.fixture
def service(run_service: Callable[..., GunicornService], tmp_path: Path) -> GunicornService:
    """One whose log is signed, and remembered in its database alone; the verifier key is in log.pub."""
    (tmp_path / "log.key").write_text(KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    (tmp_path / "log.pub").write_text(f"{KEY.verifier}\n")
    return run_service(log__key_file=str(tmp_path / "log.key"))


def command(service: GunicornService, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "datastorage_client.cli.main", *arguments],
        cwd=folder, env={**os.environ, "DATASTORAGE_URL": service.url, "DATASTORAGE_LOG_KEY": "log.pub"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def verified(service: GunicornService, folder: Path, size: int, *options: str) -> dict[str, Any]:
    """What `datastorage verify` says, once so many entries are signed."""
    found: dict[str, Any] = {}

    def is_there() -> bool:
        done = command(service, folder, "verify", "--json", *options)
        assert done.returncode in (0, 3), done.stderr
        found.clear()
        found.update(json.loads(done.stdout or "{}"))
        return int(found.get("size", 0)) >= size

    wait_until(is_there, what=f"{size} entries are signed", timeout=60)
    return found


def test_every_record_is_proven_and_the_whole_log_verified(service: GunicornService, tmp_path: Path) -> None:
    verifier = Verifier(tmp_path / "log.pub", store=tmp_path / "seen")
    batch = [event(event_data={"n": n}) for n in range(300)]
    assert service.request("POST", "/api/v1/audit/events/batch", batch).status == 201
    body = json.dumps(event(event_data={})).replace('"event_data": {}', f'"event_data": {DATA}')
    with DataStorageClient(service.url) as client:
        made = client._http.post(
            "/api/v1/audit/events", content=body.encode(), headers={"Content-Type": "application/json"}
        )
        row = client._http.post("/api/v1/audit/notifications", json=notification())
        proved = verifier.event(client, made.json()["event_id"], wait=60)
        assert proved.record["event_data"] == jsonvalue.parse(DATA.encode())
        listed = client._http.get("/api/v1/audit/notifications").content
        [listed_row] = jsonvalue.parse(listed)["data"]
        assert verifier.notification(client, listed_row, wait=60).entry.id == str(row.json()["id"])
        with pytest.raises(RecordDiffersError):
            verifier.notification(client, {**listed_row, "recipient": "another"})
        assert verifier.update(client).size >= 302
    total = verifier_total(service)
    told = verified(service, tmp_path, total, "--sample", "20", "--store", "seen")
    assert (told["ok"], told["sampled"]) == (True, 20)
    assert (told["compared"], told["not_compared"]) == (told["size"], None)


def verifier_total(service: GunicornService) -> int:
    """How many records are stored; reading makes no more of them."""
    events = service.request("GET", "/api/v1/audit/events?limit=1").json["pagination"]["total"]
    rows = service.request("GET", "/api/v1/audit/notifications?limit=1").json["pagination"]["total"]
    return int(events + rows)


def test_an_edited_record_is_found(service: GunicornService, database: Database, tmp_path: Path) -> None:
    assert service.request("POST", "/api/v1/audit/events", event()).status == 201
    made = service.request("POST", "/api/v1/audit/events", event(is_sensitive=True)).json
    verified(service, tmp_path, verifier_total(service), "--sample", "5")
    database.query("ALTER TABLE audit_events DISABLE TRIGGER USER")
    changed = "UPDATE audit_events SET actor_id = 'somebody else'"
    database.query(f"{changed} WHERE event_id = '{made['event_id']}'")
    done = command(service, tmp_path, "verify", "--records")
    assert done.returncode == 1
    said = "its content does not give its digest; wrong in all: 1 "
    assert re.search(
        f"a record is not the one in the log: audit_event {made['event_id']}, entry [0-9]+: {said}", done.stderr
    )
    database.query(f"{changed} WHERE event_category <> 'datastorage'")
    done = command(service, tmp_path, "verify", "--no-records", "--sample", "50")
    assert done.returncode == 1
    assert "does not give the digest" in done.stderr


def test_a_proof_goes_by_file(service: GunicornService, tmp_path: Path) -> None:
    made = service.request("POST", "/api/v1/audit/events", event())
    path = f"/api/v1/audit/events/{made.json['event_id']}"
    with DataStorageClient(service.url) as client:
        Verifier(tmp_path / "log.pub").event(client, made.json["event_id"], wait=60)
        (tmp_path / "event.json").write_bytes(client._http.get(path).content)
        for name, accept in (("event.tlog-proof", "text/plain"), ("event.proof.json", "application/json")):
            proof = client._http.get(f"{path}/proof", headers={"Accept": accept}).content
            (tmp_path / name).write_bytes(proof)
            done = command(service, tmp_path, "verify", "--proof", name, "--event", "event.json")
            assert done.returncode == 0, done.stderr


def test_the_log_is_mirrored(service: GunicornService, tmp_path: Path) -> None:
    for first in range(0, 600, 300):
        batch = [event(event_data={"n": first + n}) for n in range(300)]
        assert service.request("POST", "/api/v1/audit/events/batch", batch).status == 201
    verified(service, tmp_path, verifier_total(service))
    done = command(service, tmp_path, "log", "mirror", "copy")
    assert done.returncode == 0, done.stderr
    assert {"checkpoint", "tile"} <= {path.name for path in (tmp_path / "copy").iterdir()}
    assert command(service, tmp_path, "log", "mirror", "copy", "--missing").returncode == 0
    with DataStorageClient(service.url) as client:
        tile = client._http.get("/api/v1/log/tile/entries/001", headers={"Accept": "application/octet-stream"})
    assert (tmp_path / "copy/tile/entries/001").read_bytes() == tile.content


def test_an_event_that_is_stored_is_told_from_one_that_is_not(service: GunicornService, tmp_path: Path) -> None:
    made = service.request("POST", "/api/v1/audit/events", event()).json
    with DataStorageClient(service.url) as client:
        entry = Verifier(tmp_path / "log.pub").event(client, made["event_id"], wait=60).entry
        entries = [entry, replace(entry, id=str(uuid4())), replace(entry, on="2020-01-01")]
        # As a log would see it that has no place for it yet.
        found = find_stored(lambda path, accept: client._http.get(path, headers={"Accept": accept}).content, entries, 0)
    assert found == [True, False, False]


def test_the_commands_on_the_page_run(service: GunicornService, tmp_path: Path) -> None:
    section = (ROOT / "docs/log.md").read_text().partition("## Verifying from outside")[2]
    commands = re.findall(r"^datastorage (.*?)(?: *#.*)?$", section.partition("\n## ")[0], re.MULTILINE)
    assert len(commands) == 6
    made = service.request("POST", "/api/v1/audit/events", event())
    path = f"/api/v1/audit/events/{made.json['event_id']}"
    with DataStorageClient(service.url) as client:
        Verifier(tmp_path / "log.pub").event(client, made.json["event_id"], wait=60)
        (tmp_path / "event.json").write_bytes(client._http.get(path).content)
        proof = client._http.get(f"{path}/proof", headers={"Accept": "text/plain"}).content
        (tmp_path / "event.tlog-proof").write_bytes(proof)
    for line in commands:
        done = command(service, tmp_path, *line.replace("https://db-api", service.url).split())
        assert done.returncode == 0, (line, done.stderr)


def test_the_code_on_the_page_runs(
    service: GunicornService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = verifying_block().replace("http://127.0.0.1:8080", service.url)
    exec(compile(code, "integrate.md", "exec"), {"__name__": "__main__"})
    assert " 1.5 " in capsys.readouterr().out
