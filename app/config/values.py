"""How the values of settings are read: each function takes what a file or a variable holds, or raises ValueError.

The text of a ValueError ends the sentence "… must be".
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from datastorage_common.durations import parse_duration

from app.config import addresses

# What is longer is no size that anybody means, and not looked into.
_MAX_CHARACTERS = 64
_INFORMATION = "information_schema"  # PostgreSQL's own
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SIZE = re.compile(r"(?P<n>\d{1,18})\s*(?P<unit>|B|KiB|MiB|GiB)")
# The value of audit.event_categories that closes nothing.
ANY_CATEGORY = ("any",)
MAX_CATEGORY = 50
_BYTES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


# Of a rate: more digits than a structured field (RFC 9651) can say are no limit, and nobody waits for longer windows.
_MAX_AMOUNT = 10**12
_DAY_SECONDS = 86400
_RATE = re.compile(r"[0-9]+\s*(/|\bper\b)\s*(0*[1-9][0-9]*\s*)?(second|minute|hour|day)s?", re.IGNORECASE)
# What JSON, Prometheus and PostgreSQL can all say.
_MAX_SIZE = 2**53


def parse_size(value: object) -> int:
    """Bytes of ``1024``, ``"256KiB"``, ``"5MiB"``; ValueError otherwise."""
    size: object = value
    if isinstance(value, str) and len(value) <= _MAX_CHARACTERS and (m := _SIZE.fullmatch(value.strip())):
        size = int(m["n"]) * _BYTES[m["unit"]]
    if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _MAX_SIZE:
        return size
    raise ValueError("a size such as 4096, 256KiB or 5MiB")


def schema(value: object) -> str:
    """Name of a schema, one that needs no doubtful quoting."""
    if isinstance(value, str) and _SCHEMA.fullmatch(value) and not value.startswith("pg_") and value != _INFORMATION:
        return value
    raise ValueError(
        "a name of letters, digits and _, at most 63 of them, that does not start with pg_ or a digit and is not "
        + _INFORMATION
    )


def integer(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip()):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"a whole number from {low} to {high}")

    return parse


def ratio(value: object) -> float:
    """A share of the whole."""
    if isinstance(value, str) and re.fullmatch(r"[01](\.\d{1,9})?|0?\.\d{1,9}", value.strip()):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ValueError("a number from 0 to 1")


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false", "1", "0", "yes", "no"):
        return value.strip().lower() in ("true", "1", "yes")
    raise ValueError("true or false")


def text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("a text")


def optional_text(value: object) -> str | None:
    return None if value is None or value == "" else text(value)


def rate(value: object) -> str | None:
    """A number of things in a time, in the notation of the library ``limits``; None or nothing: no limit."""
    if value is None or value == "":
        return None
    # The library takes a part of a name too (100/d is 100 a second), and 0 minutes for one.
    if isinstance(value, str) and len(value) <= _MAX_CHARACTERS and _RATE.fullmatch(value.strip()):
        import limits  # takes a while, and most do without

        with contextlib.suppress(ValueError):
            items = limits.parse_many(value)
            if len(items) == 1 and 0 < items[0].amount <= _MAX_AMOUNT and 0 < items[0].get_expiry() <= _DAY_SECONDS:
                return value
    raise ValueError("one rate such as 600/minute, 50/second or 100000 per 5 minutes, over a day at the most")


def hosts(value: object) -> str:
    """Hosts separated by commas, each without the brackets that an IPv6 address may have."""
    return ",".join(addresses.hosts(text(value)))


def choice(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        raise ValueError("one of " + ", ".join(allowed))

    return parse


def texts(value: object) -> tuple[str, ...]:
    """A YAML list, or in the environment a comma-separated text."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise ValueError("a list of texts")


def categories(value: object) -> tuple[str, ...]:
    """`ANY_CATEGORY`, or the list of those that are taken."""
    with contextlib.suppress(ValueError):
        given = texts(value)
        fit = given and all(0 < len(each) <= MAX_CATEGORY for each in given)
        if fit and (given == ANY_CATEGORY or ANY_CATEGORY[0] not in given):
            return given
    raise ValueError(f"any, or a list of names of 1 to {MAX_CATEGORY} characters")


def subset(allowed: tuple[str, ...]) -> Callable[[object], tuple[str, ...]]:
    def parse(value: object) -> tuple[str, ...]:
        with contextlib.suppress(ValueError):
            if (given := texts(value)) and set(given) <= set(allowed):
                return given
        raise ValueError("a list out of " + ", ".join(allowed))

    return parse


def networks(value: object) -> tuple[str, ...]:
    """Networks or single addresses, as texts in their canonical form."""
    try:
        return tuple(str(ipaddress.ip_network(text)) for text in texts(value))
    except ValueError:
        raise ValueError("a list of networks such as 10.0.0.0/8 or fd00::/8, without bits beyond the prefix") from None


def durations(value: object) -> tuple[float, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple) and value:
        return tuple(parse_duration(v) for v in value)
    raise ValueError("a list of durations such as 1m,5m,15m")


def sentinels(value: object) -> tuple[str, ...]:
    """A list of host:port; an IPv6 address stands in brackets."""
    found = texts(value)
    for address in found:
        try:
            parts = urlsplit(f"//{address}")
            good = bool(parts.hostname) and bool(parts.port) and parts.netloc == address and "@" not in address
        except ValueError:
            good = False
        if not good:
            raise ValueError("a list of host:port, such as sentinel-0:26379")
    return found
