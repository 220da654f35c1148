"""The commands of docs/export.md, docs/follow.md and docs/evidence.md, as they stand, against the real service."""

from __future__ import annotations

import csv
import gzip
import http.client
import json
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from datastorage_common.notes import make_key

from tests.e2e.test_docs import blocks, run
from tests.support import ROOT, GunicornService, event, wait_until

DOCS = ROOT / "docs"
EXPORT = "/api/v1/audit/export"
KEY = make_key("log.example/audit", b"\7" * 32)
COMMAND = str(Path(sys.executable).parent / "datastorage")


@pytest.fixture
def service(run_service: Callable[..., GunicornService]) -> GunicornService:
    """One that has what the test has stored, and nothing of others."""
    return run_service()


@pytest.fixture
def signed(run_service: Callable[..., GunicornService], tmp_path: Path) -> GunicornService:
    """A service whose log is signed."""
    (tmp_path / "log.key").write_text(KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    return run_service(log__key_file=str(tmp_path / "log.key"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reader"
    made.mkdir()
    return made


def store(service: GunicornService, count: int, **members: object) -> list[str]:
    """Store events, and wait until an export has them; their ids."""
    answer = service.request("POST", "/api/v1/audit/events/batch", [event(**members) for _ in range(count)])
    assert answer.status == 201
    ids: list[str] = answer.json["event_ids"]
    wait_until(lambda: set(ids) <= {row["event_id"] for row in exported(service)}, what="they are in the log")
    return ids


def exported(service: GunicornService, query: str = "") -> list[dict[str, object]]:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("GET", EXPORT + query)
        return [json.loads(line) for line in connection.getresponse().read().splitlines()]


def test_the_page_of_the_export(service: GunicornService, folder: Path) -> None:
    mine = store(service, 7, actor_id="alice", error_message="=1+1")
    store(service, 5, event_outcome="failure")
    shown, failed = run(DOCS / "export.md", folder, service)
    assert failed == []
    assert shown.splitlines()[0] == "event_id,event_date,version,event_type,event_timestamp"
    rows = list(csv.DictReader((folder / "alice.csv").open(newline="")))
    assert [row["event_id"] for row in rows] == mine
    assert {row["error_message"] for row in rows} == {"'=1+1"}
    assert "audit-events-" in shown, "a Parquet file a day"
    parts = [(folder / name).read_bytes().splitlines() for name in ("first.ndjson", "rest.ndjson")]
    assert parts[0][1:] == parts[1], "it goes on behind the first row"
    [plain] = blocks(DOCS / "export.md", "python")
    (folder / "plain.py").write_text(plain)
    said = subprocess.run(
        [sys.executable, "plain.py", "alice.csv"], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert "'error_message': '=1+1'" in said.stdout


def test_the_page_of_follow(service: GunicornService, folder: Path) -> None:
    stored = store(service, 4)
    _, failed = run(DOCS / "follow.md", folder, service)
    assert failed == []
    ids = [json.loads(line)["event_id"] for line in (folder / "audit.ndjson").read_text().splitlines()]
    assert set(stored) <= set(ids)
    assert len(ids) == len(set(ids)), "and the second one wrote none again"


def test_the_page_of_evidence(signed: GunicornService, folder: Path) -> None:
    store(signed, 4, actor_id="alice")
    _, failed = run(DOCS / "evidence.md", folder, signed)
    assert failed == []
    with zipfile.ZipFile(folder / "evidence.zip") as bundle:
        assert {"records.ndjson", "exported.ndjson", "proof.txt", "checkpoint", "manifest.json"} <= {*bundle.namelist()}
    done = subprocess.run(
        [COMMAND, "verify", "evidence.zip", "--key", "log.pub", "--json"],
        cwd=folder, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (0, True)


def test_evidence_of_one_person(signed: GunicornService, folder: Path) -> None:
    mine = store(signed, 3, actor_id="alice")
    store(signed, 3)
    (folder / "log.pub").write_text(f"{KEY.verifier}\n")
    options = ["--url", signed.url, "--actor-id", "alice", "--evidence", "alice.zip", "--key", "log.pub"]
    made = subprocess.run(
        [COMMAND, "export", *options], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert made.returncode == 0, made.stderr
    assert "3 records, proven in log.example/audit" in made.stderr
    with zipfile.ZipFile(folder / "alice.zip") as bundle:
        assert [json.loads(line)["event_id"] for line in bundle.read("records.ndjson").splitlines()] == mine
    again = subprocess.run(
        [COMMAND, "export", *options], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert again.returncode == 2
    assert "is there already" in again.stderr
    other = make_key("log.example/audit", b"\6" * 32)
    (folder / "log.pub").write_text(f"{other.verifier}\n")
    refused = subprocess.run(
        [COMMAND, "export", *options, "--force"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_an_instance_that_stops_breaks_off_so_that_one_can_tell(
    run_service: Callable[..., GunicornService], coding: str
) -> None:
    service = run_service(server__threads="8")
    for _ in range(12):
        text = random.Random(1).randbytes(4000).hex()
        assert (
            service.request(
                "POST", "/api/v1/audit/events/batch", [event(event_data={"t": text}) for _ in range(200)]
            ).status
            == 201
        )
    wait_until(lambda: len(exported(service, "?severity=info")) >= 2400, what="they are in the log")
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("GET", EXPORT, headers={"Accept-Encoding": coding})
        answer = connection.getresponse()
        assert answer.headers["Transfer-Encoding"] == "chunked"
        begun = answer.read(10_000)
        assert len(begun) == 10_000
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    assert service.process.wait(60) == 0
    assert "export broken" in service.log.read_text()


def test_http_1_0_is_told_why(service: GunicornService) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
        connection.request("GET", EXPORT)
        answer = connection.getresponse()
        assert answer.status == 505
        assert b"HTTP/1.1" in answer.read()


def test_it_is_packed_in_pieces(service: GunicornService) -> None:
    store(service, 30)
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("GET", f"{EXPORT}?format=csv", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        assert gzip.decompress(answer.read()).count(b"\r\n") >= 31
