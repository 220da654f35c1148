from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import conninfo
from psycopg_pool import PoolTimeout, TooManyRequests

from app import database, metrics
from app.clock import Clock
from app.config import DatabaseSettings
from app.database import Fault, Watchdog, classify, connection_string, is_timeout, shut_socket
from app.problems import Problem
from tests.support import wait_until
from tests.unit.fakes import FakeConnection, StandingClock, make_services


def server_error(sqlstate: str, constraint: str | None = None) -> psycopg.Error:
    """An error as psycopg makes it of the server's answer."""
    try:
        base: type[psycopg.Error] = psycopg.errors.lookup(sqlstate)
    except KeyError:
        base = psycopg.DatabaseError

    class Answer(base):  # type: ignore[misc, valid-type]
        diag = SimpleNamespace(constraint_name=constraint)  # type: ignore[assignment]

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
        (Fault.MISSING_PARTITION, ["23514"]),
        (Fault.ROW, ["22001", "22P02", "22P05", "22003", "22008"]),
        (Fault.ROW, ["23502", "23503", "23505", "23P01", "23000"]),
        (Fault.DEPLOYMENT, ["42P01", "42501", "42703", "42883", "3D000", "28000", "28P01"]),
        (Fault.UNKNOWN, ["XX000", "XX001", "0A000", "25P02", "54000", "P0001", "40002", "55000", "57000", "3F000"]),
    ],
)
def test_whose_fault_an_answer_is(fault: Fault, states: list[str]) -> None:
    assert {state: classify(server_error(state)) for state in states} == dict.fromkeys(states, fault)


def test_a_check_constraint_with_a_name_is_the_rows_fault() -> None:
    assert classify(server_error("23514", constraint="duration_positive")) is Fault.ROW


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


# --- connection strings -------------------------------------------------------------------------------------


def parts(settings: DatabaseSettings, statement: float = 2.0, lock: float = 1.0) -> dict[str, Any]:
    made = conninfo.conninfo_to_dict(
        connection_string(settings, "test", statement_timeout=statement, lock_timeout=lock)
    )
    return dict(made)


def test_every_wait_is_bounded() -> None:
    found = parts(DatabaseSettings(connect_timeout=3.0))
    assert found["application_name"] == "datastorage-test"
    assert found["connect_timeout"] == "3"
    assert found["tcp_user_timeout"] == "3000"
    assert {"keepalives_idle", "keepalives_interval", "keepalives_count"} <= found.keys()
    assert found["options"].split(" -c ") == [
        "-c statement_timeout=2000",
        "lock_timeout=1000",
        "idle_in_transaction_session_timeout=4000",
        "synchronous_commit=on",
        "TimeZone=UTC",
    ]


def test_timeouts_follow_the_settings() -> None:
    found = parts(DatabaseSettings(connect_timeout=0.2), statement=30.0, lock=0.25)
    assert found["connect_timeout"] == "2", "libpq has no shorter one"
    assert found["tcp_user_timeout"] == "30000"
    assert "lock_timeout=250 " in found["options"]


def test_options_of_the_address_are_kept() -> None:
    found = parts(DatabaseSettings(url="postgresql://u@h/d?options=-c%20search_path%3Dx&sslmode=require"))
    assert found["options"].startswith("-c search_path=x -c statement_timeout=")
    assert (found["sslmode"], found["user"], found["host"], found["dbname"]) == ("require", "u", "h", "d")


def test_a_pooler_gets_no_session_settings() -> None:
    found = parts(DatabaseSettings(prepared_statements=False))
    assert "options" not in found
    assert found["connect_timeout"] == "3"


@pytest.mark.parametrize(("prepared", "threshold"), [(True, 5), (False, None)])
def test_connections(monkeypatch: pytest.MonkeyPatch, prepared: bool, threshold: int | None) -> None:
    conn = SimpleNamespace()
    made = []

    def connect(dsn: str, **kwargs: Any) -> SimpleNamespace:
        made.append((dsn, kwargs))
        return conn

    monkeypatch.setattr(database.psycopg, "connect", connect)
    settings = DatabaseSettings(prepared_statements=prepared)
    assert database.connect(settings, "test", statement_timeout=1, lock_timeout=1) is conn
    assert conn.prepare_threshold == threshold
    [(dsn, kwargs)] = made
    assert kwargs == {"autocommit": True}
    assert "application_name=datastorage-test" in dsn


def test_a_rotated_password_is_used_by_the_next_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passwords = []
    monkeypatch.setattr(
        database.psycopg,
        "connect",
        lambda dsn, **kw: (passwords.append(conninfo.conninfo_to_dict(dsn)["password"]), SimpleNamespace())[1],
    )
    path = tmp_path / "password"
    settings = DatabaseSettings(password_file=str(path))
    for password in ("old", "new"):
        path.write_text(password)
        database.connect(settings, "test", statement_timeout=1, lock_timeout=1)
    assert passwords == ["old", "new"]


