"""Taking connections: when, whose, what happens where no descriptor is left, and how it ends."""

from __future__ import annotations

import errno
import logging
import os
import resource
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.server import listeners
from app.server.balance import AFTER_YIELD
from app.server.listeners import Listeners, raise_descriptor_limit
from tests.unit.fakes import HOUR

# What a test asks of a listener's accept, once each, before it works again.
Faults = list[int]


class Listener(socket.socket):
    """A real listener whose accept fails where a test says so."""

    faults: Faults

    def accept(self) -> tuple[socket.socket, Any]:
        if self.faults:
            code = self.faults.pop(0)
            raise OSError(code, os.strerror(code))
        return super().accept()


class World:
    """Listeners of a worker: the API's, and one for probes."""

    def __init__(self) -> None:
        self.poller = selectors.DefaultSelector()
        self.api, self.probes = self._listener(), self._listener()
        self.taken: list[tuple[socket.socket, Any, Any]] = []
        self.others_first = False
        self.spared: list[int] = []
        self.room: Callable[[], bool] = lambda: True
        self.clients: list[socket.socket] = []
        self.listeners = Listeners(
            self.poller,
            [self.api, self.probes],
            self.probes.getsockname()[1],
            lambda *connection: self.taken.append(connection),
            lambda: self.others_first,
            lambda: self.spared.append(1),
        )

    def _listener(self) -> Listener:
        made = Listener(socket.AF_INET, socket.SOCK_STREAM)
        made.faults = []
        made.bind(("127.0.0.1", 0))
        made.listen(50)
        return made

    def connect(self, address: Any = None) -> socket.socket:
        client = socket.create_connection(address or self.api.getsockname(), timeout=HOUR)
        self.clients.append(client)
        return client

    def turn(self, now: float = 0.0) -> float | None:
        """One turn of the loop: what is due, then what has happened."""
        pause = self.listeners.turn(now)
        for key, events in self.poller.select(0):
            key.data(events)
        return pause

    @property
    def paused(self) -> bool:
        return bool(self.listeners._paused)

    def close(self) -> None:
        self.listeners.end()
        for each in (*self.clients, *(accepted for accepted, _, _ in self.taken)):
            each.close()
        self.poller.close()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def test_a_connection_is_taken_with_both_addresses(world: World) -> None:
    world.listeners.accept(enabled=True)
    client = world.connect()
    world.turn()
    [(accepted, address, server)] = world.taken
    assert address == client.getsockname()
    assert server == world.api.getsockname()
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"
    world.turn()
    assert len(world.taken) == 1


def test_where_there_is_no_room_only_probes_are_taken(world: World) -> None:
    world.listeners.accept(enabled=False)
    world.connect()
    world.turn()
    assert world.taken == []
    world.connect(world.probes.getsockname())
    world.turn()
    assert [server for *_, server in world.taken] == [world.probes.getsockname()]
    world.listeners.accept(enabled=True)
    world.turn()
    assert len(world.taken) == 2
    world.listeners.accept(enabled=False)
    world.connect()
    world.turn()
    assert len(world.taken) == 2


def test_without_a_port_for_probes_every_listener_is_the_apis() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, selectors.DefaultSelector() as poller:
        made = Listeners(poller, [listener], 0, lambda *_: None, lambda: False, lambda: None)
        made.accept(enabled=False)
        assert not poller.get_map()
        made.accept(enabled=True)
        assert len(poller.get_map()) == 1
        assert made.close(lambda: True)
        assert not poller.get_map()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_without_descriptors_taking_pauses_and_goes_on_by_itself(
    world: World, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    world.listeners.accept(enabled=True)
    world.api.faults = [code] * 3
    world.connect()
    for _ in range(3):
        world.turn()
        assert world.paused
        assert world.turn() == pytest.approx(min(world.listeners._paused.values())), "the loop wakes up then"
        assert world.taken == []
        world.listeners.accept(enabled=True)  # as the worker's loop does each turn
        assert world.paused
        world.turn(1e9)
    assert len(world.taken) == 1
    assert not world.paused
    assert [record.getMessage() for record in caplog.records] == [
        f"no connection can be taken: {os.strerror(code)}; they wait while idle ones are ended"
    ]


def test_it_is_said_again_after_a_while(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "_SAID_SECONDS", 0.0)
    caplog.set_level(logging.WARNING)
    world.listeners.accept(enabled=True)
    world.api.faults = [errno.EMFILE] * 2
    world.connect()
    world.turn()
    world.turn(1e9)
    assert len(caplog.records) == 2


def test_probes_are_taken_while_the_others_pause(world: World) -> None:
    world.listeners.accept(enabled=True)
    world.api.faults = [errno.EMFILE]
    world.connect()
    world.turn()
    world.connect(world.probes.getsockname())
    world.turn()
    assert [server for *_, server in world.taken] == [world.probes.getsockname()]


def test_probes_pause_as_well_and_go_on_where_nothing_else_is_taken(world: World) -> None:
    world.listeners.accept(enabled=False)
    world.probes.faults = [errno.EMFILE]
    world.connect(world.probes.getsockname())
    world.turn()
    assert world.paused
    world.turn(1e9)
    assert len(world.taken) == 1


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR])
def test_a_client_that_has_left_is_no_fault(world: World, code: int, caplog: pytest.LogCaptureFixture) -> None:
    world.listeners.accept(enabled=True)
    world.api.faults = [code]
    world.connect()
    world.turn()
    assert not world.paused
    world.turn()
    assert len(world.taken) == 1
    assert not caplog.records


