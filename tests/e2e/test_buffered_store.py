"""The client's buffered store against the real service: stopped, killed, slow, busy, and answers that get lost.

`make test-client-outage` runs the outage with 100,000 events, and with the spool as well.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from datastorage_client import Backoff, BufferedAuditStore, DataStorageClient, block, spool, uuid7
from datastorage_client.buffered import Policy

from tests.e2e.faulty_proxy import FaultyProxy
from tests.support import Database, GunicornService, event, wait_until

Run = Callable[..., GunicornService]
EVENTS = int(os.environ.get("CLIENT_OUTAGE_EVENTS", "5000"))
LONG = EVENTS > 20_000
THREADS = 8


class Faults:
    """Does things to the service as the number of written events grows."""

    def __init__(self, store: BufferedAuditStore, service: GunicornService, proxy: FaultyProxy) -> None:
        self._store = store
        self._service = service
        self._proxy = proxy

    def at(self, part: float) -> None:
        """Wait until this part of all events is written."""
        wait_until(lambda: self._store.stats().written >= part * EVENTS, 300, f"{part:.0%} written")

    def mode(self, mode: str) -> None:
        """Let some requests meet the proxy's mode."""
        self._proxy.mode = mode
        wait_until(lambda: self._proxy.seen.get(mode, 0) >= 3, 60, f"requests meet {mode}")
        self._proxy.mode = "pass"

    def stop(self, how: signal.Signals, seconds: float, mode: str = "pass") -> None:
        """Stop the service, and start it again later behind a proxy in this mode."""
        self._service.stop(how)
        failed = self._store.stats().written
        time.sleep(seconds)
        assert self._store.stats().written <= failed + 500, "nothing is written while the service is away"
        self._proxy.mode = mode
        self._service.start()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", ["block", "spool"] if LONG else ["block"])
