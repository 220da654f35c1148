"""Changes of what the service keeps beside records: each is committed together with the audit event that says so."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import psycopg

from app.http.problems import Problem
from app.postgres.database import Database
from app.postgres.errors import Fault, classify
from app.postgres.sessions import Connection
from app.telemetry import metrics

log = logging.getLogger(__name__)
T = TypeVar("T")

_UNKNOWN = "the outcome is not known - please look before you try again"


class Changes:
    """Runs changes in transactions that write; an action stores its audit events by `app.audit.store.append`."""

    def __init__(self, database: Database, now: Callable[[], datetime], table: str) -> None:
        """``table``: what metrics of writing call it."""
        self._database = database
        self._now = now
        self._table = table

    def commit(self, action: Callable[[Connection], T]) -> T:
        """Run the action and commit it; once more if the month of its events had no partition.

        Raises what the action raises, and as `Database.change`; Problem 503 where the commit was not answered.
        """
        started = time.perf_counter()
        try:
            try:
                return self._once(action)
            except psycopg.errors.CheckViolation as e:
                if classify(e) is not Fault.MISSING_PARTITION:
                    raise
            self._database.make_partition(self._now().date())
            return self._once(action)
        finally:
            metrics.WRITE_SECONDS.labels(self._table).observe(time.perf_counter() - started)

    def _once(self, action: Callable[[Connection], T]) -> T:
        committing = False

        def run(conn: Connection) -> T:
            nonlocal committing
            result = action(conn)
            committing = True
            return result

        try:
            return self._database.change(run)
        except psycopg.OperationalError:
            if not committing:
                raise
            # A commit that was not answered may have happened.
            log.warning("a commit to %s was not answered", self._table)
            raise Problem("service-unavailable", _UNKNOWN, members={"outcome": "unknown"}) from None
