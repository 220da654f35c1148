"""The count of the feed at the end: what each consumer has kept, against the log and the tables."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bench.campaign.count import stored
from bench.campaign.follower import PROBLEM, RUN, Line, line_of
from tests.log_check import records_of

_TOLD = 5  # faults of a kind that are told one by one
_DIGEST_BYTES = 8


@dataclass
class FeedCount:
    """What came to consumers; each record as often as it came."""

    items: int = 0
    repeated: int = 0  # had come before
    missing: int = 0  # are stored and were asked for, and never came
    out_of_order: int = 0  # are not the next after the one before, or after the cursor where a run began
    strange: int = 0  # are not in the log at that place, say something else than the table, or were not asked for
    faults: list[str] = field(default_factory=list)  # some of these, and all that was wrong with answers

    def add(self, other: FeedCount) -> None:
        """Count these too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Feed:
    """What the feed has to give: the records of the log in its order, as the tables have them.

    Kept of each are the digest of what it says, and a number for its kind and severity.
    """

    def __init__(self, log: Iterable[tuple[str, str]], records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """``log`` is the kind and id of each entry in order, ``records`` the kind and columns of each row."""
        self._digests = bytearray()
        self._sorts = bytearray()
        self._numbers: dict[tuple[str, str | None], int] = {}
        self._unplaced: list[tuple[int, str]] = []
        places: dict[bytes, int] = {}
        for index, (kind, ident) in enumerate(log):
            act = ("act", ident, index, "")
            self._digests += _digest(act) if kind not in ("audit_event", "notification") else bytes(_DIGEST_BYTES)
            self._sorts.append(self._number("act", None))
            places[_key(kind, ident)] = index
        for kind, record in records:
            line = line_of({**record, "kind": kind, "log_index": 0})
            number = self._number(kind, record.get("severity"))
            place = places.get(_key(kind, line[1]))
            if place is None:
                self._unplaced.append((number, line[1]))
            else:
                self._digests[_DIGEST_BYTES * place : _DIGEST_BYTES * (place + 1)] = _digest(line)
                self._sorts[place] = number

    @classmethod
    def read(cls, conn: psycopg.Connection[Any]) -> Feed:
        """The feed of a database in which nothing is stored any more."""
        with conn.transaction():
            return cls(records_of(conn), stored(conn))

    def count(self, lines: Iterable[Line], query: Mapping[str, str]) -> FeedCount:
        """What a consumer that asked for this has kept (see `bench.campaign.follower`), and what is wrong with it."""
        wanted = self._wanted(query)
        places = array("q", (place for place, number in enumerate(self._sorts) if number in wanted))
        found, faults = FeedCount(), _Faults()
        came = bytearray(len(places))
        following = 0  # in `places`
        for line in lines:
            if line[0] == PROBLEM:
                faults.add(PROBLEM, str(line[1]))
            elif line[0] == RUN:
                following = bisect_right(places, line[1])
            else:
                found.items += 1
                at = self._at(places, line)
                if at is None:
                    found.strange += 1
                    faults.add("strange", f"{line} is not what is stored there, or was not asked for")
                    continue
                if at != following:
                    found.out_of_order += 1
                    next_one = places[following] if following < len(places) else "the end"
                    faults.add("out of order", f"{line[2]} came where {next_one} follows")
                found.repeated += came[at]
                came[at] = 1
                following = at + 1
        never = [f"what has the place {places[at]}" for at, times in enumerate(came) if not times]
        never += [f"{ident}, which has no place" for number, ident in self._unplaced if number in wanted]
        found.missing = len(never)
        for what in never:
            faults.add("missing", f"{what} never came")
        found.faults = faults.told()
        return found

    def _at(self, places: array[int], line: Line) -> int | None:
        """Where in these places this record stands; None if it is none of them."""
        at = bisect_left(places, line[2])
        if at == len(places) or places[at] != line[2]:
            return None
        digest = self._digests[_DIGEST_BYTES * line[2] : _DIGEST_BYTES * (line[2] + 1)]
        return at if digest == _digest(line) else None

    def _wanted(self, query: Mapping[str, str]) -> set[int]:
        """The numbers of what is asked for."""
        kinds, severity = query.get("kinds", "audit_event").split(","), query.get("severity")
        return {number for (kind, has), number in self._numbers.items() if kind in kinds and severity in (None, has)}

    def _number(self, kind: str, severity: str | None) -> int:
        return self._numbers.setdefault((kind, severity), len(self._numbers))


class _Faults:
    """The first few of each sort, and how many there are."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._told: list[str] = []

    def add(self, sort: str, what: str) -> None:
        self._counts[sort] += 1
        if self._counts[sort] <= _TOLD:
            self._told.append(what)

    def told(self) -> list[str]:
        return self._told + [f"{times} in all: {sort} …" for sort, times in self._counts.items() if times > _TOLD]


def _key(kind: str, ident: str) -> bytes:
    return hashlib.blake2b(f"{kind} {ident}".encode(), digest_size=_DIGEST_BYTES).digest()


def _digest(line: Line) -> bytes:
    kind, ident, _, said = line
    return hashlib.blake2b(f"{kind} {ident} {said}".encode(), digest_size=_DIGEST_BYTES).digest()
