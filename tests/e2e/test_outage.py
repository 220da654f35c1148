"""Outages under load: what clients see, and what is kept.

OUTAGE_SECONDS makes the outage longer than the moment that every test run can afford, and `pytest -s` then shows how
long answers and the drain took.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.dlq.keys import KEYS
from devserver import EmbeddedPostgres, EmbeddedValkey
from tests.e2e.load import Load
from tests.support import Database, GunicornService, event, postgres_server, valkey_server, wait_until

pytestmark = pytest.mark.embedded

OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "0"))
RATE = 500 if OUTAGE_SECONDS else 300
# What a frozen PostgreSQL is given before it counts as away.
SOON = {
    "buffer__flush_lock_timeout": "500ms",
    "buffer__flush_statement_timeout": "700ms",
    "buffer__flush_timeout": "1s",
    "database__connect_timeout": "2s",
    "health__probe_timeout": "900ms",
}


class Stage:
    """A PostgreSQL, a Valkey and services that a test may break."""

    def __init__(self, postgres: EmbeddedPostgres, database: Database, valkey: EmbeddedValkey, tmp_path: Path) -> None:
        self.postgres = postgres
        self.database = database
        self.valkey = valkey
        self._tmp_path = tmp_path
        self.services: list[GunicornService] = []

    def run(self, *, ready: bool = True, **keys: str) -> GunicornService:
        environ = {f"DATASTORAGE_{key.upper()}": value for key, value in keys.items()}
        environ["DATASTORAGE_DATABASE__URL"] = self.database.service_url
        environ["DATASTORAGE_REDIS__URL"] = self.valkey.url(0)
        service = GunicornService(environ, self._tmp_path / f"gunicorn-{len(self.services)}.log")
        service.start(ready=ready)
        self.services.append(service)
        return service

    def waiting(self) -> int:
        with redis.Redis.from_url(self.valkey.url(0), socket_timeout=3) as client:
            return int(client.xlen(KEYS["events"].stream))

    def stored_once(self, ids: list[str]) -> bool:
        rows = self.database.query("SELECT event_id::text, count(*) FROM audit_events GROUP BY 1")
        return {ident for ident, _ in rows} >= set(ids) and all(count == 1 for _, count in rows)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with postgres_server() as server, valkey_server() as valkey:
        assert server.embedded is not None
        made = Stage(server.embedded, server.make_database(), valkey, tmp_path)
        yield made
        for service in made.services:
            service.stop()


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def test_clients_of_a_large_queue_see_nothing_but_201_and_202(stage: Stage) -> None:
    service = stage.run(dlq__max_len="20000")
    with Load(lambda: [service.port], RATE) as load:
        load.until(201, 200)
        stage.postgres.kill()
        gone = time.monotonic()
        load.until(202, 400)
        time.sleep(OUTAGE_SECONDS)
        entries = stage.waiting()
        stage.postgres.start()
        back = time.monotonic()
        wait_until(lambda: stage.waiting() == 0, what="the queue drains")
        drained = time.monotonic() - back
        load.until(201, load.answers[201] + 100)
    assert set(load.answers) == {201, 202}, load.answers
    spilled = [took for when, status, took in load.seconds if status == 202 and when > gone + 0.5]
    if OUTAGE_SECONDS:
        print(f"\n202: p95 {1000 * p95(spilled):.1f} ms of {len(spilled)}")
        print(f"{entries} entries drained in {drained:.1f} s")
    assert stage.stored_once(load.acknowledged)
    assert stage.database.count() == len(load.acknowledged)


def test_a_small_queue_keeps_what_it_can_and_refuses_the_rest(stage: Stage) -> None:
    service = stage.run(dlq__max_len="1000")
    stage.postgres.kill()
    wait_until(lambda: service.request("GET", "/health").status == 503, what="the outage is noticed")
    codes: Counter[int] = Counter()
    slugs = set()

    def write() -> None:
        for _ in range(20):
            answer = service.request("POST", "/api/v1/audit/events/batch", [event() for _ in range(7)])
            codes[answer.status] += 1
            if answer.status == 503:
                slugs.add(answer.json["type"].rsplit("/", 1)[1])

    threads = [threading.Thread(target=write) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 142 batches of 7 are 994 of 1000; then six single events fit, and no more.
    assert (codes[202], codes[503], slugs) == (142, 58, {"dlq-full"})
    singles = [service.request("POST", "/api/v1/audit/events", event()).status for _ in range(8)]
    assert singles == [202] * 6 + [503] * 2
    assert stage.waiting() == 1000
    wait_until(lambda: service.request("GET", "/health/ready").json.get("reason") == "queue_full", what="not ready")
    stage.postgres.start()
    wait_until(lambda: stage.database.count() == 1000, what="everything is stored")


def test_four_workers_spilling_at_once_never_pass_the_cap(stage: Stage) -> None:
    service = stage.run(server__workers="4", server__threads="8", dlq__max_len="100")
    stage.database.query("REVOKE INSERT ON audit_events FROM datastorage")
    codes: Counter[int] = Counter()
    over = []

    def write() -> None:
        for _ in range(15):
            codes[service.request("POST", "/api/v1/audit/events", event()).status] += 1
            if (depth := stage.waiting()) > 100:
                over.append(depth)

    threads = [threading.Thread(target=write) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert over == []
    assert codes == {202: 100, 503: 80}


def test_valkey_away_changes_nothing(stage: Stage) -> None:
    service = stage.run(redis__spill_timeout="500ms", health__probe_timeout="2s")
    for breaks, mends in ((stage.valkey.freeze, stage.valkey.thaw), (stage.valkey.kill, stage.valkey.start)):
        breaks()
        assert {service.request("POST", "/api/v1/audit/events", event()).status for _ in range(5)} == {201}
        wait_until(lambda: service.request("GET", "/health").json["status"] == "degraded", what="degraded")
        assert service.request("GET", "/health/ready").status == 200
        mends()
        wait_until(lambda: service.request("GET", "/health").json["status"] == "healthy", what="healthy")


def test_both_away_is_said_at_once(stage: Stage) -> None:
    """A store that is known to be away is not waited for: here that would be for an hour."""
    service = stage.run(
        server__workers="1",
        health__probe_timeout="900ms",
        redis__spill_timeout="1h",
        buffer__flush_timeout="1h",
        buffer__commit_timeout="5h",
    )
    before = stage.database.count()
    stage.valkey.freeze()
    stage.postgres.freeze()

    def known() -> bool:
        now = service.metrics()
        return now["datastorage_breaker_open"] == 1 and now["datastorage_redis_up"] == 0

    wait_until(known, what="both are known to be away")
    wait_until(lambda: service.request("GET", "/health/ready").status == 503, what="not ready")
    took = []
    for _ in range(20):
        started = time.monotonic()
        answer = service.request("POST", "/api/v1/audit/events", event())
        took.append(time.monotonic() - started)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    if OUTAGE_SECONDS:
        print(f"\n503 with both away: median {1000 * statistics.median(took):.1f} ms")
    stage.postgres.thaw()
    stage.valkey.thaw()
    wait_until(lambda: service.request("POST", "/api/v1/audit/events", event()).status == 201, what="writes again")
    assert stage.database.count() >= before


def test_a_frozen_postgres_is_left_alone_after_its_deadline(stage: Stage) -> None:
    service = stage.run(dlq__max_len="20000", **SOON)
    with Load(lambda: [service.port], 100) as load:
        load.until(201, 50)
        stage.postgres.freeze()
        # Were each to wait for the deadline, ten writers would be done with three hundred in half a minute.
        load.until(202, load.answers[202] + 300)
        stage.postgres.thaw()
        wait_until(lambda: stage.waiting() == 0, what="the queue drains")
        load.until(201, load.answers[201] + 50)
    assert set(load.answers) == {201, 202}, load.answers
    assert stage.stored_once(load.acknowledged)


def test_it_starts_without_postgres_and_takes_writes_through_the_queue(stage: Stage) -> None:
    stage.postgres.stop("immediate")
    service = stage.run(ready=False)
    answer = wait_until(
        lambda: (a := service.request("GET", "/health/ready")).status == 200 and a, what="ready with Redis alone"
    )
    assert answer.json == {"status": "ready", "mode": "degraded", "reason": "database_unreachable"}
    written = service.request("POST", "/api/v1/audit/events", event())
    assert written.status == 202
    stage.postgres.start()
    wait_until(lambda: service.request("GET", "/health").status == 200, what="healthy")
    wait_until(lambda: stage.database.count() == 1, what="replayed")


def test_rolling_restarts_behind_a_balancer_fail_no_request(stage: Stage) -> None:
    # The balancer has so long to notice, at a look every tenth of a second.
    pair = [stage.run(server__workers="1", shutdown__endpoint_propagation_delay="6s") for _ in range(2)]
    in_rotation = [service.port for service in pair]
    done = threading.Event()

    def follow_readiness() -> None:
        while not done.wait(0.1):
            ready = [s.port for s in pair if s.probe("/health/ready") == 200]
            in_rotation[:] = ready or in_rotation

    balancer = threading.Thread(target=follow_readiness)
    balancer.start()
    rounds = int(os.environ.get("ROLLING_ROUNDS", "1"))
    try:
        with Load(lambda: list(in_rotation), 100) as load:
            for turn in range(rounds):
                service = pair[turn % 2]
                assert service.stop() == 0
                service.start()
                wait_until(lambda s=service: s.port in in_rotation, what="back in rotation")  # type: ignore[misc]
                load.until(201, load.answers[201] + 20)
    finally:
        done.set()
        balancer.join()
    assert set(load.answers) == {201}, load.answers
    assert stage.stored_once(load.acknowledged)
    for service in pair:
        service.kill()  # their delays have been waited for
