"""One run of the service: the worker processes that one master starts with one configuration."""

from __future__ import annotations

import contextlib
import socket
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


class Run:
    """Made in the master; its workers inherit it, and so know themselves as parts of the same."""

    def __init__(self) -> None:
        self.ident: UUID = uuid_utils.compat.uuid7()
        self.began = datetime.now(UTC)
        # One byte, which one process reads: sockets close by themselves with the last reference.
        self._kept, self._claims = socket.socketpair()
        self._kept.send(b"1")
        self._claims.setblocking(False)

    def claim_end(self) -> bool:
        """Whether this worker is the first that ends; True for one of them all."""
        with contextlib.suppress(OSError):
            return self._claims.recv(1) == b"1"
        return False
