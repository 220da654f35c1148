"""What a check reads. It does not know where that comes from; `app.verify.database` is one such place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

TileKey = tuple[int, int]  # level and number


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is of everything, as the place itself says."""

    head: int  # entries, as the head has it
    bundle_rows: int
    bundles: int  # 1 + the number of the last bundle, 0 if there is none
    tiles: dict[int, tuple[int, int]]  # by level: rows, 1 + the number of the last tile
    places: int
    salts: int
    records: int  # events, notifications and acts
    old_waiting: int
    set_aside: int
    taken: int  # old records that were taken in
    taken_by_act: str | None  # … as the act that closed the log says
    finished_by: UUID | None  # the act that closed the log for them
    origin: str | None  # the log's name; None: nothing was signed yet
    inconsistent: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle or a tile: how many it says it has, and what it has."""

    width: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it is stored, and what its content gives."""

    head: bytes  # what its entry begins with behind the code: id and day; of an act the beginning of its JSON
    tail: bytes  # of an act: what stands behind the commitment
    digests: tuple[bytes, ...]  # that its content gives
    digest: bytes  # that it has
    salt: bytes | None
    columns: bytes | None  # canonical JSON of what the digest does not cover; None for an act


@dataclass(frozen=True, slots=True)
class RememberedTree:
    """A tree that was signed, or was about to be, as a memory outside the database holds it."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A row of log_checkpoints."""

    origin: str
    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A row of log_cosignatures."""

    origin: str
    size: int
    witness: str
    line: str


@dataclass(frozen=True, slots=True)
class Row:
    """A stored record: who it is, and its entry's identity."""

    ident: bytes  # `app.verify.records.identity`
    record: tuple[str, str]
    key: int  # by which its places are found
    waits: bool  # from before there was a log, and not taken in yet


@dataclass(frozen=True, slots=True)
class HoldSide:
    """That a hold was set, or released, as its row has it; and the act that the row names."""

    hold_id: str
    kind: str  # of the act that there has to be
    at: str
    by: str | None
    texts: Mapping[str, Any]  # what the act commits to; the filter as its JSON
    salt: bytes
    act_kind: str | None  # None: there is no such act
    acted_at: str | None
    details: bytes | None  # as its JSON


class Source(Protocol):
    """A log with its records, all of one moment. Bundles, tiles and entries are numbered from 0."""

    def totals(self) -> Totals: ...

    def disguised(self) -> Sequence[str]:
        """What may show other rows than it holds, and why; a line each."""
        ...

    def bundles(self, numbers: Sequence[int]) -> dict[int, Kept]: ...

    def tiles(self, keys: Sequence[TileKey]) -> dict[TileKey, Kept]: ...

    def stored(self, entries: Sequence[bytes]) -> dict[bytes, Stored]:
        """The records of these entries, in their kept form, by `app.verify.records.identity`."""
        ...

    def salts(self, first: int, end: int) -> dict[int, bytes]:
        """Salts of old records by the places of their entries."""
        ...

    def without_place(self, places: Sequence[tuple[int, int]]) -> list[int]:
        """Of these entries, by (index, key): the indexes of those that cannot be found by their ids."""
        ...

    def shared_keys(self) -> Iterator[Sequence[int]]:
        """The places that have one key, for each key that has several."""
        ...

    def places(self, keys: Sequence[int]) -> Iterator[tuple[int, int]]:
        """(key, index) of each place that one of these keys has."""
        ...

    def pending(self) -> Iterator[bytes]:
        """What waits for its place: entries, one behind the other."""
        ...

    def rows(self) -> Iterator[Row]:
        """Every record."""
        ...

    def checkpoints(self, after: int, upto: int) -> list[StoredCheckpoint]:
        """Checkpoints of trees of more than ``after`` and at most ``upto`` entries, the smallest first."""
        ...

    def cosignatures(self) -> Iterator[Cosigned]: ...

    def holds(self) -> Iterator[HoldSide]:
        """That each hold was set; and of each that is released, that it was."""
        ...

    def acts_without_hold(self) -> Iterator[tuple[str, str]]:
        """Kind and id of each act on a hold that no hold names."""
        ...
