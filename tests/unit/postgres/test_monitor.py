from __future__ import annotations

import contextlib
import logging
from datetime import date
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import HealthSettings, Settings
from app.postgres import monitor
from app.postgres.monitor import DatabaseState, Monitor
from app.postgres.sessions import Limits
from app.postgres.watchdog import Watchdog
from app.telemetry import metrics
from tests.support import wait_until
from tests.unit.fakes import FakeConnection, FixedClock

MONTHS = [(date(2025, 12, 1),), (date(2026, 1, 1),), (date(2026, 2, 1),), (date(2026, 3, 1),)]
PING, INSPECT, VERSION = "pg_is_in_recovery", "to_regclass", "FROM schema_migrations"


class WatchedConnection(FakeConnection):
    """A connection to a database that is well, until a test says otherwise."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        required = answers.pop("version", 10_000)
        self.answers = {
            PING: [(answers.pop("standby", False),)],
            VERSION: [(required,)],
            INSPECT: [answers.pop("inspect", (True, True, True))],
            "audit_partition_months": answers.pop("months", MONTHS),
            **answers,
        }

    def asked(self, part: str) -> list[Any]:
        return [parameters for statement, parameters in self.executed if part in statement]


class World:
    """A monitor whose connections come from a list; an exception in it is raised instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *connections: Any) -> None:
        self.waiting = list(connections)
        self.breaker = Breaker()
        self.clock = FixedClock()
        self.limits: list[Limits] = []
        self.found = 0
        monkeypatch.setattr(monitor, "connect", self.connect)
        self.watchdog = Watchdog(Clock())
        settings = Settings(health=HealthSettings(probe_timeout=7.0))
        self.also: list[Any] = []  # the connections on which something else was looked at
        self.trouble: Exception | None = None
        self.monitor = Monitor(settings, self.breaker, self.watchdog, self.clock, self.find, self.look_also)

    def look_also(self, conn: Any) -> None:
        self.also.append(conn)
        if self.trouble is not None:
            raise self.trouble

    def find(self) -> None:
        self.found += 1

    def connect(self, settings: Any, purpose: str, limits: Limits, watchdog: Watchdog) -> Any:
        self.limits.append(limits)
        made = self.waiting.pop(0)
        if isinstance(made, Exception):
            raise made
        return made

    def look(self) -> DatabaseState:
        return self.monitor.look()


REFUSED = psycopg.OperationalError("connection refused")


def test_nothing_is_known_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    state = World(monkeypatch).monitor.state
    assert (state.connected, state.seen, state.schema_version) == (False, False, None)
    assert not state.schema_outdated(1), "unknown is not outdated"


def test_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, WatchedConnection())
    assert world.look() == DatabaseState(connected=True, seen=True, schema_version=10_000)
    assert metrics.PARTITION_MONTHS_AHEAD._value.get() == 2
    assert world.breaker.closed


def test_a_probe_has_the_time_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, WatchedConnection())
    deadlines: list[float] = []
    real = world.watchdog.deadline
    monkeypatch.setattr(world.watchdog, "deadline", lambda conn, s: deadlines.append(s) or real(conn, s))
    world.look()
    assert world.limits == [Limits(7.0, 7.0)]
    assert deadlines[0] == 7.0


def test_what_changes_seldom_is_looked_at_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = WatchedConnection()
    world = World(monkeypatch, conn)
    for _ in range(15):
        world.look()
    assert (len(conn.asked(PING)), len(conn.asked(INSPECT))) == (15, 1)
    world.look()
    assert len(conn.asked(INSPECT)) == 2


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"version": 0}, {"schema_version": 0}),
        ({"inspect": (False, False, True)}, {"schema_version": 0, "may_write": False}),
        ({"inspect": (True, False, True)}, {"may_write": False}),
        ({"inspect": (True, True, False)}, {"durable": False}),
    ],
)
def test_what_may_be_wrong(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], expected: dict[str, Any]) -> None:
    state = World(monkeypatch, WatchedConnection(**answers)).look()
    assert state.connected
    assert {name: getattr(state, name) for name in expected} == expected
    assert state.schema_outdated(1) is (expected.get("schema_version") == 0)


