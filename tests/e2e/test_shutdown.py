"""SIGTERM in every weather: each step runs, within its budget, and the exit code says whether anything was left."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil
import psycopg
import pytest

from tests.support import ROOT, Database, GunicornService, event, postgres_server, valkey_server, wait_until

Run = Callable[..., GunicornService]


def blocked(database: Database) -> bool:
    """Whether a session waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
    return bool(database.query(waiting, database.name))


def stops(service: GunicornService) -> bool:
    """Whether a signal to stop has reached the service."""
    return "Handling signal: term" in service.log.read_text()


def test_readiness_turns_first_while_requests_are_still_served(run_service: Run) -> None:
    # The delay is never over here: what comes after it is the other tests' affair.
    service = run_service(shutdown__endpoint_propagation_delay="1h", shutdown__timeout="2h", server__workers="1")
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    answer = wait_until(
        lambda: (a := service.request("GET", "/health/ready")).status == 503 and a, what="readiness turns off"
    )
    assert answer.json == {"status": "not_ready", "reason": "shutting_down"}
    written = service.request("POST", "/api/v1/audit/events", event())
    assert written.status == 201
    # No client may keep a connection to an instance that is going.
    assert written.headers.get("Connection") == "close"
    service.process.send_signal(signal.SIGTERM)
    assert [service.request("POST", "/api/v1/audit/events", event()).status for _ in range(5)] == [201] * 5
    service.kill()


def test_a_worker_that_is_still_starting_does_not_shut_the_others_out(run_service: Run) -> None:
    service = run_service(
        shutdown__endpoint_propagation_delay="1h", shutdown__timeout="2h", server__workers="2", buffer__size="100"
    )
    assert service.process is not None
    wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] == 200, what="both workers are up")
    master = psutil.Process(service.process.pid)
    old = {child.pid for child in master.children()}
    victim = min(old)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: {child.pid for child in master.children()} - old, what="a new worker")
    fresh = min({child.pid for child in master.children()} - old)
    # It has its signal handlers now, and the application is still to be loaded.
    wait_until(lambda: f"Booting worker with pid: {fresh}" in service.log.read_text(), what="its first word")
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not psutil.pid_exists(fresh) or psutil.Process(fresh).status() == "zombie", what="its end")
    assert [service.request("POST", "/api/v1/audit/events", event()).status for _ in range(10)] == [201] * 10
    service.kill()


