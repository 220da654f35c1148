"""Query parameters of lists: filters become conditions, and limit, offset and cursor say which page is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from datastorage_common import jsonvalue
from datastorage_common.times import parse_time

from app.http.problems import Problem
from app.postgres.lists import Cursor

# Offsets and bounds go into bigint parameters.
_MAX_OFFSET = 2**63 - 1
_MAX_LIMIT = 1000


class ListArguments:
    """Reads query parameters (the first of each counts) and gathers everything that is wrong with them."""

    def __init__(self, arguments: Mapping[str, str], now: datetime) -> None:
        self._arguments = arguments
        self._now = now
        self._errors: dict[str, str] = {}
        self._details: list[str] = []
        self._conditions: list[str] = []
        self._parameters: list[object] = []

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that the filters make; together they have `parameters`."""
        return tuple(self._conditions)

    @property
    def parameters(self) -> tuple[object, ...]:
        """The parameters of the conditions, in their order."""
        return tuple(self._parameters)

    def refuse(self, name: str, message: str) -> None:
        """Note what is wrong with a parameter."""
        self._errors[name] = message
        self._details.append(f"{name}: {message}")

    def where(self, condition: str, *parameters: object) -> None:
        """Add a condition."""
        self._conditions.append(condition)
        self._parameters += parameters

    def raw(self, name: str) -> str | None:
        """The text as it was sent, which PostgreSQL may be unable to store; None where there is none."""
        return self._arguments.get(name)

    def text(self, name: str) -> str | None:
        """A text that PostgreSQL can store; None where there is none, or where it was refused."""
        value = self._arguments.get(name)
        if value is not None and not jsonvalue.is_storable_text(value):
            self.refuse(name, "holds a character that cannot be stored")
            return None
        return value

    def equal(self, name: str) -> None:
        """A filter of the column with this name."""
        value = self.text(name)
        if value is not None:
            self.where(f"{name} = %s", value)

    def choice(self, name: str, allowed: Sequence[str]) -> None:
        """A filter of the column with this name, by one of its values."""
        value = self.text(name)
        if value is None:
            return
        if value not in allowed:
            self.refuse(name, "must be one of: " + ", ".join(allowed))
            return
        self.where(f"{name} = %s", value)

    def time(self, name: str, column: str, operator: str) -> datetime | None:
        """A bound on a column: the time, or None where there is none, or where it was refused."""
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
        return self._whole("limit", 1, _MAX_LIMIT, default)

    def offset(self) -> int:
        """How many rows are left out before a page."""
        return self._whole("offset", 0, _MAX_OFFSET, 0)

    def _whole(self, name: str, low: int, high: int, default: int) -> int:
        value = self._arguments.get(name)
        if value is None:
            return default
        if value.isascii() and value.isdigit() and len(value) <= 19 and low <= int(value) <= high:
            return int(value)
        limits = f"from {low} to {high}" if high != _MAX_OFFSET else f"of at least {low}"
        self.refuse(name, f"must be an integer {limits}")
        return default

    def cursor(self, is_ident: Callable[[str], object]) -> Cursor | None:
        """Where the page before this one ended; ``is_ident``: gives something false or None for no key of this list."""
        text = self._arguments.get("cursor")
        if text is None:
            return None
        cursor = Cursor.decode(text)
        if cursor is None or not is_ident(cursor.ident):
            self.refuse("cursor", "is not a cursor of this service")
        elif "offset" in self._arguments:
            self.refuse("cursor", "excludes offset")
        return cursor

    def check(self) -> None:
        """Raises Problem 400 that names every wrong parameter, if there is one."""
        if self._errors:
            raise Problem("validation-error", "; ".join(self._details), field_errors=self._errors)
