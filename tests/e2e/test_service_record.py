"""A run of the service is recorded once, however many workers it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil

from tests.support import Database, GunicornService, wait_until


def recorded(database: Database) -> list[tuple[str, Any]]:
    return [
        (action, data)
        for action, data in database.query(
            "SELECT event_action, event_data FROM audit_events WHERE event_category = 'datastorage.admin' "
            "ORDER BY event_timestamp, event_id"
        )
    ]


def test_start_and_stop_are_recorded_once_a_run(
    run_service: Callable[..., GunicornService], database: Database
) -> None:
    service = run_service(server__workers="2", audit__record_service="true")
    assert service.process is not None
    master = psutil.Process(service.process.pid)
    wait_until(lambda: len(recorded(database)) == 1, what="the start")
    before = {child.pid for child in master.children()}
    killed = master.children()[0]
    killed.kill()
    wait_until(
        lambda: len({c.pid for c in master.children()} | before) == 3 and len(master.children()) == 2, what="replaced"
    )
    wait_until(lambda: service.probe("/health/ready") == 200, what="ready")
    assert service.stop() == 0
    (start, said), (stop, ended) = recorded(database)
    assert (start, stop) == ("started", "stopped")
    assert said["run"] == ended["run"]
    assert {"server.workers", "database.url"} <= set(said["settings_changed"])
    assert database.service_url not in str(said)
    assert database.count() == 2

    again = run_service(server__workers="2", audit__record_service="true", buffer__size="999")
    wait_until(lambda: len(recorded(database)) == 3, what="the second start")
    other = recorded(database)[2][1]
    assert "buffer.size" in other["settings_changed"]
    assert other["settings_sha256"] != said["settings_sha256"]
    again.kill()
