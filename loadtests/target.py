"""Where load may go: this machine, unless somebody says otherwise."""

from __future__ import annotations

import http.client
import ipaddress
import socket
from urllib.parse import urlsplit

ANSWER_SECONDS = 5.0


class TargetError(Exception):
    """The address cannot or must not be loaded; the message says what to do."""


def check_target(url: str, *, allow_remote: bool) -> None:
    """TargetError unless ``url`` is an http address of this machine, or any with ``allow_remote``."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetError(f"{url!r} is not an address such as http://127.0.0.1:8080")
    if allow_remote:
        return
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError as e:
        raise TargetError(f"{parts.hostname}: {e.strerror or e}") from None
    if not all(ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback for *_, address in found):
        raise TargetError(
            f"{parts.hostname} is not this machine: load another one only with its owner's consent, and --allow-remote"
        )


def check_answers(url: str) -> None:
    """TargetError unless the service at ``url`` says that it runs; asked once, before anything is sent."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(str(parts.hostname), parts.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", parts.path.rstrip("/") + "/health/live")
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as e:
        reason = (e.strerror if isinstance(e, OSError) else None) or str(e) or type(e).__name__
        raise TargetError(
            f"no service answers at {url} ({reason.lower()}): start one with `make run`, or leave the base URL out"
        ) from None
    if status != 200:
        raise TargetError(f"{url}/health/live was answered {status}: this is no Data Storage Service that is well")
