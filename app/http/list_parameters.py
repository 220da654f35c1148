"""Query parameters of lists: filters become conditions, and limit, offset and cursor say which page is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from datastorage_common.times import parse_time

from app.http.query import MAX_INTEGER, QueryParameters
from app.postgres.lists import Cursor

_MAX_LIMIT = 1000


class ListParameters(QueryParameters):
    """The parameters of one list, what is wrong with them, and the conditions that the filters among them make."""

    def __init__(self, arguments: Mapping[str, str], now: datetime) -> None:
        super().__init__(arguments)
        self._now = now
        self._conditions: list[str] = []
        self._values: list[object] = []

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions of the filters; together they have ``values``."""
        return tuple(self._conditions)

    @property
    def values(self) -> tuple[object, ...]:
        """What stands for the conditions' ``%s``, in their order."""
        return tuple(self._values)

    def where(self, condition: str, *values: object) -> None:
        """Add a condition."""
        self._conditions.append(condition)
        self._values += values

    def filter_by(self, name: str) -> None:
        """A filter of the column with this name, by any text."""
        value = self.text(name)
        if value is not None:
            self.where(f"{name} = %s", value)

    def filter_by_choice(self, name: str, allowed: Sequence[str]) -> None:
        """A filter of the column with this name, by one of its values."""
        value = self.choice(name, allowed, None)
        if value is not None:
            self.where(f"{name} = %s", value)

    def bound(self, name: str, column: str, operator: str) -> datetime | None:
        """A bound on a column of times; None where there is none, or where it was refused."""
        value = self.text(name)
        if value is None:
            return None
        moment = parse_time(value, self._now)
        if moment is None:
            self.refuse(name, "invalid time format: use 24h, 7d, an RFC 3339 time or YYYY-MM-DD")
            return None
        self.where(f"{column} {operator} %s", moment)
        return moment

    def limit(self, default: int) -> int:
        """How many rows a page has at the most."""
        return self.integer("limit", 1, _MAX_LIMIT, default)

    def offset(self) -> int:
        """How many rows are left out before a page."""
        return self.integer("offset", 0, MAX_INTEGER, 0)

    def cursor(self, is_key: Callable[[str], object]) -> Cursor | None:
        """Where the page before this one ended. ``is_key``: gives something false for what is no key of this list."""
        text = self.raw("cursor")
        if text is None:
            return None
        cursor = Cursor.decode(text)
        if cursor is None or not is_key(cursor.ident):
            self.refuse("cursor", "is not a cursor of this service")
        elif "offset" in self:
            self.refuse("cursor", "excludes offset")
        return cursor
