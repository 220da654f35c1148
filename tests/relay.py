"""A relay of TCP connections between the service and a server, which ends them in the ways that machines between do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65536


class Relay:
    """Passes connections on to a port of this machine; ``target`` may be changed at any time, for those to come."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self.accepted = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._poisoned: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _shut(self._listener)  # wakes who waits in accept; closing alone would not
        self._listener.close()
        with self._lock:
            self._poisoned.clear()
        self.hang_up()

    def hang_up(self) -> int:
        """End every connection, as a proxy does with one that lay idle; how many there were."""
        with self._lock:
            pairs = [pair for pair in self._pairs if pair[0] not in self._poisoned]
        for pair in pairs:
            _shut(*pair)
        return len(pairs)

    def forget(self) -> int:
        """Know no connection of today any more: what is sent on one is answered with a reset, as after a failover."""
        with self._lock:
            clients = {client for client, _ in self._pairs} - self._poisoned
            self._poisoned |= clients
        return len(clients)

    def client_of(self, port: int) -> int | None:
        """The port of the client whose connection goes on to the server from this one; None if there is none."""
        with self._lock, contextlib.suppress(OSError):
            for client, server in self._pairs:
                if server.getsockname()[1] == port:
                    return int(client.getpeername()[1])
        return None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed: the end
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection, from its first byte to its last."""
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
        except OSError:
            _reset(client)  # as near to a refused connection as who has accepted it can come
            return
        server.settimeout(None)
        pair = (client, server)
        with self._lock:
            self._pairs.append(pair)
            self.accepted += 1
        back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
        back.start()
        self._pass_on(client, server)
        back.join()
        with self._lock:
            self._pairs.remove(pair)
            self._poisoned.discard(client)
        for end in pair:
            end.close()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if source in self._poisoned:
                    _reset(source)
                    break
                if sink not in self._poisoned:
                    sink.sendall(data)
        _shut(*(end for end in (source, sink) if end not in self._poisoned))


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def _shut(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
