"""What a connection to PostgreSQL is asked for, and what it is told first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from app.clock import Clock
from app.config.stores import DatabaseSettings
from app.postgres import sessions
from app.postgres.sessions import (
    Connection,
    Limits,
    UnconfirmedError,
    commit,
    connection_string,
    pins,
    roll_back,
    writing,
)
from app.postgres.watchdog import Watchdog
from tests.unit.fakes import FakeConnection

LIMITS = Limits(statement=2.0, lock=0.25)


def parts(settings: DatabaseSettings) -> dict[str, Any]:
    return dict(conninfo.conninfo_to_dict(connection_string(settings, "test")))


def test_every_wait_is_bounded() -> None:
    found = parts(DatabaseSettings(connect_timeout=3.0))
    assert found["application_name"] == "datastorage-test"
    assert found["connect_timeout"] == "3"
    assert found["tcp_user_timeout"] == "30000"
    assert {"keepalives_idle", "keepalives_interval", "keepalives_count"} <= found.keys()
    made = pins(LIMITS, "public", 180000)
    assert made["statement_timeout"] == "2000"
    assert made["lock_timeout"] == "250"
    assert made["idle_in_transaction_session_timeout"] == "4000"


def test_timeouts_follow_the_settings() -> None:
    assert parts(DatabaseSettings(connect_timeout=0.2))["connect_timeout"] == "2", "libpq has no shorter one"
    assert parts(DatabaseSettings(connect_timeout=40.0))["tcp_user_timeout"] == "40000"


def test_options_of_the_address_are_kept() -> None:
    found = parts(DatabaseSettings(url="postgresql://u@h/d?options=-c%20search_path%3Dx&sslmode=require"))
    assert found["options"] == "-c search_path=x", "what is pinned afterwards counts all the same"
    assert (found["sslmode"], found["user"], found["host"], found["dbname"]) == ("require", "u", "h", "d")


def test_the_session_asks_for_no_option_that_a_pooler_would_refuse() -> None:
    assert "options" not in parts(DatabaseSettings())
    assert parts(DatabaseSettings(url="postgresql://u@h/d?client_encoding=latin1"))["client_encoding"] == "UTF8"


def test_a_setting_that_an_older_server_lacks_is_left_to_newer_ones() -> None:
    assert "transaction_timeout" not in pins(LIMITS, "public", 160004)
    assert pins(LIMITS, "public", 170000)["transaction_timeout"] == "0"


class PinnableConnection(FakeConnection):
    """A connection whose server process is its own, or a pooler's."""

    def __init__(self, *, pooled: bool = False) -> None:
        super().__init__({"set_config": [(0 if pooled else len(pins(LIMITS, "public", 180000)),)]})
        self.prepare_threshold: int | None = 99
        self.info = SimpleNamespace(backend_pid=4711, server_version=180000)

    _notice = Connection._notice


@pytest.mark.parametrize(
    ("prepared", "pooled", "threshold"), [(True, False, 5), (False, False, None), (True, True, None)]
)
def test_statements_are_prepared_on_a_session_of_our_own(
    monkeypatch: pytest.MonkeyPatch, prepared: bool, pooled: bool, threshold: int | None
) -> None:
    conn = PinnableConnection(pooled=pooled)
    made = []

    def connect(dsn: str, **kwargs: Any) -> Any:
        made.append((dsn, kwargs))
        return conn

    monkeypatch.setattr(Connection, "connect", connect)
    settings = DatabaseSettings(prepared_statements=prepared)
    assert sessions.connect(settings, "test", LIMITS, Watchdog(Clock())) is conn  # type: ignore[comparison-overlap]
    assert (conn.pooled, conn.prepare_threshold) == (pooled, threshold)
    [(dsn, kwargs)] = made
    assert kwargs == {"autocommit": True}
    assert "application_name=datastorage-test" in dsn


def test_a_connection_that_cannot_be_pinned_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = PinnableConnection()
    conn.answers = {"set_config": psycopg.OperationalError("gone")}
    monkeypatch.setattr(Connection, "connect", lambda dsn, **kwargs: conn)
    with pytest.raises(psycopg.OperationalError):
        sessions.connect(DatabaseSettings(), "test", LIMITS, Watchdog(Clock()))
    assert conn.closed


def test_a_rotated_password_is_used_by_the_next_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passwords = []

    def connect(dsn: str, **kwargs: Any) -> Any:
        passwords.append(conninfo.conninfo_to_dict(dsn)["password"])
        return PinnableConnection()

    monkeypatch.setattr(Connection, "connect", connect)
    path = tmp_path / "password"
    settings = DatabaseSettings(password_file=str(path))
    for password in ("old", "new"):
        path.write_text(password)
        sessions.connect(settings, "test", LIMITS, Watchdog(Clock()))
    assert passwords == ["old", "new"]


def test_a_commit_with_a_warning_is_in_doubt() -> None:
    class Warned(FakeConnection):
        def execute(self, statement: str, parameters: Any = None, **_: Any) -> Any:
            self.warned = statement == "COMMIT"
            return super().execute(statement, parameters)

    with pytest.raises(UnconfirmedError), writing(Warned()):  # type: ignore[arg-type]
        pass


def test_a_commit_that_was_answered_with_rollback_is_none() -> None:
    conn: Any = FakeConnection()
    cursor = SimpleNamespace(statusmessage="ROLLBACK")
    conn.execute = lambda *_, **__: cursor
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        commit(conn)


def test_a_connection_that_does_not_survive_the_end_of_its_transaction_is_closed() -> None:
    conn: Any = FakeConnection({"ROLLBACK": psycopg.OperationalError("gone")})
    conn.info = SimpleNamespace(transaction_status=psycopg.pq.TransactionStatus.INTRANS)
    assert not roll_back(conn)
    assert conn.closed
    assert not roll_back(conn)
