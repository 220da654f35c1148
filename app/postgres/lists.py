"""Lists page by page: which page is meant, and where it ended (a keyset cursor)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from datastorage_common.times import parse_rfc3339, rfc3339

# The longest that a time and a UUID make has 94 characters.
_MAX_CURSOR_CHARACTERS = 128


class Cursor(NamedTuple):
    """Where a page ended: the key of its last row."""

    moment: datetime
    ident: str

    def encode(self) -> str:
        """Opaque text for clients."""
        raw = orjson.dumps([rfc3339(self.moment), self.ident])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @staticmethod
    def decode(text: str) -> Cursor | None:
        """The cursor of its text, or None if it is not one."""
        if len(text) > _MAX_CURSOR_CHARACTERS:
            return None
        try:
            moment, ident = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, binascii.Error, TypeError):
            return None
        parsed = parse_rfc3339(moment)
        if parsed is None or not isinstance(ident, str):
            return None
        cursor = Cursor(parsed, ident)
        # Base64 reads past what it does not know: only what encode() could have made is a cursor.
        return cursor if cursor.encode() == text else None


@dataclass(frozen=True)
class ListQuery:
    """A checked query of a list: SQL conditions that are joined by AND, with their parameters, and the page."""

    conditions: tuple[str, ...]
    parameters: tuple[object, ...]
    limit: int
    offset: int
    cursor: Cursor | None


@dataclass(frozen=True)
class Page:
    """Rows of a list by their members, how many there are in all, and where the next page begins; None on the last."""

    rows: list[dict[str, Any]]
    total: int
    next: Cursor | None

    def place(self) -> dict[str, Any]:
        """Where the page stands in its list, as members of an answer."""
        following = None if self.next is None else self.next.encode()
        return {"total": self.total, "has_more": following is not None, "next_cursor": following}
