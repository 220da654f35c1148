"""The one reader of query parameters: it gathers everything that is wrong with them for one answer.

Of a parameter that is given several times the first counts; one that the route does not take was refused before (see
`app.http.parameters`). Each method gives a value also where it notes an error, so that a route can read on: ``check``
raises what was noted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TypeVar

from datastorage_common.jsonvalue import is_storable_text

from app.http.problems import Problem

# The largest bigint of PostgreSQL: what is read here goes into its parameters.
MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = len(str(MAX_INTEGER))
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

T = TypeVar("T", None, str)
B = TypeVar("B", None, bool)


class QueryParameters:
    """The parameters of one request, and what is wrong with them."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._errors: dict[str, str] = {}
        self._details: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self._arguments

    def refuse(self, name: str, message: str) -> None:
        """Note what is wrong with a parameter; ``message`` continues the sentence that its name begins."""
        self._errors[name] = message
        self._details.append(f"{name}: {message}")

    @property
    def wrong(self) -> Mapping[str, str]:
        """What was noted so far, by the names of the parameters."""
        return self._errors

    def raw(self, name: str) -> str | None:
        """The text as it was sent, which PostgreSQL may be unable to store; None where there is none."""
        return self._arguments.get(name)

    def text(self, name: str) -> str | None:
        """A text that PostgreSQL can store; None where there is none, or where it was refused."""
        value = self._arguments.get(name)
        if value is not None and not is_storable_text(value):
            self.refuse(name, "holds a character that cannot be stored")
            return None
        return value

    def choice(self, name: str, allowed: Sequence[str], default: T) -> str | T:
        """One of the texts that are allowed, or the default where there is none. What was refused is given as sent."""
        value = self._arguments.get(name)
        if value is None:
            return default
        if value not in allowed and self.text(name) is not None:
            self.refuse(name, "must be one of: " + ", ".join(allowed))
        return value

    def boolean(self, name: str, default: B) -> bool | B:
        """``true`` or ``false``; the default where there is none, or where it was refused."""
        value = self.text(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            self.refuse(name, "must be true or false")
            return default
        return value == "true"

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        """A decimal integer from ``low`` to ``high``; the default where there is none, or where it was refused."""
        value = self._arguments.get(name)
        if value is None:
            return default
        if value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS and low <= int(value) <= high:
            return int(value)
        limits = f"of at least {low}" if high == MAX_INTEGER else f"from {low} to {high}"
        self.refuse(name, f"must be an integer {limits}")
        return default

    def day(self, name: str) -> date | None:
        """A day in UTC, as YYYY-MM-DD; None where there is none, or where it was refused."""
        value = self._arguments.get(name)
        with contextlib.suppress(ValueError):
            if value is None or _DAY.fullmatch(value):
                return None if value is None else date.fromisoformat(value)
        self.refuse(name, "must be a day, as YYYY-MM-DD")
        return None

    def check(self) -> None:
        """Raises Problem 400 that names every wrong parameter, if there is one."""
        if self._errors:
            raise Problem("validation-error", "; ".join(self._details), field_errors=self._errors)
