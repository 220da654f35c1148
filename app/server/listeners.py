"""Taking connections: from the API's port as long as there is room, from the port for probes always."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import selectors
import socket
import struct
import sys
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
# Whoever has left before it was taken, says accept(2): others may wait behind.
_GONE = frozenset((errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR))

# At the end: how long a connection that a client has begun may take to be made: a round trip of a long way, or of a
# short one where both ends wait for a processor.
_LAST_HANDSHAKE_SECONDS = 0.25

# For a listening TCP socket, whose filter sees the TCP header first: SYN without ACK is dropped, the rest passes.
# Instructions of classic BPF as in linux/filter.h, (code, jump if true, jump if false, value).
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # SYN | ACK
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)
_SO_ATTACH_FILTER = 26

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
        self._closes_at: float | None = None
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
                # Others have had their time: whoever still waits is this worker's.
                for _ in range(AFTER_YIELD):
                    if not self._take(sock):
                        break
        times = [*self._paused.values()]
        if self._closes_at is not None and self._closes_at > now:
            times.append(self._closes_at)
        return min(times) - now if times else None

    def close(self, room: Callable[[], bool], master: int) -> bool:
        """Take whoever has connected already, then close; True once that is done, to be called until then.

        What waits in a listener when the last process closes it is reset, and a proxy does not repeat a write that it
        has sent. So where the whole service ends, nobody begins a connection any more before it is closed. A master
        that still has the listeners gives them to the next workers.
        """
        if self._closes_at is None:
            ours = [sock for sock in self._addresses if sock not in self._probes]
            last = all(not held_by(master, sock) and take_no_newcomers(sock) for sock in ours)
            self._closes_at = time.monotonic() + (_LAST_HANDSHAKE_SECONDS if last else 0.0)
        if time.monotonic() < self._closes_at:
            self.accept(enabled=room())
            return False
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


def held_by(pid: int, listener: socket.socket) -> bool:
    """Whether that process has the socket open as well; True where that cannot be known."""
    mine = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return True
    for name in names:
        with contextlib.suppress(OSError):  # closed since
            if os.readlink(f"{folder}/{name}") == mine:
                return True
    return False


def take_no_newcomers(listener: socket.socket) -> bool:
    """Let a listening socket finish the connections that have begun, and begin no other; True if that could be done.

    A client that connects now gets no reply, repeats it a second later, and is refused by then: nothing of its
    request has been sent. It holds for every process that shares the socket.
    """
    if sys.platform != "linux":
        return False
    code = b"".join(struct.pack("=HBBI", *each) for each in _DROP_SYN)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(kept))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:  # a sandbox that has none
        return False
    return True


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
