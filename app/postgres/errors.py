"""What an error of PostgreSQL says: whose fault it is. What a client sees of it, app/http decides."""

from __future__ import annotations

import re
from enum import Enum

import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests


class OutageError(Exception):
    """PostgreSQL is known to be away: it was not asked."""


class Fault(Enum):
    """Whose fault a database error is, and so what becomes of the write (docs/architecture.md)."""

    OUTAGE = "outage"  # PostgreSQL cannot take it now
    CONFLICT = "conflict"  # serialization failure or deadlock: worth another try at once
    MISSING_PARTITION = "missing_partition"
    ROW = "row"  # the row's own fault: it can never be stored
    DEPLOYMENT = "deployment"  # missing table, missing rights, bad password
    UNKNOWN = "unknown"


_OUTAGE_CODES = frozenset({"25006", "55P03", "57014"})
_TURNED_DOWN = re.compile(
    r'FATAL: +([\w-]+ authentication failed|no pg_hba\.conf entry|(role|database) ".*" does not exist)'
)
_TIMEOUT_CODES = frozenset({"55P03", "57014"})


def classify(error: BaseException) -> Fault:
    """Whose fault an error of psycopg or its pool is."""
    if isinstance(error, PoolTimeout | TooManyRequests | OSError):
        return Fault.OUTAGE
    if not isinstance(error, psycopg.Error):
        return Fault.UNKNOWN
    state = error.sqlstate
    if state is None:
        if not isinstance(error, psycopg.OperationalError):
            return Fault.UNKNOWN
        # No answer from the server: the connection could not be made, or broke. Where the server turned it down,
        # libpq keeps the words and drops the SQLSTATE (28 or 3D).
        return Fault.DEPLOYMENT if _TURNED_DOWN.search(str(error)) else Fault.OUTAGE
    if state in _OUTAGE_CODES or state.startswith(("08", "53", "57P0", "58")):
        return Fault.OUTAGE
    if state in ("40001", "40P01"):
        return Fault.CONFLICT
    # Where no partition takes the row PostgreSQL names the table and no constraint; a trigger that raises the same code
    # names neither.
    if state == "23514" and error.diag.table_name and not error.diag.constraint_name:
        return Fault.MISSING_PARTITION
    if state.startswith(("22", "23")):
        return Fault.ROW
    if state.startswith(("42", "3D", "28")):
        return Fault.DEPLOYMENT
    return Fault.UNKNOWN


def is_timeout(error: BaseException) -> bool:
    """Whether the server gave up on a lock or a statement: one is bad luck, several in a row an outage."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _TIMEOUT_CODES


def took_too_long(error: BaseException) -> bool:
    """Whether the server ended a statement at its statement_timeout, and not because somebody asked it to."""
    if not isinstance(error, psycopg.errors.QueryCanceled):
        return False
    # Both have one SQLSTATE, and only their words differ. In another language than English a cancel is not known.
    return "user request" not in str(error)


def one_line(error: Exception) -> str:
    """What PostgreSQL says, in one line; the name of the error where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def in_a_line(error: Exception) -> str:
    """As `one_line`, for the log: with what to do where rights are missing."""
    text = one_line(error)
    # The triggers that keep records as they are use the same code: no right helps there.
    if isinstance(error, psycopg.errors.InsufficientPrivilege) and error.diag.source_function != "exec_stmt_raise":
        return f"{text}. Run datastorage migrate, which gives the service's role its rights"
    return text
