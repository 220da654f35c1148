"""SQL statements that are longer than a line: kept in ``sql/*.sql``, read once, given by their names."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.resources import resource

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sql:
    """A piece of SQL with its parameters."""

    text: str
    parameters: tuple[object, ...] = ()


def all_of(conditions: Iterable[str]) -> str:
    """What stands behind WHERE: every condition; any row where there is none."""
    return " AND ".join(conditions) or "true"


def each_with(conditions: Iterable[str], values: Iterable[object]) -> list[Sql]:
    """Conditions that have one parameter each, with their values."""
    return [Sql(text, (value,)) for text, value in zip(conditions, values, strict=True)]


@functools.cache
def statements(file: str) -> Mapping[str, str]:
    """The statements of ``sql/<file>.sql`` by their names, each on one line and without comments.

    A line ``-- name: …`` begins a statement; the comment below it says why the statement is as it is. A part in braces
    is filled in with `str.format`, by text of this program alone; what a client sends is a parameter (``%s``).
    """
    head, *parts = _HEADER.split((resource("sql") / f"{file}.sql").read_text())
    if _on_one_line(head):
        raise ValueError(f"sql/{file}.sql has a statement without a name")
    names, texts = parts[::2], [_on_one_line(text) for text in parts[1::2]]
    if len(set(names)) < len(names) or not all(texts):
        raise ValueError(f"sql/{file}.sql has a name twice, or one without a statement")
    return MappingProxyType(dict(zip(names, texts, strict=True)))


def _on_one_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith("--")).removesuffix(";")
