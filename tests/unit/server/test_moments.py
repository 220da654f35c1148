"""Moments that hardly ever come: no descriptor, place or thread left, a signal in the middle of the beginning."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from app.config.settings import Settings
from app.server import worker as worker_module
from app.server.bodies import ChunkedBody
from app.server.clients import MAX_UNSENT_BYTES
from app.server.listeners import Listeners
from app.server.shutdown import Shutdown
from app.server.worker import Worker


class Crowded(socket.socket):
    """A listening socket of a process that may have no descriptor left."""

    full = True

    def accept(self) -> tuple[socket.socket, Any]:
        if self.full:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_no_descriptor_left_when_the_last_connections_are_taken() -> None:
    taken: list[socket.socket] = []
    with Crowded() as listener, selectors.DefaultSelector() as poller:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listeners = Listeners(
            poller, [listener], 0, lambda accepted, *_: taken.append(accepted), lambda: False, lambda: None
        )
        listeners.accept(enabled=True)
        with socket.create_connection(listener.getsockname()):
            assert not listeners.close(lambda: True), "somebody still waits"
            assert not listeners.close(lambda: True)
            listeners.turn(time.monotonic() + 1)
            listener.full = False
            listeners.turn(time.monotonic() + 2)
            assert listeners.close(lambda: True)
            assert listener.fileno() == -1
            [accepted] = taken
            accepted.close()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A worker of no master, that has not begun."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    calls: list[str] = []
    services = SimpleNamespace(start=lambda: calls.append("start"), drain=lambda: calls.append("drain"), calls=calls)
    made: Any = Worker.__new__(Worker)
    made.alive = True
    made.log = SimpleNamespace(warning=lambda text, *arguments: calls.append(text % arguments))
    made.cfg = SimpleNamespace(threads=2, keepalive=3600, worker_connections=8)
    made.sockets = []
    made.wsgi = SimpleNamespace(extensions={"datastorage": services})
    yield made
    made._threads._requests.shutdown()
    made._threads._probes.shutdown()
    made._poller.close()
    os.close(made._handover._read)
    os.close(made._handover._write)


def test_a_signal_while_a_worker_begins(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*arguments: Any) -> Shutdown:
        worker.handle_exit(signal.SIGTERM, None)
        return Shutdown(*arguments)

    monkeypatch.setattr(worker_module, "Shutdown", told)
    worker.begin(Settings())
    assert worker._shutdown.due(time.monotonic() + 3600)
    assert worker.wsgi.extensions["datastorage"].calls == ["drain", "start"]


def test_idle_clients_on_all_connections_leave_room(worker: Any) -> None:
    """Where each place is taken, the client that has been idle for longest goes."""
    worker.begin(Settings())
    clients, waiting = worker._clients, worker._waiting
    with contextlib.ExitStack() as stack:
        for _ in range(clients.limit):
            ours, client = socket.socketpair()
            stack.enter_context(client)
            clients.on_connected(ours, ("192.0.2.1", 1), ("192.0.2.2", 2))
        for conn in list(waiting.heads):
            clients._move(conn, waiting.idle)
        first = next(iter(waiting.idle))
        clients.expire(time.monotonic() + 60)
        assert clients.has_room()
        assert len(waiting.idle) == clients.limit - 1
        assert first not in clients.connections
        for conn in list(waiting.idle):
            clients._close(conn)


def test_more_unread_answers_than_memory_for_them(worker: Any) -> None:
    """No thread waits for a client that does not read: the loop ends its connection after a while."""
    worker.begin(Settings())
    clients, waiting, threads = worker._clients, worker._waiting, worker._threads
    clients.cfg = threads.cfg = Config()
    threads.cfg.set("keepalive", 3600)

    def answer(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(8 * 1024**2))])
        return [b"x" * 8 * 1024**2]

    threads._application = answer
    clients._answer_timeout = 0.0  # a thread that waited would find the client gone
    ours, client = socket.socketpair()
    with client:
        clients.on_connected(ours, ("192.0.2.1", 1), ("192.0.2.2", 2))
        [conn] = clients.connections
        assert conn.take(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        clients._move(conn, None)
        before = clients._unsent = MAX_UNSENT_BYTES
        conn.keep = threads._respond(conn)
        clients.on_served(conn)
        assert conn.queue is waiting.unread
        assert clients._unsent > before
        clients.expire(time.monotonic() + 1)
        assert clients._unsent == before
        assert not clients.connections


def test_no_thread_can_be_started(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests wait for the threads that are there, and one line says so."""
    worker.begin(Settings())
    served: list[int] = []
    done = threading.Event()
    last = 5

    def serve(conn: Any) -> None:
        served.append(conn.number)
        if conn.number == last:
            done.set()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(worker._threads, "_serve", serve)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    for number in range(last + 1):
        worker._threads.submit(SimpleNamespace(queue=None, server=("192.0.2.2", 2), number=number))
    assert done.wait(60)
    assert served == [*range(last + 1)]
    said = worker.wsgi.extensions["datastorage"].calls
    assert said in (["start"], ["start", "requests wait for the threads that are there: can't start new thread"])


@pytest.mark.parametrize("size", [1, 2, 7])
def test_many_small_chunks_take_hardly_more_than_they_hold(size: int) -> None:
    body = ChunkedBody(1_000_000)
    chunks = (b"%x\r\n" % size + b"x" * size + b"\r\n") * (100_000 // size)
    for at in range(0, len(chunks), 65536):
        body.take(chunks[at : at + 65536])
        assert body.fine, "little of it is read at a time"
    body.take(b"0\r\n\r\nrest")
    assert body.whole
    assert body.rest == b"rest"
    assert len(body._parts) < 200
    assert body.held == 100_000 // size * size
    assert body.content() == b"x" * body.held


def test_large_chunks_are_read_in_large_pieces() -> None:
    body = ChunkedBody(1_000_000)
    assert body.fine
    body.take(b"7d0\r\n" + b"x" * 2000 + b"\r\n")
    assert not body.fine
