"""Addresses of further requests: as the current one was sent, but for one parameter."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import quote, unquote_plus

import flask

# What a query may have (RFC 3986, section 3.4); % where two digits follow.
_NOT_IN_QUERY = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]")


def address_with(request: flask.Request, name: str, value: str) -> str:
    """The address of the request with this value of the parameter, which needs no encoding, in place of what it has.

    Path and query. The other pairs are as they were sent: encoded anew, a text may become three times as long.
    """
    kept: list[str] = []
    put = f"{name}={value}"
    for pair in _pairs(request):
        if _name(pair) != name:
            kept.append(pair)
        elif put not in kept:
            kept.append(put)
    if put not in kept:
        kept.append(put)
    return f"{quote(request.script_root + request.path)}?{'&'.join(kept)}"


def parameter_lengths(request: flask.Request) -> Counter[str]:
    """How many characters each parameter has of such an address, name and all."""
    found: Counter[str] = Counter()
    for pair in _pairs(request):
        found[_name(pair)] += len(pair)
    return found


def _pairs(request: flask.Request) -> list[str]:
    """Names and values, in the characters that an address may have."""
    sent = _NOT_IN_QUERY.sub(lambda found: b"%%%02X" % found[0][0], request.query_string)
    return [pair for pair in sent.decode("ascii").split("&") if pair]


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])
