"""Two instances behind a proxy that keeps its connections to them, restarted in turn under load: no request fails.

haproxy asks each instance for its readiness and stops sending before the instance stops listening. nginx without its
commercial part cannot ask: while an instance is about to stop, each of its answers ends the connection that nginx kept,
and a new one is refused, before anything was sent, once it has stopped. ROLLING_ROUNDS is another number of rounds, in
each of which both instances are restarted; `pytest -s` shows the figures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.load import Load
from tests.support import Database, GunicornService, valkey_server, wait_until
from tests.system import proxies

ROUNDS = int(os.environ.get("ROLLING_ROUNDS", "1"))
# Events a second through the proxy, on connections that their writers keep.
RATE, WRITERS = 200, 8


@pytest.fixture
def pair(database: Database, tmp_path: Path) -> Iterator[list[GunicornService]]:
    """Two instances on one database, of two workers each."""
    with valkey_server() as valkey:
        environ = {
            **database.environ,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "2",
            # haproxy looks five times a second; a busy machine may be late.
            "DATASTORAGE_SHUTDOWN__ENDPOINT_PROPAGATION_DELAY": "3s",
        }
        made = [GunicornService(environ, tmp_path / f"gunicorn-{n}.log") for n in range(2)]
        try:
            for instance in made:
                instance.start()
            yield made
        finally:
            for instance in made:
                if instance.process is not None:
                    instance.kill()  # their ends have been looked at


def served_by(instance: GunicornService) -> int:
    """How many writes its log speaks of."""
    return instance.log.read_text().count('"route":"/api/v1/audit/events"')


@pytest.mark.timeout(120 + 60 * ROUNDS)
@pytest.mark.parametrize("kind", ["haproxy-safe", "nginx"])
def test_rolling_restarts_behind_kept_connections_fail_no_request(
    kind: str, pair: list[GunicornService], database: Database, tmp_path: Path
) -> None:
    with proxies.proxy(kind, tmp_path, pair) as port, Load(lambda: [port], RATE, WRITERS) as load:
        load.until(201, 50)
        for _ in range(ROUNDS):
            for instance in pair:
                assert instance.stop() == 0
                before = load.answers[201]
                instance.start()
                # As an orchestrator does: the next one only when this one is back and has its share of the load.
                seen = served_by(instance)
                load.until(201, before + 20)
                wait_until(lambda i=instance, n=seen: served_by(i) > n + 10, what="the instance has its share")  # type: ignore[misc]
    sent = sum(load.answers.values())
    print(f"\n{kind}: {2 * ROUNDS} restarts, {sent} requests sent, {len(load.failures)} failed {dict(load.answers)}")
    assert not load.failures, f"{len(load.failures)} of {sent} requests failed: {load.failures[:5]}"
    rows = {str(i): n for i, n in database.query("SELECT event_id, count(*) FROM audit_events GROUP BY 1")}
    wrong = [ident for ident in load.acknowledged if rows.get(ident) != 1]
    assert not wrong, f"{len(wrong)} acknowledged events are not stored once: {wrong[:5]}"
    assert set(load.answers) <= {200, 201}
