"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: int, what: str, several: str | None = None) -> str:
    """``1 record``, ``2,274 records``; ``several`` where an s at the end does not do: ``2 entries``."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"
