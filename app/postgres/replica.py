"""Queries on a replica (database.read_url) while it answers; the caller has the primary for when it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests

from app.clock import Clock
from app.config.stores import DatabaseSettings
from app.postgres.database import Database
from app.postgres.errors import Fault, classify, is_timeout
from app.postgres.sessions import Connection
from app.telemetry import metrics
from app.telemetry.logs import service_log

log = service_log(__name__)
T = TypeVar("T")

# A replica that was away is tried again so often, by one query; the others do not wait for what it finds.
_RETRY_SECONDS = 5.0


class ReplicaAwayError(Exception):
    """The replica did not answer the query: the primary has to."""


class Replica:
    """The pool of a replica, and whether it is worth asking. Safe to share between threads."""

    def __init__(self, settings: DatabaseSettings, *, pool_size: int, clock: Clock) -> None:
        self.database = Database(settings, pool_size=pool_size, clock=clock, replica=True)
        self._lock = threading.Lock()
        self._away = False
        self._next_try = 0.0

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query. Raises ReplicaAwayError where the primary should be asked instead.

        A query that takes too long is not repeated there: what was too much for one would be for the other.
        """
        if not self._worth_a_try():
            raise ReplicaAwayError
        started = time.monotonic()
        try:
            result = self.database.read(query)
        except (psycopg.Error, PoolTimeout, TooManyRequests, OSError) as e:
            fault = classify(e)
            if fault is Fault.CONFLICT:
                # The replica had to undo what the query was reading; it is well otherwise.
                raise ReplicaAwayError from e
            if fault not in (Fault.OUTAGE, Fault.DEPLOYMENT) or is_timeout(e):
                raise
            self._failed(e)
            if time.monotonic() - started > self.database.settings.statement_timeout:
                raise
            raise ReplicaAwayError from e
        if self._away:
            self._answered()
        return result

    def _worth_a_try(self) -> bool:
        if not self._away:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + _RETRY_SECONDS
            return True

    def _failed(self, error: Exception) -> None:
        metrics.REPLICA_FALLBACKS.inc()
        with self._lock:
            if not self._away:
                log.warning("the replica does not answer (%s): queries go to the primary", type(error).__name__)
            self._away = True
            self._next_try = time.monotonic() + _RETRY_SECONDS

    def _answered(self) -> None:
        with self._lock:
            if self._away:
                log.info("the replica answers again")
            self._away = False
