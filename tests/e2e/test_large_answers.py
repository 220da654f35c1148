"""However large what is stored, a worker answers from memory that is bounded."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import orjson
import psutil

from tests.e2e.load import EVENTS
from tests.e2e.test_concurrency import at_once, workers_of
from tests.support import Answer, GunicornService, event

MIB = 1024**2
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
