from __future__ import annotations

from types import SimpleNamespace

import psycopg
import pytest
from psycopg_pool import PoolTimeout, TooManyRequests

from app.postgres.errors import Fault, classify, in_a_line, is_timeout, took_too_long


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


def test_what_took_too_long() -> None:
    assert took_too_long(psycopg.errors.QueryCanceled("canceling statement due to statement timeout"))
    for other in (
        psycopg.errors.QueryCanceled("canceling statement due to user request"),
        psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"),
        psycopg.errors.AdminShutdown("terminating connection due to administrator command"),
        psycopg.errors.SerializationFailure("canceling statement due to conflict with recovery"),
        psycopg.OperationalError("server closed the connection unexpectedly"),
        TimeoutError(),
    ):
        assert not took_too_long(other)


def test_missing_rights_come_with_what_to_do() -> None:
    missing = psycopg.errors.InsufficientPrivilege("permission denied\nfor table log_head")
    assert in_a_line(missing).startswith("permission denied for table log_head. Run datastorage migrate")
    assert in_a_line(psycopg.OperationalError("")) == "OperationalError"


def test_a_trigger_that_refuses_a_change_asks_for_no_rights() -> None:
    class Refused(psycopg.errors.InsufficientPrivilege):
        diag = SimpleNamespace(source_function="exec_stmt_raise")  # type: ignore[assignment]

    assert in_a_line(Refused("log_head only grows: UPDATE refused")) == "log_head only grows: UPDATE refused"
