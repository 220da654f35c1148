"""Deadlines on the service's own clock."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.clock import Clock
from app.postgres import watchdog as watchdog_module
from app.postgres.watchdog import Watchdog, shut_socket
from tests.support import wait_until
from tests.unit.fakes import StandingClock


class SocketConnection:
    """A connection to a server that never answers."""

    def __init__(self, sock: socket.socket) -> None:
        self.pgconn = SimpleNamespace(socket=sock.fileno())


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket that is connected to a server that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.settimeout(60)
            yield client


class WatchedClock(StandingClock):
    """Stands, and knows how often it was looked at."""

    looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.seconds

    def move(self, seconds: float) -> None:
        """Put it there, and wait until the watchdog has gone round with that time."""
        self.seconds = seconds
        seen = self.looks
        wait_until(lambda: self.looks >= seen + 2, what="two rounds of the watchdog")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WatchedClock:
    monkeypatch.setattr(watchdog_module, "_WATCH_INTERVAL_SECONDS", 0.001)
    return WatchedClock()


@pytest.fixture
def watchdog(clock: WatchedClock) -> Iterator[Watchdog]:
    made = Watchdog(clock)
    made.start()
    yield made
    made.stop()


def test_the_watchdog_ends_a_wait(silent: socket.socket, watchdog: Watchdog, clock: WatchedClock) -> None:
    with watchdog.deadline(SocketConnection(silent), 10) as deadline:  # type: ignore[arg-type]
        clock.move(9.9)
        assert not deadline.fired
        clock.seconds = 10.0
        assert silent.recv(1) == b"", "the connection is dead at once"
    assert deadline.fired


def test_who_is_in_time_is_left_alone(silent: socket.socket, watchdog: Watchdog, clock: WatchedClock) -> None:
    with watchdog.deadline(SocketConnection(silent), 10) as deadline:  # type: ignore[arg-type]
        pass
    clock.move(100.0)
    assert not deadline.fired
    silent.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent.recv(1)


def test_each_deadline_is_for_itself(silent: socket.socket, watchdog: Watchdog) -> None:
    with (
        watchdog.deadline(SocketConnection(silent), 60) as long,  # type: ignore[arg-type]
        watchdog.deadline(SocketConnection(silent), 0) as short,  # type: ignore[arg-type]
    ):
        silent.recv(1)
    assert (short.fired, long.fired) == (True, False)
    assert not watchdog._armed


def test_a_deadline_is_taken_away_whatever_happens(silent: socket.socket, watchdog: Watchdog) -> None:
    with pytest.raises(ValueError, match="mine"), watchdog.deadline(SocketConnection(silent), 60):  # type: ignore[arg-type]
        raise ValueError("mine")
    assert not watchdog._armed


def test_the_descriptor_itself_stays_its_owners(silent: socket.socket) -> None:
    shut_socket(SocketConnection(silent))  # type: ignore[arg-type]
    assert silent.fileno() >= 0
    assert silent.recv(1) == b""
    shut_socket(SocketConnection(silent))  # type: ignore[arg-type]


def test_a_closed_connection_needs_no_shutting() -> None:
    class Closed:
        @property
        def pgconn(self) -> Any:
            raise psycopg.OperationalError("the connection is closed")

    shut_socket(Closed())  # type: ignore[arg-type]


def test_a_watchdog_that_was_not_started_can_be_stopped() -> None:
    Watchdog(Clock()).stop()
