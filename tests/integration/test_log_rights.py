"""The service's role without its rights on the log: writes go on, it is said in one line, and heals by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable

import flask
import pytest

from app.health import routes
from app.postgres import monitor
from app.services import Services
from app.transparency.watch import LogWatch
from tests.integration.service import EVENTS
from tests.support import Database, event, wait_until

ADVICE = "Run datastorage migrate, which gives the service's role its rights"


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ("SELECT ON log_head", "could not look at the log of all records: permission denied for table log_head. "),
        (
            "DELETE ON log_pending_a, log_pending_b",
            "could not give places in the log: permission denied for table log_pend",
        ),
    ],
)
def test_missing_rights_are_said_once_and_heal(
    make_app: Callable[..., flask.Flask],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    rights: str,
    said: str,
) -> None:
    # So that nobody waits for minutes.
    monkeypatch.setattr(monitor, "ROUND_SECONDS", 0.05)
    monkeypatch.setattr(LogWatch, "_LATE_SECONDS", 0.5)
    monkeypatch.setattr(routes, "LOG_LAGGING_SECONDS", 1.0)
    caplog.set_level(logging.INFO)
    database.query(f"REVOKE {rights} FROM datastorage")
    app = make_app()
    services: Services = app.extensions["datastorage"]
    client = app.test_client()
    assert client.post(EVENTS, json=event()).status_code == 201

    def log_state() -> str | None:
        found = client.get("/health").get_json().get("log")
        return str(found["state"]) if found else None

    wait_until(lambda: log_state() == "lagging", what="health says that the log is behind")
    assert client.get("/health").get_json()["status"] == "degraded"
    assert client.get("/health/ready").get_json() == {"status": "ready"}
    assert client.post(EVENTS, json=event()).status_code == 201

    def refusals() -> list[str]:
        return [r.getMessage() for r in caplog.records if "permission denied" in r.getMessage()]

    # The log may be behind before anybody has tried to give places.
    wait_until(lambda: refusals() != [], what="it is said why")
    lines = refusals()
    assert [line for line in lines if line.startswith(said)] == lines
    assert len(lines) == 1
    assert lines[0].endswith(ADVICE)

    database.query(f"GRANT {rights.replace(' FROM', '')} TO datastorage")
    wait_until(lambda: services.log_watch.state.size == 2, what="both events have their places")
    wait_until(lambda: log_state() == "current", what="health says that all is well")
