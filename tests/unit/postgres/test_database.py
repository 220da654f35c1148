from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import conninfo
from psycopg_pool import PoolTimeout, TooManyRequests

from app.clock import Clock
from app.config.settings import DatabaseSettings
from app.http.problems import Problem
from app.postgres import database
from app.postgres.database import Fault, classify, is_timeout
from app.telemetry import metrics
from tests.unit.fakes import HOUR, FakeConnection, make_services


def server_error(sqlstate: str, constraint: str | None = None, table: str | None = None) -> psycopg.Error:
    """An error as psycopg makes it of the server's answer."""
    try:
        base: type[psycopg.Error] = psycopg.errors.lookup(sqlstate)
    except KeyError:
        base = psycopg.DatabaseError

    class Answer(base):  # type: ignore[misc, valid-type]
        diag = SimpleNamespace(constraint_name=constraint, table_name=table)  # type: ignore[assignment]

    error = Answer("text of the server")
    error.sqlstate = sqlstate
    return error


@pytest.mark.parametrize(
    ("fault", "states"),
    [
        (Fault.OUTAGE, ["08000", "08003", "08006", "08P01"]),
        (Fault.OUTAGE, ["57P01", "57P02", "57P03", "57P04", "57P05"]),
        (Fault.OUTAGE, ["53000", "53100", "53200", "53300", "53400"]),
        (Fault.OUTAGE, ["58000", "58030", "58P01"]),
        (Fault.OUTAGE, ["25006", "55P03", "57014"]),
        (Fault.CONFLICT, ["40001", "40P01"]),
        (Fault.ROW, ["22001", "22P02", "22P05", "22003", "22008"]),
        (Fault.ROW, ["23502", "23503", "23505", "23514", "23P01", "23000"]),
        (Fault.DEPLOYMENT, ["42P01", "42501", "42703", "42883", "3D000", "28000", "28P01"]),
        (Fault.UNKNOWN, ["XX000", "XX001", "0A000", "25P02", "54000", "P0001", "40002", "55000", "57000", "3F000"]),
    ],
)
def test_whose_fault_an_answer_is(fault: Fault, states: list[str]) -> None:
    assert {state: classify(server_error(state)) for state in states} == dict.fromkeys(states, fault)


def test_a_failed_check_that_names_a_table_and_no_constraint_is_a_missing_partition() -> None:
    assert classify(server_error("23514", table="audit_events")) is Fault.MISSING_PARTITION
    assert classify(server_error("23514", table="audit_events", constraint="duration_positive")) is Fault.ROW


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (psycopg.OperationalError("connection refused"), Fault.OUTAGE),
        (psycopg.OperationalError("FATAL:  the database system is starting up"), Fault.OUTAGE),
        (psycopg.OperationalError('x failed: FATAL:  password authentication failed for user "u"'), Fault.DEPLOYMENT),
        (psycopg.OperationalError('x failed: FATAL:  database "d" does not exist'), Fault.DEPLOYMENT),
        (psycopg.OperationalError('x failed: FATAL:  no pg_hba.conf entry for host "h"'), Fault.DEPLOYMENT),
        (psycopg.errors.ConnectionTimeout("timeout"), Fault.OUTAGE),
        (PoolTimeout(), Fault.OUTAGE),
        (TooManyRequests(), Fault.OUTAGE),
        (ConnectionResetError(), Fault.OUTAGE),
        (TimeoutError(), Fault.OUTAGE),
        (psycopg.InterfaceError("closed"), Fault.UNKNOWN),
        (psycopg.DataError("cannot adapt"), Fault.UNKNOWN),
        (psycopg.ProgrammingError("placeholder"), Fault.UNKNOWN),
        (ValueError(), Fault.UNKNOWN),
        (KeyError(), Fault.UNKNOWN),
    ],
)
def test_whose_fault_an_error_without_an_answer_is(error: Exception, fault: Fault) -> None:
    assert classify(error) is fault


def test_timeouts_of_the_server() -> None:
    assert is_timeout(server_error("57014"))
    assert is_timeout(server_error("55P03"))
    assert not is_timeout(server_error("57P01"))
    assert not is_timeout(TimeoutError())


def test_a_rotated_password_is_used_by_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "password"
    pool = database.Database(DatabaseSettings(password_file=str(path)), pool_size=1, clock=Clock())._pool
    for password in ("old", "new"):
        path.write_text(password)
        found = conninfo.conninfo_to_dict(pool._resolve_conninfo())
        assert (found["password"], found["application_name"]) == (password, "datastorage-query")


# --- reads of the service -----------------------------------------------------------------------------------


class Pool:
    """Hands out connections one after the other, as a pool does."""

    timeout = HOUR

    def __init__(self, *connections: Any) -> None:
        self.connections = list(connections)
        self.back: list[Any] = []

    def getconn(self, timeout: float | None = None) -> Any:
        return self.connections.pop(0)

    def putconn(self, conn: Any) -> None:
        self.back.append(conn)

    def drain(self) -> None:
        """The connections of a test are those that it makes."""


