"""Who the client is when proxies are in front: only what a trusted proxy says counts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_ENVIRON_KEY = "datastorage.client_address"
# One parameter of a Forwarded element (RFC 7239, section 4): a token, "=", and a token or a quoted string.
_PARAMETER = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=([^\s",;]+|"(?:[^"\\]|\\.)*")\s*')
# More hops than any chain of proxies has; a longer header is sent to keep the service busy.
_MAX_HOPS = 32
# An address of IPv6 that ends in one of IPv4, with a scope, brackets and port, is shorter.
_MAX_ADDRESS_CHARACTERS = 128
# Those hops with everything that proxies say of each.
_MAX_HEADER_CHARACTERS = 8192
_NETWORK_BITS = 64
_NETWORKS = 4096


@lru_cache(_NETWORKS)
def network_of(address: str) -> str:
    """What is counted as one client: an address, of IPv6 its /64, which is what one customer has at the least."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), _NETWORK_BITS), strict=False))


class ClientAddresses:
    """Finds the address of a request's client behind proxies in ``networks`` that write it into ``header``.

    Only that header is looked at: proxies hand the other one on as the client sent it.
    """

    def __init__(self, networks: Iterable[str], header: str = "x-forwarded-for") -> None:
        self._trusted = [ipaddress.ip_network(network) for network in networks]
        self._hops = _forwarded if header == "forwarded" else _x_forwarded_for

    def of(self, environ: WSGIEnvironment) -> str:
        """The client's address, found when first asked for; the peer's own unless the peer is a trusted proxy.

        With a trusted peer it is the right-most hop of X-Forwarded-For, or of Forwarded (RFC 7239), that is no
        trusted proxy itself: whatever stands left of that one, the client may have made up. A hop that is no address
        (``unknown``, ``_hidden``) ends the search at the proxy that said so.
        """
        known = environ.get(_ENVIRON_KEY)
        if known is None:
            known = environ[_ENVIRON_KEY] = self._find(environ)
        return str(known)

    def is_proxy(self, environ: WSGIEnvironment) -> bool:
        """Whether the request's peer is a trusted proxy."""
        peer = _parse(environ.get("REMOTE_ADDR", "")) if self._trusted else None
        return peer is not None and self._trusts(peer)

    def _find(self, environ: WSGIEnvironment) -> str:
        peer: str = environ.get("REMOTE_ADDR", "")
        if not self._trusted:
            return peer
        nearest = _parse(peer)
        if nearest is None or not self._trusts(nearest):
            return peer
        for hop in self._hops(environ):
            if hop is None:
                break
            nearest = hop
            if not self._trusts(hop):
                break
        return str(nearest)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _x_forwarded_for(environ: WSGIEnvironment) -> Iterator[Address | None]:
    """The addresses that the proxies saw, nearest first; None where one is not an address."""
    listed: str = environ.get("HTTP_X_FORWARDED_FOR", "")
    # What stands left of these is not looked at: neither is what the client put there to be long.
    for part in reversed(listed[-_MAX_HEADER_CHARACTERS:].rsplit(",", _MAX_HOPS)[-_MAX_HOPS:]):
        yield _parse(part)


def _forwarded(environ: WSGIEnvironment) -> Iterator[Address | None]:
    for element in reversed(_elements(environ.get("HTTP_FORWARDED", ""))[-_MAX_HOPS:]):
        yield _parse(element)


def _elements(header: str) -> list[str]:
    """The ``for`` of each element of a Forwarded header, "" where there is none or the header is not well formed."""
    if len(header) > _MAX_HEADER_CHARACTERS:
        return [""]
    found: list[str] = []
    position, current = 0, ""
    while position <= len(header):
        if (match := _PARAMETER.match(header, position)) is not None:
            if match[1].lower() == "for":
                current = re.sub(r"\\(.)", r"\1", match[2][1:-1]) if match[2][0] == '"' else match[2]
            position = match.end()
        separator = header[position : position + 1]
        if separator not in (",", ";", ""):
            # What follows cannot be told apart any more, and hops are read from there.
            return [""]
        if separator != ";":
            found.append(current)
            current = ""
        position += 1
    return found


def _parse(text: str) -> Address | None:
    """An address with or without port and brackets, as proxies write them; None for anything else."""
    if len(text) > _MAX_ADDRESS_CHARACTERS:
        return None
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # What a socket for both families says of an IPv4 client. A scope is of no use elsewhere.
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address
