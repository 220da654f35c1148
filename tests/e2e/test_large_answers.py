"""However large what is stored, a worker answers from memory that is bounded."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import orjson
import psutil
from datastorage_client import DataStorageClient

from tests.e2e.load import EVENTS
from tests.e2e.test_concurrency import at_once, workers_of
from tests.support import Answer, GunicornService, event

MIB = 1024**2
WORKFLOWS = "/api/v1/workflows"
Run = Callable[..., GunicornService]


def peak_bytes(worker: psutil.Process) -> int:
    """The most memory that the process has had so far (Linux)."""
    with open(f"/proc/{worker.pid}/status", encoding="ascii") as status:
        [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def texts(size: int) -> str:
    """So many characters that do not compress."""
    return os.urandom(size // 2).hex()


def page(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200
    assert len(answer.body) <= 8 * MIB
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


def test_four_readers_of_large_events_side_by_side(run_service: Run) -> None:
    service = run_service(server__workers="1")
    sent = []
    for _ in range(50):
        batch = [event(event_id=str(uuid.uuid4()), event_data={"text": texts(250 * 1024)}) for _ in range(10)]
        assert service.request("POST", f"{EVENTS}/batch", batch).status == 201
        sent += [e["event_id"] for e in batch]

    def read(_: int) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            answer = page(service.request("GET", f"{EVENTS}?limit=1000{cursor}"))
            found += [row["event_id"] for row in answer["data"]]
            if not answer["pagination"]["has_more"]:
                return found
            cursor = f"&cursor={answer['pagination']['next_cursor']}"

    assert [sorted(found) for found in at_once(4, read)] == [sorted(sent)] * 4
    first = page(service.request("GET", f"{EVENTS}?limit=1000"))
    assert first["pagination"]["has_more"]
    assert first["pagination"]["total"] == len(sent)
    [worker] = workers_of(service)
    assert peak_bytes(worker) < 300 * MIB


def test_four_readers_of_large_workflows_side_by_side(run_service: Run) -> None:
    service = run_service(server__workers="1")
    labels = {"signal_type": "s", "severity": "low", "component": "c", "environment": "e", "priority": "P0"}
    made = []
    for number in range(12):
        # Content and description take the room in turn: one is left out of lists, the other is not.
        large = texts(4_500_000)
        workflow = {
            "workflow_name": f"large-{number % 2}",
            "version": str(number),
            "name": "n",
            "execution_engine": "job",
            "content": large if number % 2 else "c",
            "description": "d" if number % 2 else large,
            "labels": {**labels, "component": f"c{number % 2}"},
        }
        answer = service.request("POST", WORKFLOWS, workflow)
        assert answer.status == 201
        made.append(orjson.loads(answer.body)["workflow_id"])

    def read(number: int) -> None:
        with DataStorageClient(service.url) as client:
            rows = list(client.iter_workflows(page_size=1000, content=number % 2 == 0))
            assert [str(row.workflow_id) for row in rows] == made[::-1]
            versions = list(client.iter_workflow_versions("large-0", content=True))
            assert [row.version for row in versions] == [str(n) for n in range(10, -1, -2)]
            for component in ("c0", "c1"):
                filters = {**labels, "component": component}
                assert client.search_workflows({"filters": filters, "top_k": 100}).total_results == 1

    at_once(4, read)
    page(service.request("GET", f"{WORKFLOWS}?limit=1000"))
    page(service.request("GET", f"{WORKFLOWS}/by-name/large-1/versions?include=content"))
    [worker] = workers_of(service)
    assert peak_bytes(worker) < 300 * MIB
