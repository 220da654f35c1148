"""Many clients at once against gunicorn: nothing lost, memory bounded, metrics that add up."""

from __future__ import annotations

import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import psutil
import psycopg
import pytest
from datastorage_client import DataStorageClient
from datastorage_client.models import AuditBatchCreated, AuditEventCreated

from tests.e2e.load import EVENTS, Writers, check_kept
from tests.support import Answer, Database, GunicornService, event, wait_until

BATCH = f"{EVENTS}/batch"
Run = Callable[..., GunicornService]


def workers_of(service: GunicornService) -> list[psutil.Process]:
    assert service.process is not None
    return psutil.Process(service.process.pid).children()


def at_once(count: int, send: Callable[[int], Any]) -> list[Any]:
    """What ``send`` gives for each number, all called at the same time."""
    gate = threading.Barrier(count)

    def run(number: int) -> Any:
        gate.wait(60)
        return send(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_64_clients_at_once_lose_nothing(run_service: Run, database: Database) -> None:
    service = run_service(server__workers="2")

    def send(number: int) -> list[str]:
        sent = []
        # One attempt: what is answered otherwise than 201 is an exception here.
        with DataStorageClient(service.url, retry_for=0) as client:
            for n in range(10):
                if n % 5 == 4:
                    batch = [event(event_id=str(uuid.uuid4())) for _ in range(20)]
                    many = client.create_events(batch)
                    assert isinstance(many, AuditBatchCreated)
                    assert [str(i) for i in many.event_ids] == [e["event_id"] for e in batch]
                    sent += [str(i) for i in many.event_ids]
                else:
                    one = client.create_event(event())
                    assert isinstance(one, AuditEventCreated)
                    assert one.message == "Audit event created successfully"
                    sent.append(str(one.event_id))
        return sent

    answered = [one for sent in at_once(64, send) for one in sent]
    assert len(answered) == 64 * (8 + 40)
    stored = [str(row[0]) for row in database.query("SELECT event_id FROM audit_events")]
    assert sorted(stored) == sorted(answered)


def test_a_full_queue_says_so_and_memory_stays_flat(run_service: Run, database: Database) -> None:
    """PostgreSQL stalls behind a lock that somebody holds; whatever clients send, only so much is kept waiting."""
    service = run_service(
        server__workers="1",
        buffer__size="200",
        buffer__enqueue_timeout="100ms",
        buffer__flush_lock_timeout="100s",
        buffer__flush_statement_timeout="110s",
        buffer__flush_timeout="120s",
        buffer__commit_timeout="260s",
    )
    blob = "x" * 10_000

    def batch(number: int) -> list[dict[str, Any]]:
        return [event(event_id=str(uuid.uuid4()), event_data={"n": number, "blob": blob}) for _ in range(100)]

    (worker,) = workers_of(service)
    answers: list[Answer] = []
    kept: list[tuple[Answer, list[dict[str, Any]]]] = []
    peak = warm = 0
    with psycopg.connect(database.superuser_url) as lock:
        lock.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        enough = threading.Event()

        def send(number: int) -> None:
            while not enough.is_set():
                body = batch(number)
                answer = service.request("POST", BATCH, body, timeout=100)
                answers.append(answer)
                kept.append((answer, body))

        def refused(count: int) -> bool:
            nonlocal peak
            peak = max(peak, worker.memory_info().rss)
            return len(answers) >= count

        with ThreadPoolExecutor(24) as pool:
            jobs = [pool.submit(send, n) for n in range(24)]
            # The lock goes before the flush gives up, so what waits in the queue is stored after all.
            try:
                # What a worker needs with a full queue and all its threads busy it has taken after the first.
                wait_until(lambda: refused(100), what="refusals")
                warm = peak
                wait_until(lambda: refused(300), what="more refusals")
            finally:
                enough.set()
                lock.rollback()
            for job in jobs:
                job.result(100)
    full = [a for a in answers if a.status == 503 and a.json["type"].endswith("/buffer-full")]
    assert len(full) >= 50, [a.body for a in answers if a.status != 201][:3]
    assert {a.headers["Retry-After"] for a in full} == {"1"}
    # Two hundred more requests of 1 MB do not add up; what the allocator keeps between threads is not exact.
    assert peak - warm < 100 * 1024**2, f"{(peak - warm) / 1024**2:.0f} MB more"
    stored = {str(row[0]) for row in database.query("SELECT event_id FROM audit_events")}
    for answer, body in kept:
        there = {e["event_id"] for e in body} & stored
        assert len(there) == (100 if answer.status == 201 else 0), answer.status
    assert service.metrics()['datastorage_buffer_rejected_total{reason="full"}'] >= len(full)
    wait_until(lambda: service.metrics()["datastorage_buffer_depth"] == 0, what="the queue drains")
    assert service.request("POST", EVENTS, event()).status == 201


def raw(service: GunicornService, data: bytes) -> bytes:
    """Send bytes, close our half, and read until the end."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while part := s.recv(65536):
            got += part
        return got


def chunked(body: bytes, size: int = 1000) -> bytes:
    """A POST of the body in chunks."""
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def test_chunked_bodies(run_service: Run, database: Database) -> None:
    service = run_service(server__workers="1", server__max_body_size="64KiB")
    good = orjson.dumps(event(event_data={"blob": "x" * 20_000}))
    assert raw(service, chunked(good)).startswith(b"HTTP/1.1 201 ")
    large = orjson.dumps(event(event_data={"blob": "x" * 65_536}))
    answer = raw(service, chunked(large))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"request-too-large" in answer
    # A body that ends before its last chunk is not an event, whole as it may look.
    assert not raw(service, chunked(good)[:-5]).startswith(b"HTTP/1.1 201 ")
    assert database.count() == 1
    assert service.request("POST", EVENTS, event()).status == 201


def test_clients_that_do_not_close_their_side_hold_nobody_up(run_service: Run) -> None:
    service = run_service(server__workers="1")
    ask = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    held = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(8)]
    try:
        for s in held:
            s.sendall(ask)
        assert service.probe("/health/live", port=service.health_port, timeout=60) == 200
        assert service.request("POST", EVENTS, event()).status == 201
        for s in held:
            got = b""
            while part := s.recv(65536):
                got += part
            assert got.startswith(b"HTTP/1.1 200 "), "the answer was whole before the end"
        wait_until(lambda: connections_of(service) <= 1, what="the service lets them go")
    finally:
        for s in held:
            s.close()


def connections_of(service: GunicornService) -> int:
    """TCP connections that the workers hold at the API's port."""
    return sum(
        c.laddr.port == service.port and c.status != psutil.CONN_LISTEN
        for worker in workers_of(service)
        for c in worker.net_connections("tcp")
    )


def test_metrics_add_up_and_stay_few(run_service: Run) -> None:
    service = run_service(server__workers="2", buffer__size="300")
    wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] == 600, what="both workers report")
    count = 'datastorage_http_request_duration_seconds_count{method="POST",route="/api/v1/audit/events",status="%d"}'
    assert (
        at_once(20, lambda n: [service.request("POST", EVENTS, event()).status for _ in range(6)]) == [[201] * 6] * 20
    )
    assert at_once(5, lambda n: service.request("POST", EVENTS, {}).status) == [400] * 5
    before = service.metrics()
    assert before[count % 201] == 120
    assert before[count % 400] == 5
    assert before['datastorage_audit_traces_total{service="gateway",status="success"}'] == 120
    assert before['datastorage_write_duration_seconds_count{table="audit_events"}'] == 120
    assert before["datastorage_flush_batch_size_sum"] == 120
    for n in range(5):
        at_once(20, lambda m, n=n: [service.probe(f"/unknown-{n}-{m}-{k}") for k in range(5)])
    at_once(30, lambda n: service.request(f"ODD{n}", "/health/live").status)
    after = service.metrics()
    assert not [name for name in after if "unknown-" in name or "ODD" in name]
    assert len(after) - len(before) < 80, "labels multiply with what clients make up"


