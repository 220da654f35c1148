"""The start of gunicorn: alive, ready, the first write and later ones, with PostgreSQL there and with it away.

How long it takes is the benchmark's business, and what it does the guard's (tests/counts).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import GunicornService, event, free_port, postgres_server, wait_until

EVENTS = "/api/v1/audit/events"


def test_the_first_write_needs_no_warm_up_in_any_worker(run_service: Callable[..., GunicornService]) -> None:
    """Ready means ready: whichever worker takes a write right after, it is stored."""
    service = run_service(server__workers="2")
    assert [service.request("POST", EVENTS, event()).status for _ in range(12)] == [201] * 12


@pytest.mark.embedded
def test_postgresql_away_at_start_then_there(tmp_path: Path) -> None:
    with postgres_server() as server:
        assert server.embedded is not None
        database = server.make_database()
        server.embedded.stop("immediate")
        service = GunicornService(
            {"DATASTORAGE_DATABASE__URL": database.service_url, "DATASTORAGE_SERVER__WORKERS": "2"},
            tmp_path / "gunicorn.log",
        )
        service.start(ready=False)
        try:
            health = service.request("GET", "/health")
            assert (health.status, health.json["status"], health.json["database"]) == (503, "unhealthy", "unreachable")
            assert service.probe("/health/live") == 200
            assert service.probe("/health/live", port=service.health_port) == 200
            ready = service.request("GET", "/health/ready")
            assert (ready.status, ready.json["reason"]) == (503, "database_unreachable")
            # Neither store is there: said at once, again and again.
            for _ in range(6):
                refused = service.request("POST", EVENTS, event(correlation_id="too-early"))
                assert refused.status == 503
                assert "Retry-After" in refused.headers
                assert "outcome" not in refused.json, "nothing was sent, so nothing is in doubt"
            assert service.request("GET", EVENTS).status == 503
            server.embedded.start()
            wait_until(lambda: service.probe("/health/ready") == 200, what="ready once PostgreSQL is there")

            def write() -> bool:
                return service.request("POST", EVENTS, event(correlation_id="moved-on")).status == 201

            # Both workers have to find out by themselves.
            wait_until(lambda: all(write() for _ in range(8)), what="every worker writes again")
            wait_until(lambda: service.request("GET", "/health").status == 200, what="healthy")
            rows = database.query("SELECT correlation_id, count(*) FROM audit_events GROUP BY 1")
            assert [name for name, _ in rows] == ["moved-on"]
        finally:
            assert service.stop() == 0


def test_a_database_that_is_not_there_does_not_hinder_liveness(run_service: Callable[..., GunicornService]) -> None:
    service = run_service(start=False, database__url=f"postgresql://nobody:secret@127.0.0.1:{free_port()}/nothing")
    service.start(ready=False)
    assert service.probe("/health/live") == 200
    assert "secret" not in service.log.read_text()
