"""The commands of the pages on export, follow, evidence and holds, as they stand, against the real service."""

from __future__ import annotations

import csv
import gzip
import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from datastorage_common.notes import make_key

from tests.e2e.conftest import LOG_KEY, store
from tests.e2e.test_docs import blocks, run
from tests.support import ROOT, Database, GunicornService, wait_until

DOCS = ROOT / "docs"
EXPORT = "/api/v1/audit/export"
COMMAND = str(Path(sys.executable).parent / "datastorage")


@pytest.fixture
def service(run_service: Callable[..., GunicornService]) -> GunicornService:
    """One that has what the test has stored, and nothing of others."""
    return run_service()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reader"
    made.mkdir()
    return made


def exportable(service: GunicornService, count: int, **members: object) -> list[str]:
    """Store events, and wait until an export has them; their ids."""
    ids = store(service, count, **members)
    wait_until(lambda: set(ids) <= {row["event_id"] for row in exported(service)}, what="they are in the log")
    return ids


def exported(service: GunicornService, query: str = "") -> list[dict[str, object]]:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("GET", EXPORT + query)
        return [json.loads(line) for line in connection.getresponse().read().splitlines()]


def test_the_page_of_the_export(service: GunicornService, folder: Path) -> None:
    mine = exportable(service, 7, actor_id="alice", error_message="=1+1")
    exportable(service, 5, event_outcome="failure")
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
    stored = exportable(service, 4)
    _, failed = run(DOCS / "follow.md", folder, service)
    assert failed == []
    ids = [json.loads(line)["event_id"] for line in (folder / "audit.ndjson").read_text().splitlines()]
    assert set(stored) <= set(ids)
    assert len(ids) == len(set(ids)), "and the second one wrote none again"


def test_the_page_of_evidence(signed: GunicornService, folder: Path) -> None:
    exportable(signed, 4, actor_id="alice")
    _, failed = run(DOCS / "evidence.md", folder, signed)
    assert failed == []
    with zipfile.ZipFile(folder / "evidence.zip") as bundle:
        assert {"records.ndjson", "exported.ndjson", "proof.txt", "checkpoint", "manifest.json"} <= {*bundle.namelist()}
    for name in ("evidence.zip", "quarter.zip"):
        done = subprocess.run(
            [COMMAND, "verify", name, "--key", "log.pub", "--json"],
            cwd=folder, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        told = json.loads(done.stdout)
        assert (done.returncode, told["ok"]) == (0, True)
    # The quarter as a whole: what is between its events is in it too, and nothing was filtered out.
    quarter = (folder / "quarter.ndjson").read_bytes().splitlines()
    assert told["range"][1] == json.loads(quarter[-1])["log_index"] + 1
    assert told["records"] >= len(quarter) - 1
    assert not [text for text in told["not_proven"] if "filter left nothing out" in text]


def test_the_page_of_holds(service: GunicornService, folder: Path, database: Database) -> None:
    [mine] = store(service, 1, actor_id="alice")
    shown, failed = run(DOCS / "holds.md", folder, service)
    assert failed == []
    assert mine in shown, "what the filter finds"
    assert 'it takes audit events with actor_id="alice" from 2025-10-01T00:00:00Z;' in shown
    assert 'it takes notifications with channel="email" from 2025-10-01T00:00:00Z;' in shown
    assert "it takes all audit events and notifications;" in shown
    held, _ = json.JSONDecoder().raw_decode(shown[shown.index("[\n") :])
    assert [hold["name"] for hold in held] == ["case 2026-17", "move of the archive"]
    assert f"hold {held[1]['hold_id']} is released: move of the archive" in shown
    assert "because   the copy is verified" in shown
    told = [json.loads(line) for line in shown.splitlines() if line.startswith('["datastorage.admin.')]
    assert [(kind.rpartition(".")[2], name) for kind, _, name in told] == [
        ("hold_released", "move of the archive"),
        ("hold_set", "move of the archive"),
        ("hold_set", "case 2026-17"),
        ("hold_set", "case 2026-17"),
    ]
    # What the owner asks before a month is removed; of the month that the event is in.
    now = datetime.now(UTC)
    for query, rows in zip(
        blocks(DOCS / "holds.md", "sql"), ([(held[0]["hold_id"], "case 2026-17", 1)], []), strict=True
    ):
        asked = query.replace("2025-10-01", f"{now - timedelta(days=1):%Y-%m-%d}").replace(
            "2025-11-01", f"{now + timedelta(days=2):%Y-%m-%d}"
        )
        with psycopg.connect(database.service_url) as conn:
            assert [(str(hold), *rest) for hold, *rest in conn.execute(asked)] == rows


def test_evidence_of_one_person(signed: GunicornService, folder: Path) -> None:
    mine = exportable(signed, 3, actor_id="alice")
    exportable(signed, 3)
    (folder / "log.pub").write_text(f"{LOG_KEY.verifier}\n")
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
    store_much(service)
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


def store_much(service: GunicornService) -> None:
    """19 MB of rows, which no connection takes by itself, and which do not pack well."""
    text = random.Random(1).randbytes(4000).hex()
    for _ in range(12):
        store(service, 200, event_data={"t": text})
    wait_until(lambda: len(exported(service, "?severity=info")) >= 2400, what="they are in the log")


def test_a_reader_that_does_not_read_is_let_go(run_service: Callable[..., GunicornService]) -> None:
    """Its thread and its place serve others then, and it is recorded."""
    service = run_service(server__threads="4", server__answer_timeout="1")
    store_much(service)
    with socket.create_connection(("127.0.0.1", service.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET {EXPORT} HTTP/1.1\r\nHost: x\r\nX-Request-ID: slow-1\r\n\r\n".encode())
        wait_until(lambda: "export broken" in service.log.read_text(), what="it is given up")
        assert len(exported(service, "?severity=info")) >= 2400, "the one place that there is, is free"
    query = "?request_id=slow-1&event_type=datastorage.audit.exported"
    told = service.request("GET", f"/api/v1/audit/events{query}").json["data"]
    assert [row["event_outcome"] for row in told] == ["failure", "pending"]


def test_http_1_0_is_told_why(service: GunicornService) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
        connection.request("GET", EXPORT)
        answer = connection.getresponse()
        assert answer.status == 505
        assert b"HTTP/1.1" in answer.read()


def test_it_is_packed_in_pieces(service: GunicornService) -> None:
    exportable(service, 30)
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.request("GET", f"{EXPORT}?format=csv", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        assert gzip.decompress(answer.read()).count(b"\r\n") >= 31