def test_a_killed_worker_is_replaced_and_its_gauges_go(run_service: Run, database: Database) -> None:
    service = run_service(server__workers="2", buffer__size="300")
    wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] == 600, what="both workers report")
    with Writers(service, 8) as writers:
        wait_until(lambda: len(writers.sent) > 50, what="load")
        victim = workers_of(service)[0]
        os.kill(victim.pid, signal.SIGKILL)
        wait_until(
            lambda: len(now := [p.pid for p in workers_of(service)]) == 2 and victim.pid not in now, what="a new worker"
        )
        seen = len(writers.sent)
        wait_until(lambda: len(writers.sent) > seen + 50, what="load after the kill")
        capacities = set()

        def settled() -> bool:
            capacities.add(service.metrics()["datastorage_buffer_capacity"])
            return 600 in capacities

        wait_until(settled, what="the new worker reports")
    assert max(capacities) <= 600, "the dead worker still counts"
    wait_until(lambda: service.metrics()["datastorage_db_up"] == 1, what="the new worker has seen PostgreSQL")
    # Only connections of the dead worker broke; the next attempt was served.
    assert {w.status for w in writers.sent} <= {201, 0}
    check_kept(writers.sent, database)


def test_a_worker_that_crashes_says_where_and_is_replaced(run_service: Run) -> None:
    service = run_service(server__workers="2")
    victim = workers_of(service)[0]
    os.kill(victim.pid, signal.SIGSEGV)
    wait_until(lambda: "Fatal Python error: Segmentation fault" in service.log.read_text(), what="the log's word")
    wait_until(lambda: victim.pid not in [p.pid for p in workers_of(service)], what="the end of the worker")
    assert "most recent call first" in service.log.read_text()
    wait_until(lambda: len(workers_of(service)) == 2, what="a new worker")
    assert service.request("POST", EVENTS, event()).status == 201


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stopped_under_load(run_service: Run, database: Database, how: signal.Signals) -> None:
    # Requests in flight are given an hour; it does not wait for what is not in flight.
    service = run_service(server__workers="2", shutdown__request_timeout="1h", shutdown__timeout="2h")
    with Writers(service, 12) as writers:
        wait_until(lambda: len(writers.sent) > 100, what="load")
        assert service.stop(how) == 0
    assert sum(w.status == 201 for w in writers.sent) > 100
    assert {w.status for w in writers.sent} <= {201, 503, 0}
    check_kept(writers.sent, database)
