"""The sequencer: gives each stored record its place in the log. One of all instances works at a time.

Writers leave a pending row a statement (sql/0005_log.sql). The sequencer takes many of them at once, puts their entries
behind those that are there, and removes the rows, in one transaction under the lock of log_head: killed anywhere, it
leaves neither a gap nor a place given twice. The others do nothing, until they see that pending rows stay where they
are; then one of them takes over.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid

import psycopg
from datastorage_common.counts import counted
from datastorage_common.merkle import leaf_hash

from app.clock import Clock
from app.config.settings import Settings
from app.loop import LoopThread
from app.postgres.errors import in_a_line
from app.postgres.sessions import Connection, Limits, begin, begun, connect, is_hung_up, reading
from app.postgres.watchdog import Watchdog
from app.transparency import log_store
from app.transparency.edge import WIDTH, Edge, grow
from app.transparency.entries import EntryError, as_json, split
from app.transparency.log_store import Head, LogBrokenError, PendingRow
from app.transparency.signer import InconsistentError, NotHolderError, Signer
from app.transparency.signing import Signing
from app.transparency.watch import Floor

log = logging.getLogger(__name__)

# How often the one that gives places looks for pending rows. Whenever there are some, a bundle and a tile that are not
# full are written anew, some 11 kB: at few events a second that is most of what the log writes.
_ROUND_SECONDS = 0.5
_STATEMENT_SECONDS = 5.0
_LOCK_SECONDS = 1.0
# A bite on our own clock; one that takes longer is undone, and the next is half as large. Others end who has the lock
# for over 5 s, so that it has to be less; only quick ones grow.
_BITE_SECONDS = 4.0
_QUICK_SECONDS = 1.0
_MAX_ENTRIES, _MIN_ENTRIES = 16_384, 256
_MAX_ROWS = 4096
# Of records from before there was a log a bite has so many: new ones that come meanwhile wait for its end.
_MAX_OLD_ENTRIES = 4096
# A table of pending rows that is larger is emptied when it is the other's turn: vacuum does not come after it, for a
# long snapshot perhaps. Not sooner, since a standby has to do the same, and a long read there holds up its replay.
_TIDY_BYTES = 64 * 1024**2
_TIDY_SECONDS = 5.0
# TRUNCATE is seen by snapshots from before it. Who reads the log in one, as pg_dump does, has locked the table by then.
_IDLE_SECONDS = 10.0
# A row that this release cannot read waits so long for one that can, in an instance beside this one.
_UNREADABLE_SECONDS = 60.0
# Another session may have the lock so long before that is worth a line; tries that lie further apart are not one wait.
_LOCKED_OUT_SECONDS = 15.0
_APART_SECONDS = 5.0


class _NotLeaderError(Exception):
    """Another one gives places now."""


class _StandsStillError(_NotLeaderError):
    """The log contradicts what was signed: nobody gives places."""


class _LockedError(_NotLeaderError):
    """Another session has the lock, whether it gives places or not."""


class Sequencer:
    """Gives places while it is this worker's turn. `wanted` says that it may be."""

    def __init__(self, settings: Settings, watchdog: Watchdog, clock: Clock, signer: Signer) -> None:
        self._settings = settings
        self._watchdog = watchdog
        self._clock = clock
        self._ident = uuid.uuid4()
        self._signing = Signing(signer, self._ident, watchdog, clock)
        self._wake = threading.Event()
        self._loop = LoopThread("sequencer", self.step, _ROUND_SECONDS, log, wake=self._wake, end=self._leave)
        self._floor = Floor(clock)
        self._conn: Connection | None = None
        self._edge: Edge | None = None
        self._turn = (-1, 0.0)  # the table that rows are taken from, and since when
        self._max_entries = _MAX_ENTRIES
        self._tidy_again = 0.0
        self._all_taken_in = False
        self._asked = False
        self._failed_by = ""  # what was said of the last failure
        self._locked_out = (0.0, 0.0)  # the first and the last of the tries that found the lock taken
        self.leading = False

    def start(self) -> None:
        """Start the thread; it does nothing until `wanted`."""
        self._loop.start()

    def stop(self) -> None:
        """End the thread; waits no longer than a bite may take."""
        self._loop.stop(timeout=_STATEMENT_SECONDS)

    def wanted(self) -> None:
        """Nobody gives places, as it seems: try to. May be called from any thread."""
        if not self.leading:
            self._asked = True
            self._wake.set()

    def step(self) -> None:
        """Give places to all that waits, if it is this one's turn."""
        if not self.leading and not self._asked:
            return
        asked, self._asked = self._asked, False
        try:
            conn = self._connected()
            more = True
            while more and not self._loop.stopping:
                more = self._bite(conn, take_over=asked)
                asked = False
                if self._edge is not None:
                    self._signing.step(conn, self._edge.size)
            self._tidy(conn)
        except InconsistentError as e:
            self._signing.stop(conn, str(e))
            self._step_down()
        except (_NotLeaderError, NotHolderError) as e:
            if self.leading and not isinstance(e, _StandsStillError):
                log.info("another worker gives places in the log now")
            self._step_down()
            if asked and isinstance(e, _LockedError):
                self._is_locked_out()
        except (psycopg.Error, OSError) as e:  # OSError: the password file could not be read just now
            self._failed(logging.WARNING, in_a_line(e))
        except (LogBrokenError, EntryError) as e:
            self._failed(logging.ERROR, f"its tables contradict each other: {e}")
        except Exception as e:  # noqa: BLE001 - a mistake of this one must not keep others from trying, each second
            self._failed(logging.ERROR, f"{type(e).__name__}: {e}", exc_info=True)

    def _bite(self, conn: Connection, *, take_over: bool) -> bool:
        """Give places to what waits, up to a limit; True if there may be more."""
        began = self._clock.monotonic()
        with self._watchdog.deadline(conn, _BITE_SECONDS):
            try:
                more = self._take(conn, take_over=take_over)
            except psycopg.Error:
                # It may have been too large for its time; if it was not, the next are larger soon.
                self._max_entries = max(_MIN_ENTRIES, self._max_entries // 2)
                raise
        if self._clock.monotonic() - began < _QUICK_SECONDS:
            self._max_entries = min(_MAX_ENTRIES, 2 * self._max_entries)
        return more

    def _take(self, conn: Connection, *, take_over: bool) -> bool:
        first = self._floor.first()
        with reading(conn):
            waits = log_store.anything_pending(conn, first)
        # Behind a new connection: what this server has, and whether it is this one's turn there, shows under the lock.
        if not (take_over or waits or not self._all_taken_in or self._edge is None):
            return False
        begin(conn)
        try:
            with begun(conn):
                growth, more = self._sequence(conn, first, take_over=take_over)
        except BaseException:
            # Whatever became of the commit, the tables say.
            self._edge = None
            self._all_taken_in = False
            raise
        self._edge = growth
        self._failed_by = ""
        if not self.leading:
            self.leading = True
            log.info("this worker gives places in the log now, from %d on, as holder %s", growth.size, self._ident)
        return more

    def _sequence(self, conn: Connection, first: int, *, take_over: bool) -> tuple[Edge, bool]:
        """In a transaction: put what waits behind the log; its edge then, and whether there may be more."""
        if not log_store.lock_head(conn):
            if take_over and (ended := log_store.end_stopped_holder(conn)):
                log.warning("ended %s that held the log's lock and stood still", counted(ended, "session"))
            raise _LockedError
        head = log_store.head(conn)
        ours = head.holder == self._ident
        if head.inconsistent is not None:
            raise _StandsStillError
        if not ours and not take_over:
            raise _NotLeaderError
        edge = self._edge
        if edge is None or not ours or edge.size != head.size:
            # Another primary perhaps, or another database behind the same address: a pooler keeps the connection.
            self._signing.compare(conn, head)
            edge = log_store.edge(conn, head.size)
        rows = log_store.pending(conn, first=first, rows=_MAX_ROWS, entries=self._max_entries)
        more = sum(row.count for row in rows) >= self._max_entries or len(rows) == _MAX_ROWS
        rows, entries = self._read(conn, rows)
        if not more and not self._all_taken_in:
            more = self._take_in_old(conn, edge.size + len(entries), entries)
        if entries:
            growth = grow(edge, entries, _leaf_hashes(entries))
            log_store.write(conn, growth, entries)
            edge = growth.edge
        if rows:
            log_store.delete_pending(conn, rows)
            self._taken_to(rows[-1].number)
        if entries or not ours:
            log_store.put_head(conn, Head(edge.size, head.epoch + (not ours), self._ident))
        return edge, more

    def _read(self, conn: Connection, rows: list[PendingRow]) -> tuple[list[PendingRow], list[bytes]]:
        """The rows that can be taken, as far as one that can be read by others perhaps, and their entries.

        One that nobody could read for long is set aside, so that the log goes on: where it lies it is kept and shown.
        """
        entries: list[bytes] = []
        for at, row in enumerate(rows):
            try:
                entries += _entries_of(row)
            except EntryError as e:
                if row.age < _UNREADABLE_SECONDS:
                    if at:
                        return rows[:at], entries
                    raise
                log.error("%s: it is set aside, in log_set_aside", e)
                log_store.set_aside(conn, row, str(e))
        return rows, entries

    def _take_in_old(self, conn: Connection, first: int, entries: list[bytes]) -> bool:
        """Add entries of records from before there was a log; whether there may be more of them."""
        state = log_store.intake(conn)
        old = log_store.old_records(conn, state, first, min(_MAX_OLD_ENTRIES, self._max_entries))
        entries += old.entries
        state = log_store.intake(conn)
        self._all_taken_in = state.events_done and state.notifications_done
        return bool(old.entries)

    def _taken_to(self, number: int) -> None:
        """Note what was taken last, and whose turn it is by that."""
        self._floor.seen(number)
        turn = number // log_store.TURN_ROWS % 2
        if turn != self._turn[0]:
            self._turn = (turn, self._clock.monotonic())

    def _tidy(self, conn: Connection) -> None:
        """Empty the pending table whose turn it is not, where it has become large."""
        now = self._clock.monotonic()
        if now < self._tidy_again:
            return
        self._tidy_again = now + _TIDY_SECONDS
        turn, since = self._turn
        if turn < 0 or now - since < _IDLE_SECONDS:
            return
        idle = 1 - turn
        with self._watchdog.deadline(conn, _STATEMENT_SECONDS):
            with reading(conn):
                size = log_store.pending_bytes(conn)[idle]
            if size > _TIDY_BYTES:
                log_store.empty_pending(conn, idle)

    def _connected(self) -> Connection:
        if self._conn is not None and is_hung_up(self._conn):
            self._drop()
        if self._conn is None:
            limits = Limits(_STATEMENT_SECONDS, _LOCK_SECONDS)
            self._conn = connect(self._settings.database, "sequencer", limits, self._watchdog)
        return self._conn

    def _drop(self) -> None:
        self._edge = None
        self._signing.forget()
        # What it knows is of this connection's server: another primary may number its rows lower.
        self._floor = Floor(self._clock)
        self._turn = (-1, 0.0)
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _is_locked_out(self) -> None:
        """The lock was taken: say so when that has lasted, and nothing came of it."""
        now = self._clock.monotonic()
        since, last = self._locked_out
        self._locked_out = (now if now - last > _APART_SECONDS else since, now)
        if now - self._locked_out[0] > _LOCKED_OUT_SECONDS:
            self._failed(logging.WARNING, "another session holds the lock of log_head and gives none")

    def _failed(self, level: int, why: str, *, exc_info: bool = False) -> None:
        # Once: whoever tries again meets the same.
        if self.leading or why != self._failed_by:
            log.log(level, "could not give places in the log: %s", why, exc_info=exc_info)
        self._failed_by = why
        self._step_down()

    def _step_down(self) -> None:
        self.leading = False
        self._drop()

    def _leave(self) -> None:
        self.leading = False
        self._drop()


def _entries_of(row: PendingRow) -> list[bytes]:
    try:
        found = split(row.entries)
    except EntryError as e:
        raise EntryError(f"the pending row {row.number} can't be read: {e}") from None
    if len(found) != row.count:
        raise EntryError(f"the pending row {row.number} does not hold {row.count} entries")
    return found


def _leaf_hashes(entries: list[bytes]) -> list[bytes]:
    hashes = []
    for i in range(0, len(entries), WIDTH):
        hashes += [leaf_hash(as_json(entry)) for entry in entries[i : i + WIDTH]]
        # The request threads of this worker wait for the interpreter no longer than for one tile.
        time.sleep(0)
    return hashes
