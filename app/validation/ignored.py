"""Members of a request that its schema does not know: accepted, ignored, and named in the answer.

So many are named at the most, and the others counted: what an answer says of them is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, fields

MAX_NAMES = 20  # of one object
MAX_CHARACTERS = 64  # of a name
MAX_ITEMS = 100  # of a batch
NOTHING: Mapping[str, Any] = MappingProxyType({})


class KnownMembers:
    """The members that a schema knows, those of objects inside of it as well.

    What it gives are members of an answer: ``ignored``, and ``ignored_more`` where not all are named; nothing where
    nothing was ignored.
    """

    def __init__(self, schema: Schema) -> None:
        self._names = frozenset(schema.fields)
        self._inner = {n: KnownMembers(f.schema) for n, f in schema.fields.items() if isinstance(f, fields.Nested)}
        # The whole cost of a request that is right: a look at each of its keys, without a call where that is enough.
        self._knows_all: Callable[[Mapping[str, Any]], bool] = (
            self._knows_all_inside if self._inner else self._names.issuperset
        )

    def ignored(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """``ignored`` is a list of names, dotted inside of objects."""
        if self._knows_all(body):
            return NOTHING
        names, more = self._named(body)
        return _members(names, more)

    def ignored_of_batch(self, bodies: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """``ignored`` is an object from the index of an item to its names."""
        found: dict[str, list[str]] = {}
        more = 0
        knows_all = self._knows_all
        for index in [i for i, body in enumerate(bodies) if not knows_all(body)]:
            names, others = self._named(bodies[index])
            if len(found) < MAX_ITEMS:
                found[str(index)] = names
                more += others
            else:
                more += len(names) + others
        return _members(found, more) if found else NOTHING

    def _knows_all_inside(self, body: Mapping[str, Any]) -> bool:
        if not self._names.issuperset(body):
            return False
        for name, inner in self._inner.items():
            if isinstance(value := body.get(name), dict) and not inner._knows_all(value):
                return False
        return True

    def _named(self, body: Mapping[str, Any]) -> tuple[list[str], int]:
        """The names that an answer gives, and how many others there are."""
        unknown = self._unknown(body, "")
        names = [_shown(name) for name in islice(unknown, MAX_NAMES)]
        return names, sum(1 for _ in unknown)

    def _unknown(self, body: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for name, value in body.items():
            if name not in self._names:
                yield prefix + name[:MAX_CHARACTERS]
            elif isinstance(value, dict) and (inner := self._inner.get(name)) is not None:
                yield from inner._unknown(value, f"{prefix}{name}.")


def _members(found: Sequence[str] | Mapping[str, Sequence[str]], more: int) -> Mapping[str, Any]:
    return {"ignored": found, "ignored_more": more} if more else {"ignored": found}


def _shown(name: str) -> str:
    """The name as it was sent; a lone surrogate, which no answer can hold, as its escape."""
    return name.encode("utf-8", "backslashreplace").decode()[:MAX_CHARACTERS]
