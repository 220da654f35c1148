"""The sequence of pending rows goes on from an older number, under instances that have seen later ones."""

from __future__ import annotations

import pytest

from app.postgres.sessions import Limits, connect
from app.postgres.watchdog import Watchdog
from app.transparency.watch import LogWatch
from tests.conftest import settings_for
from tests.log_support import sequencers, size, statements_of, turn, waiting
from tests.support import Database


class _Clock:
    """Goes on when the test says so."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.mark.parametrize("leads", [False, True])
def test_a_database_restored_from_before_goes_on_with_its_log(database: Database, *, leads: bool) -> None:
    database.query("SELECT setval('log_pending_id', 100000)")
    statements_of(database, 1)
    clock, settings = _Clock(), settings_for(database)
    watchdog = Watchdog(clock)  # type: ignore[arg-type]
    watchdog.start()
    try:
        with (
            sequencers(database) as [one],
            connect(settings.database, "test", Limits(5, 5), watchdog) as conn,
        ):
            watch = LogWatch(clock, stalled=one.wanted)  # type: ignore[arg-type]
            one._clock = one._floor._clock = clock  # type: ignore[assignment]
            watch.look(conn)
            turn(one)
            assert size(database) == 1

            database.query("SELECT setval('log_pending_id', 10)")
            statements_of(database, 10_000)
            one._drop()
            one.leading = leads
            for _ in range(65):
                clock.at += 1.0
                watch.look(conn)
                one.step()
            assert waiting(database) == 0
            assert size(database) == 10_001
    finally:
        watchdog.stop()