def test_an_outage_loses_and_doubles_nothing(
    policy: str, run_service: Run, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = run_service(server__workers="1")
    on_full: Policy = block(120) if policy == "block" else spool(tmp_path / "spool", timeout=120)
    ids: list[list[str | None]] = [[] for _ in range(THREADS)]
    process = psutil.Process()
    began = time.monotonic()
    with (
        FaultyProxy(service.port) as proxy,
        DataStorageClient(proxy.url) as client,
        BufferedAuditStore(
            client, on_full=on_full, max_events=10_000 if LONG else 1000, backoff=Backoff(0.05, 0.5)
        ) as store,
    ):
        base = peak = process.memory_info().rss

        def write(number: int) -> None:
            for n in range(EVENTS // THREADS):
                members = event(correlation_id=f"thread-{number}", event_data={"n": n, "text": "x" * 200})
                ids[number].append(store.store(members))

        writers = [threading.Thread(target=write, args=(n,)) for n in range(THREADS)]
        for writer in writers:
            writer.start()
        faults = Faults(store, service, proxy)
        faults.at(0.1)
        faults.mode("lose")
        # So that nothing is written before some requests have met it.
        faults.stop(signal.SIGTERM, 5 if LONG else 0.5, "pass" if LONG else "busy")
        peak = max(peak, process.memory_info().rss)
        if LONG:
            faults.at(0.3)
            faults.mode("busy")
            faults.at(0.4)
            faults.mode("slow")
            faults.at(0.5)
            faults.stop(signal.SIGKILL, 5)
            faults.mode("lose")
        else:
            faults.mode("busy")
        peak = max(peak, process.memory_info().rss)
        for writer in writers:
            writer.join(300)
        assert store.flush(300)
        stats = store.stats()
        peak = max(peak, process.memory_info().rss)
    sent = [str(ident) for one in ids for ident in one]
    assert len(sent) == EVENTS
    assert "None" not in sent, "an event was dropped"
    rows = [str(row[0]) for row in database.query("SELECT event_id FROM audit_events")]
    assert len(rows) == EVENTS, "none lost, none doubled"
    assert set(rows) == set(sent)
    assert stats.written == EVENTS
    assert not stats.dropped
    grown = (peak - base) / 1024**2
    # 10,000 events of half a KB, a batch, and what the threads hold; the ids of all events are this test's own.
    assert grown < 100, f"{grown:.0f} MB more"
    with capsys.disabled():
        print(f"\n{policy}: {EVENTS} events in {time.monotonic() - began:.1f} s, {grown:.0f} MB more, {proxy.seen}")


WRITER = """
import itertools, sys, time
from datastorage_client import BufferedAuditStore, Backoff, DataStorageClient, spool
sys.path.insert(0, sys.argv[3])
from tests.support import event

store = BufferedAuditStore(
    DataStorageClient(sys.argv[1], timeout=60), on_full=spool(sys.argv[2], sync_interval=0.01),
    flush_interval=0.05, batch_size=50, backoff=Backoff(0.02, 0.1),
)
ids = []
for n in itertools.count():
    ids.append(store.store(event(event_data={"n": n}, correlation_id=sys.argv[4])))
    if n % 20 == 19:
        assert store.sync(20)
        print(*ids, flush=True)
        ids = []
        time.sleep(0.005)
"""


def test_kill_9_of_the_client_loses_nothing_that_was_on_disk(service: GunicornService, tmp_path: Path) -> None:
    correlation = f"kill-9-{uuid7()}"

    def stored(client: DataStorageClient) -> list[str]:
        return [str(row.event_id) for row in client.iter_events(correlation_id=correlation)]

    path = tmp_path / "spool"
    root = str(Path(__file__).resolve().parent.parent.parent)
    synced: list[str] = []
    with FaultyProxy(service.port) as proxy:
        # Twice: the second process takes over what the first left, and dies as well.
        for round_ in range(2):
            proxy.mode = "pass"
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, proxy.url, str(path), root, correlation],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert writer.stdout is not None
            for n, line in enumerate(writer.stdout):
                synced += line.split()
                if n == 10:
                    proxy.mode = "lose" if round_ == 0 else "busy"
                if n == 40:
                    break
            writer.kill()
            synced += [ident for line in writer.stdout if line.endswith("\n") for ident in line.split()]
            writer.wait(60)
        with DataStorageClient(service.url) as client:
            left = set(synced) - set(stored(client))
        assert left, "the kill came before all was sent, or this shows nothing"
        proxy.mode = "pass"
        with DataStorageClient(proxy.url) as client, BufferedAuditStore(client, on_full=spool(path)) as store:
            assert store.flush(30)
            assert not store.stats().dropped
    with DataStorageClient(service.url) as client:
        rows = stored(client)
    assert len(rows) == len(set(rows))
    assert set(synced) <= set(rows)
    assert [p.name for p in path.iterdir()] == []


def test_refused_events_come_back_with_the_services_reasons(service: GunicornService, tmp_path: Path) -> None:
    refused: dict[str, str] = {}
    old = "2020-01-01T00:00:00Z"
    with (
        DataStorageClient(service.url) as client,
        BufferedAuditStore(
            client,
            on_full=spool(tmp_path),
            on_refused=lambda e, problem: refused.update({e["event_data"]["case"]: str(problem)}),
        ) as store,
    ):
        first = store.store(event(event_data={"case": "good"}, correlation_id="refusals"))
        store.store(event(event_data={"case": "no type"}, event_type=..., correlation_id="refusals"))
        store.store(event(event_data={"case": "old"}, event_timestamp=old, correlation_id="refusals"))
        store.store(event(event_data={"case": "orphan"}, parent_event_id=str(uuid7()), correlation_id="refusals"))
        store.store(event(event_data={"case": "child"}, parent_event_id=first, correlation_id="refusals"))
        assert store.flush(20)
        # Another content under an id that is there.
        store.store(event(event_data={"case": "conflict"}, event_id=first, correlation_id="refusals"))
        assert store.flush(20)
        kept = [row.event_data.to_dict()["case"] for row in client.iter_events(correlation_id="refusals")]
    assert sorted(kept) == ["child", "good"]
    assert refused.keys() == {"no type", "old", "orphan", "conflict"}
    assert "event_type: is required" in refused["no type"]
    assert "too old" in refused["old"]
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert {r["event"]["event_data"]["case"] for r in rejects} == refused.keys()