def test_another_fault_is_said_and_ends_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.listeners.accept(enabled=True)
    world.api.faults = [errno.EIO]
    world.connect()
    world.turn()
    world.turn()
    assert len(world.taken) == 1
    assert "could not be taken" in caplog.text


RUN_OUT = """
import logging, os, resource, selectors, socket, sys
from app.server.listeners import Listeners
logging.basicConfig(stream=sys.stdout, format="%(message)s")
poller, taken = selectors.DefaultSelector(), []
listener = socket.create_server(("127.0.0.1", 0), backlog=50)
listeners = Listeners(poller, [listener], 0, lambda accepted, *_: taken.append(accepted), lambda: False, lambda: None)
clients = [socket.create_connection(listener.getsockname()) for _ in range(20)]
resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 6, 1000))
def turn():
    listeners.accept(enabled=True)
    listeners.turn(1e9)
    for key, events in poller.select(0):
        key.data(events)
for _ in range(100):
    turn()
print(0 < len(taken) < 20)
while len(taken) < 20:
    clients.pop().close()
    turn()
print(len(taken))
"""


def test_a_process_that_runs_out_of_descriptors_goes_on_when_some_are_free() -> None:
    ended = subprocess.run([sys.executable, "-c", RUN_OUT], capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout.splitlines() == [
        "no connection can be taken: Too many open files; they wait while idle ones are ended",
        "True",
        "20",
    ], ended


# --- balance ------------------------------------------------------------------------------------------------


def test_another_worker_that_has_fewer_goes_first_for_a_moment(world: World) -> None:
    world.listeners.accept(enabled=True)
    world.others_first = True
    for _ in range(AFTER_YIELD + 3):
        world.connect()
    world.turn()
    assert world.paused
    assert world.taken == []
    world.turn()
    assert world.taken == [], "nothing of it costs the loop a turn"
    world.turn(1e9)
    assert len(world.taken) == AFTER_YIELD, "the other one is busy: some of them are this worker's"
    assert world.paused, "then it waits again"


def test_of_a_client_that_another_worker_took_nothing_is_left(world: World) -> None:
    world.listeners.accept(enabled=True)
    world.others_first = True
    world.connect()
    world.turn()
    other, _ = world.api.accept()
    with other:
        world.turn(1e9)
    assert world.taken == []
    assert not world.paused


def test_probes_are_taken_whoever_is_ahead(world: World) -> None:
    world.listeners.accept(enabled=True)
    world.others_first = True
    world.connect(world.probes.getsockname())
    world.turn()
    assert len(world.taken) == 1


def test_a_pause_does_not_outlive_the_order_to_leave_connections(world: World) -> None:
    world.listeners.accept(enabled=True)
    world.others_first = True
    world.connect()
    world.turn()
    world.listeners.accept(enabled=False)
    assert world.turn(1e9) is None
    assert world.taken == []


# --- the end ------------------------------------------------------------------------------------------------


def refused(address: Any) -> bool:
    try:
        socket.create_connection(address, timeout=HOUR).close()
    except ConnectionRefusedError:
        return True
    return False


def test_who_has_connected_is_taken_before_the_end_and_who_comes_later_is_refused(world: World) -> None:
    world.listeners.accept(enabled=True)
    api, probes = world.api.getsockname(), world.probes.getsockname()
    early = [world.connect() for _ in range(3)]
    assert world.listeners.close(world.room)
    assert [address for _, address, _ in world.taken] == [client.getsockname() for client in early]
    assert refused(api)
    world.connect(probes)
    world.turn()
    assert len(world.taken) == 4, "probes are answered to the end"
    world.listeners.end()
    assert refused(probes)


def test_where_there_is_no_room_for_all_it_is_not_closed_yet(world: World) -> None:
    world.listeners.accept(enabled=True)
    for _ in range(3):
        world.connect()
    world.room = lambda: len(world.taken) < 2
    assert not world.listeners.close(world.room)
    assert len(world.taken) == 2
    assert not world.listeners.close(world.room)
    assert len(world.taken) == 2
    world.room = lambda: True
    assert world.listeners.close(world.room)
    assert len(world.taken) == 3
    assert world.listeners.close(world.room)


def test_without_descriptors_it_is_not_closed_yet_either(world: World) -> None:
    """Or who waits there would be reset, and the loop would look at a listener that is closed."""
    world.listeners.accept(enabled=True)
    world.api.faults = [errno.EMFILE] * 2
    world.connect()
    assert not world.listeners.close(world.room)
    world.turn(1e9)
    assert world.paused
    assert world.listeners.close(world.room)
    assert world.turn(1e9) is None
    assert len(world.taken) == 1


def test_a_pause_is_over_with_the_end(world: World) -> None:
    world.listeners.accept(enabled=True)
    world.others_first = True
    world.connect()
    world.turn()
    assert world.paused
    assert world.listeners.close(world.room)
    assert world.turn(1e9) is None
    assert len(world.taken) == 1


def test_a_second_process_keeps_the_listener_open(world: World) -> None:
    """Each worker closes its own end; another that listens there, a new release's, goes on."""
    with socket.socket(fileno=os.dup(world.api.fileno())) as held:
        world.listeners.accept(enabled=True)
        assert world.listeners.close(world.room)
        world.connect(held.getsockname())
        held.settimeout(HOUR)
        held.accept()[0].close()


# --- descriptors --------------------------------------------------------------------------------------------


def test_the_limit_of_descriptors_is_raised_as_far_as_it_may() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        assert raise_descriptor_limit(100) == 100
        assert raise_descriptor_limit(50) == 100, "never lowered"
        assert raise_descriptor_limit(200) == 200
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (200, hard)
        if hard != resource.RLIM_INFINITY:
            assert raise_descriptor_limit(hard + 100) == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
