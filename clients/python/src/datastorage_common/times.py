"""Times as text: RFC 3339, and the forms that queries take."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# What nearly everybody sends, and what Python reads by itself.
_PLAIN_UTC = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{6})?Z", re.ASCII)
_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
# Longer than any time that is meant, nanoseconds and zone included; what is longer is not looked into.
_MAX_CHARACTERS = 128
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])", re.ASCII)
# The whole first, in linear time: looking for parts in a row of digits without a unit would begin anew at each digit.
_BACK = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PLAIN = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?", re.ASCII)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with ``Z``; microseconds only when there are any."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat()[:-6] + "Z"


def parse_rfc3339(text: object) -> datetime | None:
    """The UTC time of an RFC 3339 date-time, finer parts than microseconds cut off; None if it is not one."""
    if not isinstance(text, str):
        return None
    if _PLAIN_UTC.fullmatch(text) is not None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    if (m := _RFC3339.fullmatch(text)) is None:
        return None
    day, clock, fraction, zone = m.groups()
    zone = "+00:00" if zone in "Zz" else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_time(text: str, now: datetime) -> datetime | None:
    """The UTC time that ``text`` names, or None.

    ``24h``, ``30m``, ``1h30m``, ``7d``, ``1.5d`` count back from ``now``; else RFC 3339, ``YYYY-MM-DDTHH:MM:SS``
    (UTC) or ``YYYY-MM-DD`` (UTC midnight).
    """
    if len(text) > _MAX_CHARACTERS:
        return None
    if _BACK.fullmatch(text):
        try:
            return now - timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text)))
        except OverflowError:
            return None
    if _PLAIN.fullmatch(text):
        try:
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError:
            return None
    # A plus sign that was not percent-encoded arrives as a space.
    return parse_rfc3339(re.sub(r" (?=\d{2}:\d{2}$)", "+", text))