def test_a_rotated_password_is_used_by_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "password"
    pool = database.Database(DatabaseSettings(password_file=str(path)), pool_size=1, clock=Clock())._pool
    for password in ("old", "new"):
        path.write_text(password)
        found = conninfo.conninfo_to_dict(pool._resolve_conninfo())
        assert (found["password"], found["application_name"]) == (password, "datastorage-query")


# --- watchdog -----------------------------------------------------------------------------------------------


class SocketConnection:
    """A connection to a server that never answers."""

    def __init__(self, sock: socket.socket) -> None:
        self.pgconn = SimpleNamespace(socket=sock.fileno())


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket that is connected to a server that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.settimeout(60)
            yield client


class WatchedClock(StandingClock):
    """Stands, and knows how often it was looked at."""

    looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.seconds

    def move(self, seconds: float) -> None:
        """Put it there, and wait until the watchdog has gone round with that time."""
        self.seconds = seconds
        seen = self.looks
        wait_until(lambda: self.looks >= seen + 2, what="two rounds of the watchdog")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WatchedClock:
    monkeypatch.setattr(database, "_WATCH_INTERVAL_SECONDS", 0.001)
    return WatchedClock()


@pytest.fixture
def watchdog(clock: WatchedClock) -> Iterator[Watchdog]:
    made = Watchdog(clock)
    made.start()
    yield made
    made.stop()


def test_the_watchdog_ends_a_wait(silent: socket.socket, watchdog: Watchdog, clock: WatchedClock) -> None:
    with watchdog.deadline(SocketConnection(silent), 10) as deadline:  # type: ignore[arg-type]
        clock.move(9.9)
        assert not deadline.fired
        clock.seconds = 10.0
        assert silent.recv(1) == b"", "the connection is dead at once"
    assert deadline.fired


def test_who_is_in_time_is_left_alone(silent: socket.socket, watchdog: Watchdog, clock: WatchedClock) -> None:
    with watchdog.deadline(SocketConnection(silent), 10) as deadline:  # type: ignore[arg-type]
        pass
    clock.move(100.0)
    assert not deadline.fired
    silent.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent.recv(1)


def test_each_deadline_is_for_itself(silent: socket.socket, watchdog: Watchdog) -> None:
    with (
        watchdog.deadline(SocketConnection(silent), 60) as long,  # type: ignore[arg-type]
        watchdog.deadline(SocketConnection(silent), 0) as short,  # type: ignore[arg-type]
    ):
        silent.recv(1)
    assert (short.fired, long.fired) == (True, False)
    assert not watchdog._armed


def test_a_deadline_is_taken_away_whatever_happens(silent: socket.socket, watchdog: Watchdog) -> None:
    with pytest.raises(ValueError, match="mine"), watchdog.deadline(SocketConnection(silent), 60):  # type: ignore[arg-type]
        raise ValueError("mine")
    assert not watchdog._armed


def test_the_descriptor_itself_stays_its_owners(silent: socket.socket) -> None:
    shut_socket(SocketConnection(silent))  # type: ignore[arg-type]
    assert silent.fileno() >= 0
    assert silent.recv(1) == b""
    shut_socket(SocketConnection(silent))  # type: ignore[arg-type]


def test_a_closed_connection_needs_no_shutting() -> None:
    class Closed:
        @property
        def pgconn(self) -> Any:
            raise psycopg.OperationalError("the connection is closed")

    shut_socket(Closed())  # type: ignore[arg-type]


def test_a_watchdog_that_was_not_started_can_be_stopped() -> None:
    Watchdog(Clock()).stop()


# --- reads of the service -----------------------------------------------------------------------------------


class Pool:
    """Hands out connections one after the other."""

    def __init__(self, *connections: Any) -> None:
        self.connections = list(connections)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        yield self.connections.pop(0)


def failing(error: Exception, *, closed: bool) -> FakeConnection:
    conn = FakeConnection({"SELECT": error})
    conn.closed = closed
    return conn


def select(conn: Any) -> Any:
    return conn.execute("SELECT 1").fetchone()


def reader(*connections: Any) -> Any:
    services = make_services()
    services.database.reading = Pool(*connections).reading  # type: ignore[method-assign]
    return services


LOST = psycopg.OperationalError("server closed the connection unexpectedly")


def test_a_read_is_tried_again_on_a_connection_that_had_died_in_the_pool() -> None:
    assert reader(failing(LOST, closed=True), FakeConnection({"SELECT": [(1,)]})).read(select) == (1,)


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
    with pytest.raises(psycopg.OperationalError), services.database.reading():
        pass
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
