"""PostgreSQL's connections end, its server restarts, its address leads elsewhere: nothing is lost or refused for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import flask
import pytest

from app.services import Services
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS
from tests.integration.workflow_support import WORKFLOWS, workflow
from tests.pooler import BINARY, pgbouncer
from tests.relay import Relay
from tests.support import Database, event, notification, postgres_server, wait_until


def at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()


def services_of(app: flask.Flask) -> Services:
    services = app.extensions["datastorage"]
    assert isinstance(services, Services)
    return services


def port_of(url: str) -> int:
    return int(urlsplit(url).port or 0)


def exchanges(client: Any) -> list[int]:
    """Statuses of one request of each kind that needs PostgreSQL."""
    return [
        client.post(EVENTS, json=event()).status_code,
        client.post(BATCH, json=[event(), event()]).status_code,
        client.get(EVENTS).status_code,
        client.post(WORKFLOWS, json=workflow()).status_code,
        client.get(WORKFLOWS).status_code,
        client.post(NOTIFICATIONS, json=notification()).status_code,
    ]


WELL = [201, 201, 200, 201, 200, 201]


def fill_pool(services: Services, size: int) -> None:
    """Have so many connections in the pool."""
    together = threading.Barrier(size)

    def read(_: int) -> None:
        services.reader.read(lambda conn: (conn.execute("SELECT 1"), together.wait(60)))

    with ThreadPoolExecutor(size) as threads:
        list(threads.map(read, range(size)))


@pytest.fixture
def relayed(make_app: Callable[..., flask.Flask], database: Database) -> Iterator[tuple[flask.Flask, Relay]]:
    """The service with a relay before its PostgreSQL."""
    with Relay(port_of(database.service_url)) as relay:
        app = make_app(database={"url": at_port(database.service_url, relay.port), "pool_size": 5})
        yield app, relay


@pytest.mark.parametrize("how", ["hang_up", "forget"])
def test_connections_that_ended_while_they_lay_idle_cost_nothing(
    relayed: tuple[flask.Flask, Relay], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, relay = relayed
    services = services_of(app)
    services.monitor.stop()  # it would find out before the others do
    failures: list[bool] = []
    monkeypatch.setattr(services.breaker, "failed", lambda **_: failures.append(True))
    client = app.test_client()
    assert exchanges(client) == WELL
    kinds: list[Callable[[Any], int]] = [
        lambda c: c.post(EVENTS, json=event()).status_code,
        lambda c: c.get(EVENTS).status_code,
        lambda c: c.post(WORKFLOWS, json=workflow()).status_code,
    ]
    for first in range(6):
        fill_pool(services, 3)
        assert getattr(relay, how)() >= 3
        # Each kind has its turn to be the one that finds out.
        assert kinds[first % 3](client) in WELL
        assert exchanges(client) == WELL
    assert failures == []


def test_the_end_of_the_monitors_connection_is_no_outage(relayed: tuple[flask.Flask, Relay]) -> None:
    app, relay = relayed
    services = services_of(app)
    services.monitor.stop()
    for how in ("hang_up", "forget"):
        assert services.monitor.look().connected
        assert getattr(relay, how)() >= 1
        assert services.monitor.look().connected
        assert services.breaker.closed


@pytest.mark.embedded
def test_a_restart_under_full_pools_is_over_when_it_is_over(make_services_on: Any) -> None:
    with postgres_server() as server:
        database = server.make_database()
        app = make_services_on(database, database={"pool_size": 8})
        services = services_of(app)
        client = app.test_client()
        for mode in ("fast", "immediate"):
            fill_pool(services, 8)
            assert exchanges(client) == WELL
            assert server.embedded is not None
            server.embedded.stop(mode)
            wait_until(lambda: not services.monitor.state.connected, what="the outage is known")
            server.embedded.start()
            wait_until(lambda: services.monitor.state.connected, what="PostgreSQL found again")
            with ThreadPoolExecutor(8) as threads:
                writes = list(
                    threads.map(lambda _: app.test_client().post(EVENTS, json=event()).status_code, range(30))
                )
                reads = list(threads.map(lambda _: app.test_client().get(EVENTS).status_code, range(60)))
            assert (set(writes), set(reads)) == ({201}, {200})
            assert exchanges(client) == WELL


@pytest.mark.embedded
def test_an_address_that_leads_to_a_standby_is_asked_again_until_it_leads_to_a_primary(make_services_on: Any) -> None:
    with postgres_server() as server:
        assert server.embedded is not None
        database = server.make_database()
        server.embedded.stop("fast")
        (server.embedded.data_dir / "pgdata" / "standby.signal").touch()
        server.embedded.start()
        with Relay(port_of(server.service_url)) as relay:
            app = make_services_on(database, database={"url": at_port(database.service_url, relay.port)})
            services = services_of(app)
            client = app.test_client()
            wait_until(lambda: services.monitor.state.standby, what="the standby is known as one")
            assert client.get(EVENTS).status_code == 200
            assert client.post(EVENTS, json=event()).status_code == 503, "there is no dead letter queue here"
            health = client.get("/health").json
            assert (health["status"], "database_is_standby" in health["reasons"]) == ("degraded", True)
            assert client.get("/health/ready").json == {
                "status": "ready",
                "mode": "degraded",
                "reason": "database_is_standby",
            }
            before = relay.accepted
            wait_until(lambda: relay.accepted > before + 1, what="the address was asked again")
            database.query("SELECT pg_promote()")
            wait_until(lambda: not services.monitor.state.standby, what="the primary is found")
            assert exchanges(client) == WELL


@pytest.mark.embedded
@pytest.mark.parametrize("way", ["direct", "pgbouncer", "pgbouncer, not told"])
def test_what_was_answered_survives_a_crash_whatever_the_role_says(make_services_on: Any, way: str) -> None:
    """Without the wait for the disk all of it would be gone: the server writes its log by itself only now and then."""
    if way != "direct" and BINARY is None:
        pytest.skip("PgBouncer is not installed (Debian package pgbouncer)")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres_server(wal_writer_delay="10s", wal_writer_flush_after="1GB"))
        assert server.embedded is not None
        database = server.make_database()
        database.query(f"ALTER DATABASE {database.name} SET synchronous_commit = off")
        reached = stack.enter_context(pgbouncer(server)) if way != "direct" else server
        url = at_port(database.service_url, port_of(reached.service_url))
        app = make_services_on(database, database={"url": url, "prepared_statements": way != "pgbouncer"})
        client = app.test_client()
        for _ in range(5):
            assert exchanges(client) == WELL
        server.embedded.kill()
        server.embedded.start()
        counts = {table: database.count(table) for table in ("audit_events", "notification_audit")}
        assert counts == {"audit_events": 5 * (1 + 2 + 1), "notification_audit": 5}
        assert database.count("remediation_workflow_catalog") == 5


@pytest.mark.embedded
def test_a_change_of_the_catalogue_that_no_standby_has_is_in_doubt(make_services_on: Any) -> None:
    """Cancelled in its wait for a synchronous standby, PostgreSQL calls a commit a success, with a warning."""
    waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with postgres_server() as server, ThreadPoolExecutor(1) as other:
        database = server.make_database()
        database.query(f"ALTER DATABASE {database.name} SET client_min_messages = error")
        app = make_services_on(database)
        database.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        database.query("SELECT pg_reload_conf()")
        wait_until(lambda: database.query("SHOW synchronous_standby_names") == [("nobody",)], what="the new setting")
        asked = other.submit(app.test_client().post, WORKFLOWS, json=workflow())
        wait_until(lambda: database.query(waiting) or asked.done(), what="a commit that waits")
        answer = asked.result()
        assert (answer.status_code, answer.json["outcome"]) == (503, "unknown")
        database.query("ALTER SYSTEM RESET synchronous_standby_names")
        database.query("SELECT pg_reload_conf()")