def failing(error: Exception, *, closed: bool, statement: str = "SELECT") -> FakeConnection:
    conn = FakeConnection({statement: error})
    conn.closed = closed
    return conn


def hung_up() -> FakeConnection:
    conn = FakeConnection()
    conn.hang_up()
    return conn


def select(conn: Any) -> Any:
    return conn.execute("SELECT 1").fetchone()


def reader(*connections: Any) -> Any:
    services = make_services()
    services.database._pool = Pool(*connections)  # type: ignore[assignment]
    return services


LOST = psycopg.OperationalError("server closed the connection unexpectedly")


def test_a_read_is_tried_again_on_a_connection_that_had_died_in_the_pool() -> None:
    assert reader(failing(LOST, closed=True), FakeConnection({"SELECT": [(1,)]})).read(select) == (1,)


def test_connections_that_have_ended_in_the_pool_are_passed_over_without_a_try() -> None:
    dead = [hung_up() for _ in range(30)]
    services = reader(*dead, FakeConnection({"SELECT": [(1,)]}))
    assert services.read(select) == (1,)
    assert services.database._pool.back[:30] == dead
    assert all(conn.closed and not conn.executed for conn in dead)


class EmptyPool(Pool):
    """Has no connection for anybody; waits are over at once, so that a test sees how long they would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def getconn(self, timeout: float | None = None) -> Any:
        assert timeout is not None
        self.waits.append(timeout)
        raise PoolTimeout


def test_who_waits_for_a_connection_ends_when_postgresql_is_known_to_be_away() -> None:
    services = reader()
    pool = services.database._pool = EmptyPool()

    def lost_in_the_third_look() -> bool:
        if len(pool.waits) == 3:
            services.breaker.failed(unreachable=True)
        return bool(services.breaker.unreachable)

    services.database._is_away = lost_in_the_third_look
    with pytest.raises(PoolTimeout):
        services.read(select)
    assert pool.waits == [0.5] * 3
    assert make_services().database._is_away() is False


def test_a_change_is_made_on_another_connection_where_nothing_was_said_on_the_first() -> None:
    conn = FakeConnection({"SELECT": [(1,)]})
    assert reader(hung_up(), failing(LOST, closed=True, statement="BEGIN"), conn).change(select) == (1,)
    assert [statement for statement, _ in conn.executed] == ["BEGIN", "SELECT 1", "COMMIT"]


def test_a_change_is_never_made_twice() -> None:
    for statement in ("SELECT", "COMMIT"):
        services = reader(failing(LOST, closed=True, statement=statement), FakeConnection())
        with pytest.raises(psycopg.OperationalError):
            services.change(select)
        assert len(services.database._pool.connections) == 1


def test_a_read_is_tried_twice_at_the_most() -> None:
    services = reader(failing(LOST, closed=True), failing(LOST, closed=True), FakeConnection())
    with pytest.raises(psycopg.OperationalError):
        services.read(select)


def test_a_read_that_a_living_server_refused_is_not_tried_again() -> None:
    for error in (psycopg.errors.QueryCanceled("too slow"), psycopg.errors.UndefinedTable("none")):
        with pytest.raises(type(error)):
            reader(failing(error, closed=False), FakeConnection()).read(select)


@pytest.mark.parametrize("way", ["read", "change"])
def test_nobody_waits_for_a_database_that_is_known_to_be_away(way: str) -> None:
    services = reader()
    services.breaker.failed(unreachable=True)
    with pytest.raises(Problem) as e:
        getattr(services, way)(select)
    assert e.value.kind.status == 503


def test_an_unopened_pool_refuses_and_can_be_stopped() -> None:
    services = make_services()
    with pytest.raises(psycopg.OperationalError):
        services.read(select)
    services.sample()
    assert metrics.POOL_SIZE._value.get() == 0
    assert metrics.DB_UP._value.get() == 1
    services.database.stop()


def test_connections_are_shared_out_over_workers() -> None:
    for workers, size in ((1, 25), (4, 6), (25, 1), (100, 1)):
        assert make_services(instance_workers=workers).database._pool.max_size == size


def test_stop_ends_the_flusher_and_every_other_part() -> None:
    services = make_services()
    services.flusher.start()
    assert services.stop()
    thread = services.flusher._thread
    assert thread is not None
    assert not thread.is_alive()
    assert services.draining
    assert services.stop(), "a second time changes nothing"


def test_a_part_that_fails_keeps_no_other_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    services = make_services()
    stopped = []

    def fail() -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(services.monitor, "stop", fail)
    monkeypatch.setattr(services.database, "stop", lambda: stopped.append("database"))
    assert not services.stop()
    assert stopped == ["database"]
