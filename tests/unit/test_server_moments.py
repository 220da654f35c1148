"""Moments that hardly ever come: no descriptor left at the end, a signal in the middle of the beginning."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.config import Settings
from app.server import worker as worker_module
from app.server.bodies import ChunkedBody
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
            assert not listeners.close(lambda: True, os.getpid()), "somebody still waits"
            assert not listeners.close(lambda: True, os.getpid())
            listeners.turn(time.monotonic() + 1)
            listener.full = False
            listeners.turn(time.monotonic() + 2)
            assert listeners.close(lambda: True, os.getpid())
            assert listener.fileno() == -1
            [accepted] = taken
            accepted.close()


def test_a_signal_while_a_worker_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    calls: list[str] = []
    services = SimpleNamespace(start=lambda: calls.append("start"), drain=lambda: calls.append("drain"))
    worker: Any = Worker.__new__(Worker)
    worker.alive = True
    worker.log = SimpleNamespace(warning=lambda *_: None)
    worker.cfg = SimpleNamespace(threads=1, keepalive=1, worker_connections=8)
    worker.sockets = []
    worker.wsgi = SimpleNamespace(extensions={"datastorage": services})

    def told(*arguments: Any) -> Shutdown:
        worker.handle_exit(signal.SIGTERM, None)
        return Shutdown(*arguments)

    monkeypatch.setattr(worker_module, "Shutdown", told)
    worker.begin(Settings())
    try:
        assert worker._shutdown.due(time.monotonic() + 3600)
        assert calls == ["drain", "start"]
    finally:
        worker._poller.close()
        os.close(worker._wake_read)
        os.close(worker._wake_write)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_many_small_chunks_take_hardly_more_than_they_hold(size: int) -> None:
    body = ChunkedBody(1_000_000)
    chunks = (b"%x\r\n" % size + b"x" * size + b"\r\n") * (100_000 // size)
    for at in range(0, len(chunks), 65536):
        body.take(chunks[at : at + 65536])
    body.take(b"0\r\n\r\nrest")
    assert body.whole
    assert body.rest == b"rest"
    assert body.content() == b"x" * (100_000 // size * size)
    assert body.held == len(body.content())
    assert len(body._parts) < 200
