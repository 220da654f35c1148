"""Durations as text."""

from __future__ import annotations

import re

# What is longer is no duration that anybody means, and not looked into.
_MAX_CHARACTERS = 64
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
# The whole first, in linear time: looking for parts in a row of digits without a unit would begin anew at each digit.
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Longer ones are mistakes, and the operating system's own timers refuse them.
_MAX_DURATION_SECONDS = 10 * 366 * 86400.0


def parse_duration(value: object) -> float:
    """Seconds of ``5``, ``0.5``, ``"250ms"``, ``"10s"``, ``"5m"``, ``"1h30m"``, ``"7d"``; ValueError otherwise."""
    seconds = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and len(value) <= _MAX_CHARACTERS:
        text = value.strip()
        if re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        elif _DURATION.fullmatch(text):
            seconds = sum(float(n) * _SECONDS[unit] for n, unit in _PART.findall(text))
    if seconds is not None and 0 <= seconds <= _MAX_DURATION_SECONDS:
        return float(seconds)
    raise ValueError("a duration such as 250ms, 10s, 5m or 7d")
