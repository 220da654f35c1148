from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo
from psycopg_pool import PoolTimeout

from app.clock import Clock
from app.config.stores import DatabaseSettings
from app.postgres import database
from app.postgres.errors import OutageError
from app.telemetry import metrics
from tests.unit.fakes import HOUR, FakeConnection, make_services


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
    assert reader(failing(LOST, closed=True), FakeConnection({"SELECT": [(1,)]})).reader.read(select) == (1,)


def test_connections_that_have_ended_in_the_pool_are_passed_over_without_a_try() -> None:
    dead = [hung_up() for _ in range(30)]
    services = reader(*dead, FakeConnection({"SELECT": [(1,)]}))
    assert services.reader.read(select) == (1,)
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
        services.reader.read(select)
    assert pool.waits == [0.5] * 3
    assert make_services().database._is_away() is False


def test_a_change_is_made_on_another_connection_where_nothing_was_said_on_the_first() -> None:
    conn = FakeConnection({"SELECT": [(1,)]})
    assert reader(hung_up(), failing(LOST, closed=True, statement="BEGIN"), conn).database.change(select) == (1,)
    assert [statement for statement, _ in conn.executed] == ["BEGIN", "SELECT 1", "COMMIT"]


def test_a_change_is_never_made_twice() -> None:
    for statement in ("SELECT", "COMMIT"):
        services = reader(failing(LOST, closed=True, statement=statement), FakeConnection())
        with pytest.raises(psycopg.OperationalError):
            services.database.change(select)
        assert len(services.database._pool.connections) == 1


def test_a_read_is_tried_twice_at_the_most() -> None:
    services = reader(failing(LOST, closed=True), failing(LOST, closed=True), FakeConnection())
    with pytest.raises(psycopg.OperationalError):
        services.reader.read(select)


def test_a_read_that_a_living_server_refused_is_not_tried_again() -> None:
    for error in (psycopg.errors.QueryCanceled("too slow"), psycopg.errors.UndefinedTable("none")):
        with pytest.raises(type(error)):
            reader(failing(error, closed=False), FakeConnection()).reader.read(select)


@pytest.mark.parametrize("way", ["read", "change", "make_partition"])
def test_nothing_waits_for_a_database_that_is_known_to_be_away(way: str) -> None:
    services = reader()
    services.breaker.failed(unreachable=True)
    with pytest.raises(OutageError):
        getattr(services.database, way)(select)
    with pytest.raises(OutageError):
        services.reader.read(select)


def test_an_unopened_pool_refuses_and_can_be_stopped() -> None:
    services = make_services()
    with pytest.raises(psycopg.OperationalError):
        services.reader.read(select)
    services.sampler.sample()
    assert metrics.POOL_SIZE._value.get() == 0
    assert metrics.DB_UP._value.get() == 1
    services.database.stop()


def test_connections_are_shared_out_over_workers() -> None:
    for workers, size in ((1, 25), (4, 6), (25, 1), (100, 1)):
        assert make_services(instance_workers=workers).database._pool.max_size == size