def test_what_is_wrong_is_looked_at_every_round(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    conn = WatchedConnection(version=0)
    world = World(monkeypatch, conn)
    for _ in range(3):
        world.look()
    [said] = caplog.records
    assert "the tables in the schema public are at version 0" in said.getMessage()
    assert not conn.asked("audit_partition_months"), "an old schema may have no such function"
    conn.answers[VERSION] = [(10_000,)]
    assert not world.look().schema_outdated(10_000)


def test_a_server_that_forgets_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    world = World(monkeypatch, WatchedConnection(inspect=(True, True, False)))
    for _ in range(16):
        world.look()
    assert [r.getMessage() for r in caplog.records if "fsync" in r.getMessage()] == [
        "PostgreSQL runs with fsync or full_page_writes off: a power cut loses acknowledged events"
    ]


def test_away_at_start(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    world = World(monkeypatch, REFUSED, REFUSED, WatchedConnection())
    for _ in range(2):
        state = world.look()
        assert (state.connected, state.seen, state.deployment_fault) == (False, True, False)
        assert world.breaker.unreachable
    assert len(caplog.records) == 1, "said once, not every second"
    assert "connection refused" in caplog.text, "an operator is told why"
    assert world.look().connected
    assert world.breaker.state == "half-open", "an answer to a question is no proof that writes are taken"
    assert world.found == 1


def test_lost_and_found(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    conn, again = WatchedConnection(inspect=(True, False, True)), WatchedConnection()
    world = World(monkeypatch, conn, REFUSED, again)
    world.look()
    conn.hang_up()
    state = world.look()
    assert not state.connected
    assert (state.schema_version, state.may_write) == (10_000, False), "what was known stays known"
    wait_until(lambda: conn.closed, what="the closed connection")
    assert world.breaker.state == "open"
    assert world.look() == DatabaseState(connected=True, seen=True, schema_version=10_000)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert world.found == 1


def test_writes_are_tried_before_it_is_said_that_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = WatchedConnection()
    world = World(monkeypatch, conn, REFUSED, WatchedConnection())
    world.look()
    conn.hang_up()
    assert not world.look().connected
    seen: list[tuple[int, bool]] = []
    recovered = world.breaker.recovered

    def note() -> None:
        seen.append((world.found, world.monitor.state.connected))
        recovered()

    monkeypatch.setattr(world.breaker, "recovered", note)
    assert world.look().connected
    assert seen == [(1, False)]


def test_a_connection_that_ended_says_nothing_of_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    idle, dead = WatchedConnection(), WatchedConnection()
    world = World(monkeypatch, idle, dead, WatchedConnection())
    world.look()
    idle.hang_up()
    assert world.look().connected
    dead.answers = {PING: psycopg.OperationalError("server closed the connection unexpectedly")}
    dead.closed = True
    assert world.look().connected
    assert (world.breaker.state, caplog.records, world.waiting) == ("closed", [], [])


def test_a_probe_that_takes_too_long_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = WatchedConnection()
    world = World(monkeypatch, conn, WatchedConnection())
    world.look()
    world.monitor._watchdog = SimpleNamespace(  # type: ignore[assignment]
        deadline=lambda conn, seconds: contextlib.nullcontext(SimpleNamespace(fired=True))
    )
    conn.answers = {PING: psycopg.OperationalError("server closed the connection unexpectedly")}
    conn.closed = True
    assert not world.look().connected
    assert world.breaker.unreachable
    assert len(world.waiting) == 1


def test_a_server_that_became_a_standby_is_left_for_the_one_that_the_address_leads_to(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    primary, standby, other = WatchedConnection(), WatchedConnection(standby=True), WatchedConnection()
    world = World(monkeypatch, primary, standby, other)
    world.look()
    primary.answers[PING] = [(True,)]
    for conn in (primary, standby):
        assert world.look().standby
        assert conn.closed, "asked for again by its address in the next round"
        assert world.breaker.state == "open"
    assert world.found == 0
    state = world.look()
    assert (state.standby, world.breaker.state, world.found) == (False, "half-open", 1)
    assert len(caplog.records) == 1, "said once"


def test_an_encoding_that_cannot_hold_every_text_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    conn = WatchedConnection()
    conn.info = SimpleNamespace(parameter_status=lambda name: {"server_encoding": "LATIN1"}[name])
    world = World(monkeypatch, conn)
    for _ in range(17):
        assert world.look().encoding == "LATIN1"
    [said] = caplog.records
    assert "LATIN1" in said.getMessage()
    assert "ENCODING 'UTF8'" in said.getMessage()


def test_a_wrong_password_is_a_fault_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, psycopg.errors.InvalidPassword("no"), WatchedConnection())
    assert world.look().deployment_fault
    assert not world.look().deployment_fault


def test_missing_months_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = WatchedConnection(months=MONTHS[:2])
    world = World(monkeypatch, conn)
    world.look()
    assert conn.asked("SELECT audit_ensure_partition") == [(date(2026, 2, 1),), (date(2026, 3, 1),)]
    assert metrics.PARTITION_MONTHS_AHEAD._value.get() == 2
    world.look()
    assert len(conn.asked("audit_partition_months")) == 1, "known, so not asked again"


def test_a_new_month_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = WatchedConnection()
    world = World(monkeypatch, conn)
    world.look()
    world.clock.moment = world.clock.moment.replace(month=2)
    world.look()
    assert conn.asked("SELECT audit_ensure_partition") == [(date(2026, 4, 1),)]


def test_months_that_cannot_be_made_do_not_make_it_unhealthy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    conn = WatchedConnection(months=MONTHS[:3], audit_ensure_partition=psycopg.errors.InsufficientPrivilege("no"))
    world = World(monkeypatch, conn)
    assert world.look().connected
    assert "InsufficientPrivilege" in caplog.text
    del conn.answers["audit_ensure_partition"]
    world.look()
    assert conn.asked("SELECT audit_ensure_partition")[-1] == (date(2026, 3, 1),)


def test_it_runs_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(monitor, "ROUND_SECONDS", 0.01)
    conn = WatchedConnection()
    world = World(monkeypatch, RuntimeError("a mistake"), conn)
    world.monitor.start()
    wait_until(lambda: len(conn.asked(PING)) >= 3, what="rounds after a mistake in the first")
    world.monitor.stop()
    assert "monitor failed unexpectedly" in caplog.text
    wait_until(lambda: conn.closed, what="the closed connection")


# --- what else is looked at -----------------------------------------------------------------------------------


def test_the_log_is_looked_at_in_each_round_within_the_time_of_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = WatchedConnection()
    world = World(monkeypatch, conn)
    deadlines: list[float] = []
    real = world.watchdog.deadline
    monkeypatch.setattr(world.watchdog, "deadline", lambda conn, s: deadlines.append(s) or real(conn, s))
    world.look()
    deadlines.clear()
    world.look()
    assert world.also == [conn, conn]
    assert deadlines == [7.0, 7.0], "the probe, and the look"


@pytest.mark.parametrize("answers", [{"version": 4}, {"inspect": (True, False, True)}, {"standby": True}])
def test_the_log_is_not_looked_at_where_it_may_not_be_there(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]
) -> None:
    world = World(monkeypatch, WatchedConnection(**answers))
    world.look()
    assert world.also == []


def test_a_look_that_fails_is_said_once_and_keeps_no_write(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch, WatchedConnection())
    said = (
        "could not look at the log of all records: permission denied for table log_head more. Run datastorage migrate, "
        "which gives the service's role its rights"
    )
    for _ in range(2):
        world.trouble = psycopg.errors.InsufficientPrivilege("permission denied for table log_head\nmore")
        for _ in range(3):
            assert world.look() == DatabaseState(connected=True, seen=True, schema_version=10_000)
            assert world.breaker.closed
        assert [r.getMessage() for r in caplog.records] == [said]
        world.trouble = None
        world.look()
        caplog.clear()  # of that it can look again


def test_a_connection_that_ends_in_a_look_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    conn, again = WatchedConnection(), WatchedConnection()
    world = World(monkeypatch, conn, again)
    world.look()
    world.trouble = psycopg.OperationalError("server closed the connection unexpectedly")
    conn.closed = True
    assert world.look().connected
    assert world.breaker.closed
    assert world.monitor._conn is None
    world.trouble = None
    assert world.look().connected
    assert world.also[-1] is again
    assert (len(caplog.records), world.found) == (1, 0)


def test_an_error_of_the_look_without_a_text_is_said_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch, WatchedConnection())
    world.trouble = psycopg.errors.QueryCanceled()
    world.look()
    assert [r.getMessage() for r in caplog.records] == ["could not look at the log of all records: QueryCanceled"]
