"""Ports of loopback."""

from __future__ import annotations

import errno
import random
import socket

from devserver.errors import DevError

# Ports for servers without a port of their own choice. Below the ephemeral ports on purpose: a client that
# connects to a dead port of the ephemeral range may be given that very port as its own and so connect to itself,
# after which the server cannot be started again.
PORTS = range(11_000, 20_000)


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now. Raises OSError where the address itself is wrong."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port() -> int:
    """A port of loopback on which no server listens, outside the ephemeral range."""
    for _ in range(200):
        port = random.choice(PORTS)
        if port_is_free(port):
            return port
    raise DevError(f"no free port found between {PORTS.start} and {PORTS.stop}")
