"""What a check of the log finds wrong, in the same words whoever looks: kinds, sentences, the first and how many."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# So many faults are kept, whatever a log is like.
MOST_FAULTS = 1000
# So many are shown to people.
_MOST_NAMED = 20
# However a log is looked at.
NEVER_PROVEN = (
    "changes made before the first checkpoint was signed",
    "that who has the signing key shows the same log to others: witnesses and remembered checkpoints do that",
)


class Wrong(NamedTuple):
    """What is wrong with a record: the kind of it, and a sentence without its subject."""

    kind: str
    text: str


NO_RECORD = Wrong("no row", "there is no such record")
NO_SALT = Wrong("salt", "its salt is not there")


def mismatch(fits: Callable[[bytes], bool], digest: bytes, digests: Sequence[bytes]) -> Wrong | None:
    """What of a record does not fit its entry; None where all does.

    ``fits``: whether the entry is the one that the record gives with this digest. ``digest``: that it is stored with.
    ``digests``: those that its content gives.
    """
    whole = digest in digests
    if fits(digest):
        return None if whole else Wrong("content", "its content does not give its digest")
    if any(map(fits, digests)):
        return Wrong("digest", "its digest was changed; its content is that of its entry")
    if not whole:
        return Wrong("content", "its content does not give its digest, and its entry is of another digest")
    return Wrong("columns", "a column outside its digest was changed, or its salt, or content and digest together")


def second_entry(first: int) -> Wrong:
    """A record has several entries; ``first``: the index of the first of them."""
    return Wrong("two entries", f"it has two entries, the first is {first}")


def _writable(text: str) -> str:
    """The text as UTF-8 can have it: a record that is wrong may hold halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong.

    ``index``: the place in the log; ``record``: kind and id, where it is of one record. ``cause``: others may follow
    from it, such as a record that is missing from a file that is damaged.
    """

    kind: str
    text: str
    index: int | None = None
    record: tuple[str, str] | None = None
    cause: bool = False

    @property
    def order(self) -> tuple[bool, bool, bool, int]:
        """Causes first, those of no single place at their head; then records, those with a place before others."""
        return not self.cause, self.record is None, (self.index is None) != self.cause, self.index or 0

    def members(self) -> dict[str, object]:
        """As JSON has it."""
        kind, ident = (None, None) if self.record is None else map(_writable, self.record)
        return {"what": self.kind, "text": _writable(self.text), "index": self.index, "kind": kind, "id": ident}

    def __str__(self) -> str:
        where = [] if self.record is None else [f"{self.record[0]} {self.record[1]}"]
        if self.index is not None:
            where.append(f"entry {self.index}")
        return f"{', '.join(where)}: {self.text}" if where else self.text


@dataclass(slots=True)
class Faults:
    """What was found to be wrong: how much of each kind, and the first of it."""

    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[Fault] = field(default_factory=list)  # the first of them, in their order

    def add(
        self,
        kind: str,
        text: str,
        *,
        index: int | None = None,
        record: tuple[str, str] | None = None,
        cause: bool = False,
    ) -> None:
        """Note that something is wrong."""
        fault = Fault(kind, text, index, record, cause)
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

    def told(self) -> str:
        """How much is wrong, by kind: ``32 (columns 30, content 2)``."""
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.faults.items()))
        return f"{self.faults.total():,} ({kinds})"

    def fault_lines(self) -> Iterator[tuple[str, str]]:
        """As people read them, where something is wrong: the first of them, and how much there is."""
        for number, fault in enumerate(self.wrong[:_MOST_NAMED]):
            yield "wrong" if number else "first wrong", str(fault)
        more = f"; --json names the first {len(self.wrong):,}" if self.faults.total() > _MOST_NAMED else ""
        yield "wrong in all", f"{self.told()}{more}"

    def fault_members(self) -> dict[str, object]:
        """As JSON has them."""
        named = [each.members() for each in self.wrong]
        return {"faults": dict(self.faults), "first": named[0] if named else None, "wrong": named}
