"""What a check has found: the first fault by the order of the log, and how many there are of each kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


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
    since_size: int | None = None
    inconsistent: str | None = None  # why the service has stopped to sign
    faults: Counter[str] = field(default_factory=Counter)
    first: Fault | None = None

    def add(self, kind: str, text: str, *, index: int | None = None, record: tuple[str, str] | None = None) -> None:
        """Note that something is wrong."""
        fault = Fault(kind, text, index, record)
        self.faults[kind] += 1
        if self.first is None or fault.order < self.first.order:
            self.first = fault

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return self.first is None

    @property
    def unsigned(self) -> int:
        """Entries behind the last checkpoint."""
        return self.size - (self.signed_size or 0)
