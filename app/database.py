"""PostgreSQL: how connections are made, how long anything may take, and whose fault an error is."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from enum import Enum

import psycopg
from psycopg import conninfo
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from app.clock import Clock
from app.config import DatabaseSettings

# Wake-ups of the watchdog: deadlines are whole seconds, so a tenth is fine enough and costs next to nothing.
_WATCH_INTERVAL_SECONDS = 0.1
# The service's clock is the one that counts; it fires this much after the server's own timeout should have.
_READ_GRACE_SECONDS = 1.0


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
    if state == "23514" and not error.diag.constraint_name:
        return Fault.MISSING_PARTITION
    if state.startswith(("22", "23")):
        return Fault.ROW
    if state.startswith(("42", "3D", "28")):
        return Fault.DEPLOYMENT
    return Fault.UNKNOWN


def is_timeout(error: BaseException) -> bool:
    """Whether the server gave up on a lock or a statement: one is bad luck, several in a row an outage."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _TIMEOUT_CODES


class Watchdog:
    """Shuts the socket of a connection whose deadline has passed.

    A frozen server acknowledges TCP and never answers, and its statement_timeout is a clock that does not tick.
    Whoever waits on the connection then gets an OperationalError at once; `Deadline.fired` says why.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._armed: dict[int, Deadline] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    @contextlib.contextmanager
    def deadline(self, conn: psycopg.Connection, seconds: float) -> Iterator[Deadline]:
        """Give the block ``seconds``; after that the connection is dead and its user finds out."""
        armed = Deadline(conn, self._clock.monotonic() + seconds)
        with self._lock:
            self._armed[id(armed)] = armed
        try:
            yield armed
        finally:
            with self._lock:
                del self._armed[id(armed)]

    def _run(self) -> None:
        while not self._stop.wait(_WATCH_INTERVAL_SECONDS):
            now = self._clock.monotonic()
            # Inside the lock: afterwards the descriptor may belong to somebody else.
            with self._lock:
                for armed in self._armed.values():
                    if not armed.fired and now >= armed.at:
                        armed.fire()


class Deadline:
    """One armed deadline of the watchdog."""

    def __init__(self, conn: psycopg.Connection, at: float) -> None:
        self.at = at
        self.fired = False
        self._conn = conn

    def fire(self) -> None:
        """Shut the socket both ways. Called by the watchdog."""
        self.fired = True
        shut_socket(self._conn)


def shut_socket(conn: psycopg.Connection) -> None:
    """End a connection at the socket, whatever thread is waiting on it; no goodbye to the server."""
    try:
        fd = conn.pgconn.socket
    except psycopg.Error:
        return  # closed already: nobody waits on it
    with contextlib.suppress(OSError):  # not connected any more: the aim is reached
        duplicate = socket.socket(fileno=os.dup(fd))
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        finally:
            duplicate.close()


def connection_string(
    settings: DatabaseSettings,
    purpose: str,
    *,
    statement_timeout: float,
    lock_timeout: float,
    replica: bool = False,
) -> str:
    """libpq connection string with every wait bounded; the timeouts in seconds.

    Without prepared statements a pooler in transaction mode is assumed: it refuses session settings at
    connection start, so they are left to the transactions that need them.
    """
    base = settings.read_conninfo() if replica else settings.conninfo()
    known = conninfo.conninfo_to_dict(base)
    # Each host of several gets its share, so that all of them together take no longer than one would.
    hosts = str(known.get("host") or "").count(",") + 1
    parts: dict[str, str | int] = {
        "application_name": f"datastorage-{purpose}",
        # libpq takes whole seconds and treats 1 as 2.
        "connect_timeout": max(2, round(settings.connect_timeout / hosts)),
        "tcp_user_timeout": round(1000 * max(statement_timeout, settings.connect_timeout)),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    if settings.prepared_statements:
        given = known.get("options") or ""
        session = {
            "statement_timeout": f"{round(1000 * statement_timeout)}",
            "lock_timeout": f"{round(1000 * lock_timeout)}",
            "idle_in_transaction_session_timeout": f"{round(1000 * 2 * statement_timeout)}",
            # Durable whatever the role's default says: an answered 201 is on disk.
            "synchronous_commit": "on",
            "TimeZone": "UTC",
        }
        parts["options"] = " ".join([str(given), *(f"-c {k}={v}" for k, v in session.items())]).strip()
    return conninfo.make_conninfo(base, **parts)


def connect(
    settings: DatabaseSettings, purpose: str, *, statement_timeout: float, lock_timeout: float
) -> psycopg.Connection:
    """A connection in autocommit mode, bounded in every wait. Raises psycopg.OperationalError."""
    conn = psycopg.connect(
        connection_string(settings, purpose, statement_timeout=statement_timeout, lock_timeout=lock_timeout),
        autocommit=True,
    )
    conn.prepare_threshold = 5 if settings.prepared_statements else None
    return conn


class Database:
    """The pool for queries. Writes have a connection of their own (the flusher's), so reads cannot starve them."""

    def __init__(self, settings: DatabaseSettings, *, pool_size: int, clock: Clock, replica: bool = False) -> None:
        self.settings = settings
        self._clock = clock
        purpose = "replica" if replica else "query"
        # Where the primary stands in for a replica, nobody waits for that longer than a connection takes.
        pool_timeout = min(settings.pool_timeout, settings.connect_timeout) if replica else settings.pool_timeout
        self.watchdog = Watchdog(clock)
        self._pool: ConnectionPool[psycopg.Connection] = ConnectionPool(
            kwargs={"autocommit": True},
            # Asked for each connection, so that a rotated password file needs no restart.
            conninfo=lambda: connection_string(
                settings,
                purpose,
                replica=replica,
                statement_timeout=settings.statement_timeout,
                lock_timeout=settings.lock_timeout,
            ),
            min_size=0,
            max_size=pool_size,
            # Waiters beyond this are told at once; each holds a request thread.
            max_waiting=4 * pool_size + 64,
            timeout=pool_timeout,
            reconnect_timeout=10,
            open=False,
            configure=self._configure,
            name=purpose,
        )

    def start(self) -> None:
        """Start the watchdog and the pool's threads; connects to nothing yet, so PostgreSQL may be away."""
        self.watchdog.start()
        self._pool.open(wait=False)

    def stop(self) -> None:
        """Close every connection; waits no longer than a few seconds for queries under way."""
        self._pool.close(timeout=3)
        self.watchdog.stop()

    def _configure(self, conn: psycopg.Connection) -> None:
        conn.prepare_threshold = 5 if self.settings.prepared_statements else None

    @contextlib.contextmanager
    def reading(self) -> Iterator[psycopg.Connection]:
        """A connection for queries. Errors of PostgreSQL and of the pool pass through as they are."""
        seconds = self.settings.statement_timeout + _READ_GRACE_SECONDS
        with self._pool.connection() as conn, self.watchdog.deadline(conn, seconds):
            yield conn

    def pool_stats(self) -> dict[str, int]:
        """psycopg_pool's counters: pool_size, pool_available, requests_waiting, requests_wait_ms, …"""
        return dict(self._pool.get_stats())
