"""The time forms that queries take: back from now, RFC 3339, a local-looking UTC time, a UTC day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from app.audit.schemas import parse_rfc3339

# Longer than any time that is meant, nanoseconds and zone included; what is longer is not looked into.
_MAX_CHARACTERS = 128
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])", re.ASCII)
# The whole first, in linear time: looking for parts in a row of digits without a unit would begin anew at each digit.
_BACK = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PLAIN = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?", re.ASCII)


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
