"""What a check has found: the first faults by the order of the log, and how many there are of each kind."""

from __future__ import annotations

import bisect
from collections import Counter
from dataclasses import dataclass, field

# So many faults are kept, whatever a log is like.
MOST_FAULTS = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong. ``index``: the place in the log; ``record``: kind and id, where it is of one record."""

    kind: str
    text: str
    index: int | None = None
    record: tuple[str, str] | None = None

    @property
    def order(self) -> tuple[bool, bool, int]:
        """Records first, those with a place before others."""
        return self.record is None, self.index is None, self.index or 0

    def __str__(self) -> str:
        where = [] if self.record is None else [f"{self.record[0]} {self.record[1]}"]
        if self.index is not None:
            where.append(f"entry {self.index}")
        return f"{', '.join(where)}: {self.text}" if where else self.text


@dataclass(slots=True)
class Report:
    """How the log and the records were found."""

    size: int = 0
    root: bytes = b""
    entries: Counter[str] = field(default_factory=Counter)  # by kind
    old: int = 0  # entries of records from before there was a log
    pending: int = 0  # records that wait for a place
    old_waiting: int = 0  # records from before there was a log that were not taken in yet
    set_aside: int = 0  # entries that no release could read
    checkpoints: int = 0
    signed_size: int | None = None  # the largest tree under one of the keys' signatures
    witnessed_size: int | None = None  # … that the policy is content with
    unknown_signers: int = 0  # checkpoints that none of the keys has signed
    unknown_size: int | None = None  # the largest tree that none of the keys has signed, and another one has
    since_size: int | None = None
    inconsistent: str | None = None  # why the service has stopped to sign
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[Fault] = field(default_factory=list)  # the first of them, in their order

    def add(self, kind: str, text: str, *, index: int | None = None, record: tuple[str, str] | None = None) -> None:
        """Note that something is wrong."""
        fault = Fault(kind, text, index, record)
        self.faults[kind] += 1
        if len(self.wrong) == MOST_FAULTS:
            if fault.order >= self.wrong[-1].order:
                return
            del self.wrong[-1]
        bisect.insort(self.wrong, fault, key=lambda each: each.order)

    @property
    def first(self) -> Fault | None:
        """The first of all."""
        return self.wrong[0] if self.wrong else None

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong

    @property
    def unsigned(self) -> int:
        """Entries behind the last checkpoint, whoever has signed it."""
        return self.size - max(self.signed_size or 0, self.unknown_size or 0)
