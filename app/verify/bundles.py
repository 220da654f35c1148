"""The entries of some bundles, held against their records, their places, and the tree."""

from __future__ import annotations

from uuid import UUID

from datastorage_common.merkle import HASH_BYTES, complete_root, leaf_hash

from app.transparency.acts import INTAKE_FINISHED
from app.transparency.edge import WIDTH
from app.transparency.entries import ACT, EVENT, as_json, place_key, readable
from app.verify.records import entry_of, identity, is_old, record_name, wrong_with
from app.verify.report import Report
from app.verify.source import Kept, Source, Stored

# So many entries without a place are kept apart from records without an entry; where there are more, none is named.
MOST_WITHOUT_PLACE = 100_000


class BundleCheck:
    """Reads bundle after bundle, and keeps what the end has to know."""

    def __init__(self, source: Source, report: Report, size: int) -> None:
        self._source = source
        self._report = report
        self._size = size
        self.with_record = 0  # entries whose record is there
        self.unread = False  # whether there are entries that cannot be read
        self.keys_without_place: set[int] = set()
        self.salts = 0
        self.finished: set[UUID] = set()  # acts that close the log for old records

    def check(self, numbers: range) -> list[bytes]:
        """Check the bundles of these numbers; the leaf hashes that the tree is made of."""
        first, end = numbers.start * WIDTH, min(numbers.stop * WIDTH, self._size)
        bundles = self._source.bundles(numbers)
        tiles = self._source.tiles([(0, number) for number in numbers])
        read = {number: self._read(number, bundles.get(number)) for number in numbers}
        entries = [entry for number in numbers for entry in read[number]]
        stored = self._source.stored(entries)
        salts = self._source.salts(first, end)
        self._places(read)
        leaves: list[bytes] = []
        for number in numbers:
            wide = min(self._size - number * WIDTH, WIDTH)
            leaves += self._bundle(number, read[number], wide, tiles.get((0, number)), stored, salts)
        self.salts += len(salts)
        return leaves

    def _read(self, number: int, kept: Kept | None) -> list[bytes]:
        """The entries of a bundle, as far as they can be read."""
        wide = min(self._size - number * WIDTH, WIDTH)
        if kept is None:
            self._wrong_bundle(number, number * WIDTH, "is not there")
            return []
        found, why = readable(kept.data)
        if why:
            at = number * WIDTH + min(len(found), wide - 1)
            self._wrong_bundle(number, at, f"cannot be read to its end ({why})")
        elif len(found) != wide or kept.width != wide:
            at = number * WIDTH + min(len(found), wide - 1)
            self._wrong_bundle(number, at, f"has {len(found)} entries and says {kept.width}, of {wide}")
        return found[:wide]

    def _wrong_bundle(self, number: int, index: int, what: str) -> None:
        self.unread = True
        self._report.add("bundle", f"bundle {number} {what}", index=index)

    def _places(self, read: dict[int, list[bytes]]) -> None:
        wanted = [(n * WIDTH + i, place_key(entry)) for n, entries in read.items() for i, entry in enumerate(entries)]
        for index in self._source.without_place(wanted):
            entry = read[index // WIDTH][index % WIDTH]
            if len(self.keys_without_place) <= MOST_WITHOUT_PLACE:
                self.keys_without_place.add(place_key(entry))
            self._report.add("place", "log_places does not have its place", index=index, record=record_name(entry))

    def _bundle(
        self,
        number: int,
        entries: list[bytes],
        wide: int,
        tile: Kept | None,
        stored: dict[bytes, Stored],
        salts: dict[int, bytes],
    ) -> list[bytes]:
        first = number * WIDTH
        leaves = [leaf_hash(as_json(entry)) for entry in entries]
        hashes = self._tile(number, tile, wide)
        as_stored = b"".join(leaves) == hashes
        trusted = not as_stored and self._is_below(number, hashes)
        for i, entry in enumerate(entries):
            record = stored.get(identity(entry))
            self._count(first + i, entry)
            self.with_record += record is not None
            wrong = wrong_with(entry, record, salts.get(first + i))
            there = leaves[i] if as_stored else hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES]
            kind, text = wrong or ("", "")
            if leaves[i] != there:
                fits = _fits(entry, record, salts.get(first + i), there)
                if fits and wrong is not None:
                    kind, text = "entry", "its entry was changed: record and tree fit"
                elif wrong is None:
                    kind, text = "hash", "its record and entry fit, and the tree has another hash in their place"
                else:
                    text += ", and the tree has another hash in its place"
                if (trusted or fits) and len(there) == HASH_BYTES:
                    leaves[i] = there
            if kind:
                self._report.add(kind, text, index=first + i, record=record_name(entry))
        rest = range(len(entries), wide)
        leaves += [hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES].ljust(HASH_BYTES, b"\0") for i in rest]
        for index in range(first, first + wide):
            if index in salts and not (index - first < len(entries) and is_old(entries[index - first])):
                self._report.add("salt", "log_salts has a salt for it, and it is not old", index=index)
        return leaves

    def _tile(self, number: int, tile: Kept | None, wide: int) -> bytes:
        index = number * WIDTH
        if tile is None:
            self._report.add("tile", f"tile {number} of level 0 is not there", index=index)
            return b""
        if tile.width != wide or len(tile.data) != wide * HASH_BYTES:
            self._report.add("tile", f"tile {number} of level 0 has {tile.width} hashes, of {wide}", index=index)
        return tile.data

    def _is_below(self, number: int, hashes: bytes) -> bool:
        """Whether the tile is the one that the level above has the hash of."""
        if len(hashes) != WIDTH * HASH_BYTES:
            return False
        above = self._source.tiles([(1, number // WIDTH)]).get((1, number // WIDTH))
        at = number % WIDTH * HASH_BYTES
        return above is not None and above.data[at : at + HASH_BYTES] == complete_root(hashes)

    def _count(self, index: int, entry: bytes) -> None:
        code = entry[0]
        if code == ACT:
            kind, ident = name = record_name(entry)
            self._report.entries[kind] += 1
            if kind == INTAKE_FINISHED:
                if self.finished:
                    self._report.add("intake", "the intake was finished before", index=index, record=name)
                self.finished.add(UUID(ident))
            return
        self._report.entries["audit_event" if code <= EVENT else "notification"] += 1
        if is_old(entry):
            self._report.old += 1
            if self.finished:
                text = "it was taken in as an old record, behind the end of the intake"
                self._report.add("intake", text, index=index, record=record_name(entry))


def _fits(entry: bytes, stored: Stored | None, old_salt: bytes | None, leaf: bytes) -> bool:
    """Whether the record, rather than its entry, is what the tree has a hash of."""
    salt = old_salt if is_old(entry) else stored.salt if stored is not None else None
    if stored is None or salt is None:
        return False
    return leaf_hash(as_json(entry_of(stored, entry[0], salt, stored.digest))) == leaf
