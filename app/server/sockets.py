"""How the master makes its listening sockets of IPv6."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from gunicorn import sock as gunicorn_sock


class Ipv6Socket(gunicorn_sock.TCP6Socket):  # type: ignore[misc]
    """Takes IPv4 as well or not, as it is told, whatever the machine's default is."""

    without_ipv4 = False

    def bind(self, sock: socket.socket) -> None:
        """As its base does it."""
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.without_ipv4)
        super().bind(sock)


def share_ports(hosts: Sequence[str]) -> None:
    """Let ``::`` take IPv4 as well, unless 0.0.0.0 among the hosts has it already. In the master, before it binds."""
    Ipv6Socket.without_ipv4 = "0.0.0.0" in hosts
    gunicorn_sock.TCP6Socket = Ipv6Socket