def test_a_long_request_is_finished(run_service: Run, database: Database) -> None:
    service = run_service()
    answers = []
    with psycopg.connect(database.superuser_url) as blocker:
        blocker.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(
            target=lambda: answers.append(service.request("POST", "/api/v1/audit/events", event()))
        )
        thread.start()
        wait_until(lambda: blocked(database), what="the write waits for the lock")
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: stops(service), what="the signal")
        service.process.send_signal(signal.SIGTERM)  # a second one changes nothing
    thread.join(60)
    assert service.process.wait(60) == 0
    assert [a.status for a in answers] == [201]
    assert database.count() == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_whoever_got_a_connection_gets_an_answer(workers: str, run_service: Run, database: Database) -> None:
    """A proxy repeats a write whose connection was refused, not one that it has sent."""
    service = run_service(server__workers=workers, buffer__size="100")
    wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] == 100 * int(workers), what="all are up")
    body = json.dumps(event()).encode()
    request = (
        f"POST /api/v1/audit/events HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    sent: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        blocker = stack.enter_context(psycopg.connect(database.superuser_url))
        # Something is in flight while it stops, so new ones have time to come.
        blocker.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        release = threading.Timer(1, blocker.rollback)
        release.start()
        stack.callback(release.join)
        assert service.process is not None
        # A bound on what is tried: 100 a second for 10 s at the most.
        for n in range(1000):
            if n == 20:
                service.process.send_signal(signal.SIGTERM)
            try:
                conn = socket.create_connection(("127.0.0.1", service.port), timeout=60)
            except ConnectionRefusedError:
                break
            stack.callback(conn.close)
            conn.sendall(request)
            sent.append(conn)
            time.sleep(0.01)
        else:
            raise AssertionError("it never stopped")
        answers = [conn.recv(4096).split(b"\r\n", 1)[0] for conn in sent]
    assert service.process.wait(60) == 0
    assert len(answers) >= 20
    assert set(answers) == {b"HTTP/1.1 201 CREATED"}
    assert database.count() == len(answers)


def test_new_workers_take_over_the_listener(run_service: Run, database: Database) -> None:
    service = run_service(server__workers="1")
    assert service.process is not None
    master = psutil.Process(service.process.pid)
    old = {child.pid for child in master.children()}
    service.process.send_signal(signal.SIGHUP)
    statuses = []

    def replaced() -> bool:
        statuses.append(service.request("POST", "/api/v1/audit/events", event()).status)
        now = {child.pid for child in master.children()}
        return bool(now) and not now & old

    wait_until(replaced, what="the old worker is gone")
    statuses += [service.request("POST", "/api/v1/audit/events", event()).status for _ in range(20)]
    assert set(statuses) == {201}
    assert database.count() == len(statuses)


def test_a_full_queue_is_flushed(run_service: Run, database: Database) -> None:
    service = run_service(server__workers="1", buffer__size="20")
    answers: list[int] = []
    with psycopg.connect(database.superuser_url) as blocker:
        blocker.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        threads = [
            threading.Thread(
                target=lambda: answers.append(
                    service.request("POST", "/api/v1/audit/events/batch", [event() for _ in range(10)]).status
                )
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: service.metrics()["datastorage_buffer_depth"] >= 20, what="the queue is full")
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        wait_until(lambda: stops(service), what="the signal")
    for thread in threads:
        thread.join(60)
    assert service.process.wait(60) == 0
    assert set(answers) <= {201, 503}
    assert database.count() == 10 * answers.count(201)
    assert answers.count(201) >= 2


def test_idle_connections_and_a_lost_master_do_not_hold_it_up(run_service: Run) -> None:
    # Far longer than anybody waits here: what requests in flight would be given.
    service = run_service(server__workers="1", shutdown__request_timeout="1h", shutdown__timeout="2h")
    idle = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    idle.request("GET", "/health/live")
    idle.getresponse().read()
    assert service.stop() == 0
    orphaned = run_service(server__workers="1")
    idle = http.client.HTTPConnection("127.0.0.1", orphaned.port, timeout=60)
    idle.request("GET", "/health/live")
    idle.getresponse().read()
    assert orphaned.process is not None
    workers = psutil.Process(orphaned.process.pid).children()
    orphaned.process.kill()
    orphaned.process.wait(60)
    _, left = psutil.wait_procs(workers, timeout=60)
    assert left == []


# What is away is given up soon; what is there may take its time.
SOON = {
    "postgres": {
        "BUFFER__FLUSH_LOCK_TIMEOUT": "200ms",
        "BUFFER__FLUSH_STATEMENT_TIMEOUT": "300ms",
        "BUFFER__FLUSH_TIMEOUT": "500ms",
        "DATABASE__CONNECT_TIMEOUT": "2s",
    },
    "valkey": {
        "REDIS__SPILL_TIMEOUT": "300ms",
        # The replay, which is given so long and a second to end.
        "BUFFER__FLUSH_LOCK_TIMEOUT": "6s",
        "BUFFER__FLUSH_STATEMENT_TIMEOUT": "8s",
        "BUFFER__FLUSH_TIMEOUT": "10s",
    },
}
SOON["both"] = SOON["valkey"] | SOON["postgres"]


@pytest.mark.embedded
@pytest.mark.parametrize("away", ["postgres", "valkey", "both"])
def test_stores_that_are_away_do_not_hold_it_up(away: str, tmp_path: Path) -> None:
    with postgres_server() as postgres, valkey_server() as valkey:
        database = postgres.make_database()
        service = GunicornService(
            {
                "DATASTORAGE_DATABASE__URL": database.service_url,
                "DATASTORAGE_REDIS__URL": valkey.url(0),
                "DATASTORAGE_SERVER__WORKERS": "1",
                "DATASTORAGE_HEALTH__PROBE_TIMEOUT": "1s",
                **{f"DATASTORAGE_{key}": value for key, value in SOON[away].items()},
            },
            tmp_path / "log",
        )
        service.start()
        assert postgres.embedded is not None
        if away in ("postgres", "both"):
            postgres.embedded.freeze()
        if away in ("valkey", "both"):
            valkey.freeze()
        waiting = [http.client.HTTPConnection("127.0.0.1", service.port, timeout=60) for _ in range(8)]
        for conn in waiting:
            conn.request("POST", "/api/v1/audit/events", json.dumps(event()), {"Content-Type": "application/json"})
        exit_code = service.stop()
        expected = {"postgres": 202, "valkey": 201, "both": 503}[away]
        assert [conn.getresponse().status for conn in waiting] == [expected] * 8
        assert exit_code == 0
        if away == "valkey":
            assert database.count() == 8


def test_a_worker_that_cannot_flush_is_named_by_the_exit_code(run_service: Run) -> None:
    service = run_service(server__workers="1", shutdown__timeout="2s", shutdown__request_timeout="1s")
    assert service.process is not None
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    worker = int(children[0])
    os.kill(worker, signal.SIGSTOP)  # it can neither flush nor end: the master has to kill it
    try:
        assert service.stop(timeout=30) == 1
    finally:
        with_pid = Path(f"/proc/{worker}")
        if with_pid.exists():
            os.kill(worker, signal.SIGCONT)
    assert "ended before everything was flushed" in service.log.read_text()


_TOLD_AT_ONCE = """
import os, signal
__file__ = {conf!r}
exec(compile(open(__file__).read(), __file__, "exec"))
_as_usual = post_fork

def post_fork(server, worker):
    try:
        os.close(os.open({mark!r}, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        pass  # the first alone
    else:
        os.kill(os.getpid(), signal.{how})
    _as_usual(server, worker)
"""


@pytest.mark.parametrize("how", ["SIGTERM", "SIGQUIT", "SIGINT"])
def test_a_signal_that_reaches_a_worker_before_its_own_handlers_ends_it(
    database: Database, tmp_path: Path, how: str
) -> None:
    conf = tmp_path / "gunicorn.conf.py"
    mark = str(tmp_path / "told")
    conf.write_text(_TOLD_AT_ONCE.format(conf=str(ROOT / "gunicorn.conf.py"), mark=mark, how=how))
    environ = {**database.environ, "DATASTORAGE_SERVER__WORKERS": "1"}
    service = GunicornService(environ, tmp_path / "gunicorn.log", config=conf)
    service.start()  # by the worker that replaced the first
    try:
        assert service.log.read_text().count("Worker exiting") == 1
    finally:
        assert service.stop() == 0
    assert "SIGKILL" not in service.log.read_text()


def test_it_stops_whenever_in_its_start_it_is_told_to(database: Database, tmp_path: Path) -> None:
    random = Random(1)
    for number in range(int(os.environ.get("STARTS", "4"))):
        service = GunicornService(
            {**database.environ, "DATASTORAGE_SERVER__WORKERS": "3", "DATASTORAGE_SHUTDOWN__TIMEOUT": "1h"},
            tmp_path / f"gunicorn-{number}.log",
        )
        service.launch()
        # From when the master takes signals until the last worker is up, each part of it as likely as any other.
        forked = random.randrange(4)
        wait_until(lambda s=service, n=forked: s.log.read_text().count("Booting worker") >= n, what="workers begin")
        wait_until(lambda s=service: "Listening at" in s.log.read_text(), what="the master is there")
        time.sleep(random.choice([0, random.random() / 100, random.random()]))
        # With a worker left that has lost the signal, the master would wait for an hour.
        assert service.stop(timeout=120) == 0, service.log.read_text()[-3000:]
