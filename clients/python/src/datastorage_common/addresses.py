"""Addresses: who can reach what listens there, and their one text."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there; an IPv6 address stands without brackets."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def canonical_address(text: str) -> str:
    """The one text of an IPv4 or IPv6 address, as digests have it: hexadecimal groups alone, ``::ffff:c000:207``.

    PostgreSQL writes ``::ffff:192.0.2.7``, and so does Python from 3.13 on. Raises ValueError.
    """
    address = ipaddress.ip_address(text)
    if address.version == 6 and (mapped := address.ipv4_mapped) is not None:
        return f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}"
    return str(address)
