"""The corpus goes in through the importer, twice, and comes out of the query command, as users run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.importers.files import read_records
from datastorage_common import jsonvalue

from tests.support import ROOT

CORPUS = ROOT / "loadtests" / "corpus" / "cloudtrail.jsonl.gz"
RECORDS = 2274
# The corpus has one account and one region; others share the service.
OURS = ("--namespace", "123837392027", "--cluster-name", "us-east-1")


class Service(Protocol):
    """All that is needed of a running service."""

    @property
    def url(self) -> str: ...


def datastorage(service: Service, *arguments: str) -> str:
    """Standard output of a `datastorage` command that succeeds."""
    result = subprocess.run(
        [sys.executable, "-m", "datastorage_client.cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATASTORAGE_URL": service.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def query(service: Service, *filters: str) -> list[dict[str, Any]]:
    """Rows of the corpus that match."""
    shown = datastorage(service, "events", "--json", "--all", *OURS, *filters)
    return [jsonvalue.parse(line.encode()) for line in shown.splitlines()]


def imported(service: Service) -> dict[str, Any]:
    """Import the corpus; the summary."""
    shown = datastorage(service, "import", "cloudtrail", "--shift-to-now", "--json", str(CORPUS))
    summary = json.loads(shown.splitlines()[-1])
    assert isinstance(summary, dict)
    return summary


@pytest.fixture(scope="module")
def records() -> dict[str, dict[str, Any]]:
    """The records of the corpus by eventID."""
    return {r.value["eventID"]: r.value for r in read_records(str(CORPUS))}


@pytest.fixture(scope="module")
def shift(service: Service) -> timedelta:
    """Imports the corpus twice; by how much its times were moved."""
    first = imported(service)
    # Another test may have imported it into the same service before.
    assert first["stored"] + first["already_stored"] == RECORDS
    second = imported(service)
    assert (second["stored"], second["already_stored"], second["refused"]) == (0, RECORDS, 0)
    assert second["shift_reused"]
    assert second["shift"] == first["shift"]
    return timedelta(seconds=int(first["shift"].removesuffix("s")))


def test_every_record_comes_out_once_and_unchanged(
    service: Service, shift: timedelta, records: dict[str, dict[str, Any]]
) -> None:
    rows = query(service)
    assert len(rows) == len(records) == RECORDS
    assert {row["event_id"] for row in rows} == set(records)
    for row in rows:
        record = records[row["event_id"]]
        assert jsonvalue.canonical(row["event_data"]) == jsonvalue.canonical(record)
        assert moment(row["event_timestamp"]) == moment(record["eventTime"]) + shift
    keys = [(row["event_timestamp"], row["event_id"]) for row in rows]
    assert keys == sorted(keys, reverse=True)
    assert moment(rows[0]["event_timestamp"]) <= datetime.now(UTC)


def test_pages_of_any_size_give_the_same(service: Service, shift: timedelta) -> None:
    everything = [row["event_id"] for row in query(service)]
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = HTTPClient(service.url).get(
            "/api/v1/audit/events", {"namespace": "123837392027", "limit": "97", **cursor}
        )
        paged += [row["event_id"] for row in page.object()["data"]]
        following = page.object()["pagination"]["next_cursor"]
        if following is None:
            break
        cursor = {"cursor": following}
    assert paged == everything


@pytest.mark.parametrize(("actor", "expected"), [("bert-jan", 2048), ("benjamin", 99), ("nobody", 0)])
def test_by_actor(service: Service, shift: timedelta, actor: str, expected: int) -> None:
    rows = query(service, "--actor-id", actor)
    assert len(rows) == expected
    assert all(row["event_data"]["userIdentity"]["userName"] == actor for row in rows)


def test_by_outcome(service: Service, shift: timedelta, records: dict[str, dict[str, Any]]) -> None:
    failed = query(service, "--outcome", "failure")
    assert {row["event_id"] for row in failed} == {i for i, r in records.items() if r.get("errorCode")}
    assert Counter(row["error_code"] for row in failed) == Counter(
        r["errorCode"] for r in records.values() if r.get("errorCode")
    )
    assert len(query(service, "--outcome", "success")) == 2033


def test_by_time(service: Service, shift: timedelta, records: dict[str, dict[str, Any]]) -> None:
    low, high = "2023-07-10T11:55:23Z", "2023-07-10T12:15:59Z"
    bounds = [(moment(t) + shift).strftime("%Y-%m-%dT%H:%M:%SZ") for t in (low, high)]
    rows = query(service, "--since", bounds[0], "--until", bounds[1])
    assert {row["event_id"] for row in rows} == {i for i, r in records.items() if low <= r["eventTime"] <= high}
    assert 0 < len(rows) < RECORDS


@pytest.mark.parametrize(
    ("data", "matches"),
    [
        (
            {"userIdentity": {"invokedBy": "AWS Internal"}},
            lambda r: r["userIdentity"].get("invokedBy") == "AWS Internal",
        ),
        ({"resources": [{"type": "AWS::KMS::Key"}]}, lambda r: "AWS::KMS::Key" in str(r.get("resources"))),
        ({"readOnly": False}, lambda r: r["readOnly"] is False),
        ({"responseElements": None}, lambda r: r["responseElements"] is None),
    ],
)
def test_by_containment(
    service: Service, shift: timedelta, records: dict[str, dict[str, Any]], data: dict[str, Any], matches: Any
) -> None:
    rows = query(service, "--data", json.dumps(data))
    assert {row["event_id"] for row in rows} == {i for i, r in records.items() if matches(r)}
    assert rows


def test_as_a_table(service: Service, shift: timedelta) -> None:
    shown = datastorage(service, "events", *OURS, "--limit", "5")
    assert len(shown.splitlines()) == 6


def moment(text: str) -> datetime:
    """The time of its RFC 3339 text."""
    return datetime.fromisoformat(text)


def test_a_span_of_more_than_a_week_is_told_in_every_run(service: Service, tmp_path: Path) -> None:
    """And what is there is stored once."""
    ids = [str(uuid.uuid4()) for _ in range(2)]
    path = tmp_path / "two.jsonl"
    path.write_bytes(
        b"".join(
            jsonvalue.compact(
                {
                    "eventID": ident,
                    "eventTime": f"2026-03-{day:02}T12:00:00Z",
                    "eventSource": "s3.amazonaws.com",
                    "eventName": "GetObject",
                    "requestID": ids[0],
                }
            )
            + b"\n"
            for ident, day in zip(ids, (1, 11), strict=True)
        )
    )
    for existing in (0, 1):
        command = [
            sys.executable,
            "-m",
            "datastorage_client.cli.main",
            "import",
            "cloudtrail",
            "--shift-to-now",
            str(path),
        ]
        done = subprocess.run(
            [*command, "--url", service.url], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 1
        assert f"{1 - existing} stored, {existing} already there, 0 accepted for later, 1 refused" in done.stdout
        [hint] = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
        assert hint.startswith("hint: the records span 10d, more than the service takes back from now (7 days)")
        assert "--shift" not in hint
    rows = datastorage(service, "events", "--json", "--all", "--correlation-id", ids[0]).splitlines()
    assert [json.loads(row)["event_id"] for row in rows] == [ids[1]]
