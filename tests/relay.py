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
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> int:
        """End every connection, as a proxy does with one that lay idle; how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for client, server in pairs:
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def forget(self) -> int:
        """Know no connection of today any more: what is sent on one is answered with a reset, as after a failover."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self._poisoned |= {client for client, _ in pairs}
        return len(pairs)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed: the end
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.append((client, server))
                self.accepted += 1
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if source in self._poisoned:
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    source.close()
                    break
                if sink not in self._poisoned:
                    sink.sendall(data)
        for end in (source, sink):
            if end not in self._poisoned:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
