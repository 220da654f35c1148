"""When the log is signed by the one that gives places, and what is written down for all where it is not."""

from __future__ import annotations

import logging
from uuid import UUID

import psycopg

from app.clock import Clock
from app.postgres.errors import in_a_line
from app.postgres.sessions import Connection, writing
from app.postgres.watchdog import Watchdog
from app.transparency import checkpoint_store
from app.transparency.log_store import Head
from app.transparency.signer import NO_KEY, NotHolderError, NotSignedError, Signer

log = logging.getLogger(__name__)

# A checkpoint about once a second. Where nothing could be signed the next try comes after twice as long, and each later
# one again, up to a limit; others see by the times of those in vain that somebody tries (signing_watch.py). Where
# nothing is new, what is remembered is looked at now and then.
_EVERY_SECONDS, _MOST_SECONDS, _IDLE_SECONDS = 0.9, 5.0, 30.0
# Two memories, a second each to be read and to be moved on, and a few short statements.
_LIMIT_SECONDS = 8.0
_STATEMENT_SECONDS = 5.0


class Signing:
    """Has the log signed while this worker gives places; on the connection, and in the thread, of its sequencer."""

    def __init__(self, signer: Signer, holder: UUID, watchdog: Watchdog, clock: Clock) -> None:
        self._signer = signer
        self._holder = holder
        self._watchdog = watchdog
        self._clock = clock
        self._next = 0.0
        self._pause = _EVERY_SECONDS
        self.forget()

    def forget(self) -> None:
        """What was known is of another connection."""
        self._signed: int | None = None  # the size of the last checkpoint
        self._idle_until = 0.0
        self._written: str | None = ""  # why nothing is signed, as it was written down last; empty: not known

    def compare(self, conn: Connection, head: Head) -> None:
        """Hold the log against what is remembered of it; who cannot be asked stops nothing.

        Raises InconsistentError.
        """
        try:
            self._signer.check(conn, head)
        except NotSignedError as e:
            log.debug("the log is not held against all that is remembered of it: %s", e)

    def step(self, conn: Connection, size: int) -> None:
        """Sign the log of this size, if that is new and it is time.

        Raises InconsistentError; NotHolderError where another one gives places, psycopg.Error.
        """
        now = self._clock.monotonic()
        if now < self._next or (size == self._signed and now < self._idle_until):
            return
        why = None
        try:
            with self._watchdog.deadline(conn, _LIMIT_SECONDS):
                self._signer.sign(conn, self._holder)
            self._signed, self._idle_until = size, now + _IDLE_SECONDS
        except NotSignedError as e:
            why = str(e)
        self._pause = _EVERY_SECONDS if why is None else min(_MOST_SECONDS, 2 * self._pause)
        self._next = now + self._pause
        if why != self._written or why not in (None, NO_KEY):
            self._write(conn, why)

    def _write(self, conn: Connection, why: str | None) -> None:
        """Write down, for all workers, why nothing is signed, or that something is."""
        with self._watchdog.deadline(conn, _STATEMENT_SECONDS), writing(conn):
            if not checkpoint_store.note_unsigned(conn, why, self._holder):
                raise NotHolderError
        if why is None and self._written:
            log.info("the log is signed again")
        elif why is not None and why != self._written:
            log.log(logging.INFO if why == NO_KEY else logging.WARNING, "the log is not signed: %s", why)
        self._written = why

    def stop(self, conn: Connection, why: str) -> None:
        """Write down, for all workers, that nothing may go on behind a log that is not the one that was signed."""
        log.error("the log contradicts what was signed, so that no place is given and nothing signed any more: %s", why)
        try:
            with self._watchdog.deadline(conn, _STATEMENT_SECONDS), writing(conn):
                checkpoint_store.note_inconsistent(conn, why)
        except psycopg.Error as e:
            log.warning("could not write down that the log is inconsistent: %s", in_a_line(e))
