"""Taking connections: from the API's port as long as there is room, from the port for probes always."""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from app.server.balance import AFTER_YIELD, YIELD_SECONDS

log = logging.getLogger(__name__)

# No descriptor, memory or buffer is left for a connection: those that wait are asked for again after so long.
_NO_ROOM = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))
_NO_ROOM_SECONDS = 0.1
# One line says it for so long.
_SAID_SECONDS = 10.0
# A client that has left before it was taken, says accept(2): others may wait behind.
_GONE = frozenset((errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR))

Taken = Callable[[socket.socket, Any, Any], None]


class Listeners:
    """The sockets that this worker listens on.

    ``taken`` is called with each connection, its client's and its own address. ``others_first`` says whether another
    worker should have the next one, ``make_room`` ends connections that can be spared when no descriptor is left.
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        sockets: Sequence[socket.socket],
        probes_port: int,
        taken: Taken,
        others_first: Callable[[], bool],
        make_room: Callable[[], None],
    ) -> None:
        self._poller = poller
        self._addresses = {sock: sock.getsockname() for sock in sockets}
        self._probes = [sock for sock in sockets if probes_port and sock.getsockname()[1] == probes_port]
        self._taken = taken
        self._others_first = others_first
        self._make_room = make_room
        self._open: set[socket.socket] = set()
        self._paused: dict[socket.socket, float] = {}  # until then
        self._said = 0.0
        self.accepting = False
        for sock in sockets:
            sock.setblocking(False)

    def accept(self, *, enabled: bool) -> None:
        """Take connections or leave them where they wait; probes are always taken."""
        if self.accepting != enabled or not self._open:
            self.accepting = enabled
            for sock in self._addresses:
                if enabled or sock in self._probes:
                    self._listen(sock)
                else:
                    self._leave(sock)

    def turn(self, now: float) -> float | None:
        """Listen again where a pause is over; how long the shortest of the others still takes."""
        for sock in [each for each, until in self._paused.items() if until <= now]:
            del self._paused[sock]
            if self.accepting or sock in self._probes:
                self._listen(sock)
                # Others have had their time: a client that still waits is this worker's.
                for _ in range(AFTER_YIELD):
                    if not self._take(sock):
                        break
        return min(self._paused.values()) - now if self._paused else None

    def close(self, room: Callable[[], bool]) -> bool:
        """Take the clients that have connected already, then close; True once that is done, to be called until then.

        A connection that is made between the last look and the closing is reset, which its client sees before it has
        an answer. docs/decisions/graceful-shutdown.md says what that comes to.
        """
        for sock in [each for each in self._addresses if each not in self._probes]:
            self._leave(sock)
            while room():
                if not self._take(sock):
                    if sock not in self._paused:  # or there is no descriptor: they still wait
                        sock.close()
                        del self._addresses[sock]
                    break
        return all(sock in self._probes for sock in self._addresses)

    def end(self) -> None:
        """Close what is left."""
        for sock in self._addresses:
            self._leave(sock)
            sock.close()
        self._addresses.clear()

    def _listen(self, sock: socket.socket) -> None:
        if sock not in self._open and sock not in self._paused:
            self._poller.register(sock, selectors.EVENT_READ, partial(self._on_waiting, sock))
            self._open.add(sock)

    def _leave(self, sock: socket.socket) -> None:
        self._paused.pop(sock, None)
        if sock in self._open:
            self._poller.unregister(sock)
            self._open.remove(sock)

    def _pause(self, sock: socket.socket, seconds: float) -> None:
        self._leave(sock)
        self._paused[sock] = time.monotonic() + seconds

    def _on_waiting(self, sock: socket.socket, _: int) -> None:
        if sock not in self._open:  # left in this turn of the loop
            return
        if sock not in self._probes and self._others_first():
            self._pause(sock, YIELD_SECONDS)
        else:
            self._take(sock)

    def _take(self, sock: socket.socket) -> bool:
        """Take one connection, if its client is still there; False if none waits or none can be taken."""
        try:
            accepted, client = sock.accept()
        except BlockingIOError:
            return False
        except OSError as e:
            if e.errno in _GONE:
                return True
            if e.errno in _NO_ROOM:
                self._no_room(sock, e)
            else:
                log.warning("a connection could not be taken: %s", e)
            return False
        self._taken(accepted, client, self._addresses[sock])
        return True

    def _no_room(self, sock: socket.socket, error: OSError) -> None:
        self._pause(sock, _NO_ROOM_SECONDS)
        self._make_room()
        now = time.monotonic()
        if now - self._said >= _SAID_SECONDS or not self._said:
            self._said = now
            log.warning("no connection can be taken: %s; they wait while idle ones are ended", error.strerror)


def raise_descriptor_limit(wanted: int) -> int:
    """Let this process open so many files, as far as it may; how many it can."""
    import resource  # not everywhere

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft
