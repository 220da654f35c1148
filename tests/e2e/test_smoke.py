"""gunicorn as the service sets it up: probes apart, a core a worker, metrics of all of them."""

import os
from collections.abc import Callable

import psutil

from app.config.settings import ServerSettings
from tests.support import GunicornService, event, wait_until

effective_workers = ServerSettings().effective_workers


def test_probes_answer_on_the_port_of_their_own(service: GunicornService) -> None:
    assert service.probe("/health/live", port=service.health_port) == 200
    assert service.probe("/health/ready", port=service.health_port) == 200


def test_each_worker_has_a_core_of_its_own(run_service: Callable[..., GunicornService]) -> None:
    cores = os.sched_getaffinity(0)
    service = run_service(server__workers=str(len(cores)), server__pin_workers="always")
    assert service.process is not None
    workers = psutil.Process(service.process.pid).children()
    assert sorted(worker.cpu_affinity() for worker in workers) == [[core] for core in sorted(cores)]
    # One that dies leaves its core to the one that replaces it.
    workers[0].kill()
    wait_until(lambda: len(psutil.Process(service.process.pid).children()) == len(cores), what="replaced")
    wait_until(
        lambda: (
            sorted(w.cpu_affinity() for w in psutil.Process(service.process.pid).children())
            == [[core] for core in sorted(cores)]
        ),
        what="pinned again",
    )


def test_metrics_come_from_all_workers(service: GunicornService) -> None:
    wait_until(lambda: service.metrics()["datastorage_db_up"] == 1, what="every worker reports the database")
    assert service.metrics()["datastorage_buffer_capacity"] == 1000 * effective_workers()


def test_a_start_without_redis_says_what_that_means(run_service: Callable[..., GunicornService]) -> None:
    service = run_service(server__workers="2", database__url="postgresql://nobody@127.0.0.1:1/none", start=False)
    service.start(ready=False)
    line = "no Redis is set up: while PostgreSQL is away, writes are refused"
    wait_until(lambda: service.probe("/health/live") == 200, what="it answers")
    assert service.log.read_text().count(line) == 1, "not by each worker"
    answer = service.request("POST", "/api/v1/audit/events", event())
    assert (answer.status, answer.json["detail"]) == (503, "the database is not available - please retry")
