"""Tiles and bundles of entries by their names (c2sp.org/tlog-tiles): from a folder that has them, or the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datastorage_common.files import ReadError, read_whole
from datastorage_common.merkle import HASH_BYTES

from datastorage_client.folder import write_whole
from datastorage_client.problems import ProblemError
from datastorage_client.transport import AnswerTooLargeError
from datastorage_client.verify.steps import TILE, Fetch

WIDTH = 256
TILE_BYTES = WIDTH * HASH_BYTES
_LENGTH_BYTES = 2
_MAX_ENTRY_BYTES = 0xFFFF
ENTRIES = "entries"


@dataclass(frozen=True, slots=True)
class Place:
    """A tile of a level, or the bundle of the entries under one of level 0."""

    level: int | None  # None: a bundle
    number: int
    width: int = WIDTH

    @property
    def max_bytes(self) -> int:
        """What it can have at most."""
        return self.width * (_LENGTH_BYTES + _MAX_ENTRY_BYTES if self.level is None else HASH_BYTES)

    @property
    def path(self) -> str:
        """Its name below the log's address: tile/0/x001/234.p/7."""
        digits = f"{self.number:03}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
        level = ENTRIES if self.level is None else str(self.level)
        return f"tile/{level}/{name}" + (f".p/{self.width}" if self.width < WIDTH else "")


class Tiles:
    """Reads places; what it gives is not checked.

    fetch: the service's; None where the folder alone is read. folder: where complete ones are kept, and partial ones
    too if ``partial``.
    """

    def __init__(self, fetch: Fetch | None, folder: Path | None = None, *, partial: bool = False) -> None:
        self._fetch = fetch
        self._folder = folder
        self._partial = partial
        # Numbers of the bundles that were taken from the folder, so that nobody asked the service for them.
        self.held_bundles: set[int] = set()

    def read(self, place: Place, check: Callable[[bytes], None]) -> bytes:
        """The bytes of a place, which ``check`` accepts, and raises its own exception otherwise.

        A file that it does not accept is fetched anew where it can be; what is fetched is kept once it is accepted.
        Raises DataStorageError, OSError.
        """
        if (held := self._held(place)) is not None:
            try:
                check(held)
            except ValueError:
                if self._fetch is None:
                    raise
            else:
                if place.level is None:
                    self.held_bundles.add(place.number)
                return held
        if self._fetch is None:
            raise FileNotFoundError(f"{self._folder}: {place.path} is not there")
        data = self._fetched(self._fetch, place)
        check(data)
        if self._folder is not None and (place.width == WIDTH or self._partial):
            # The checkpoint is written behind all of them, durably, and a file that is not whole is fetched anew.
            write_whole(self._folder / place.path, data, durable=False)
        return data

    def _fetched(self, fetch: Fetch, place: Place) -> bytes:
        try:
            return _ask(fetch, place)
        except ProblemError as e:
            if place.width == WIDTH or e.status != 404:
                raise
        # A log need not keep a partial one once it has the complete one.
        whole = _ask(fetch, Place(place.level, place.number))
        if place.level is not None:
            return whole[: place.width * HASH_BYTES]
        return b"".join(
            len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in split_bundle(whole)[: place.width]
        )

    def _held(self, place: Place) -> bytes | None:
        if self._folder is None:
            return None
        try:
            return read_whole(self._folder / place.path, place.max_bytes)
        except ReadError:
            return None


class PlaceTooLargeError(ValueError):
    """The service answers with more bytes than a tile or a bundle can have."""


def _ask(fetch: Fetch, place: Place) -> bytes:
    try:
        return fetch(f"/api/v1/log/{place.path}", TILE, place.max_bytes)
    except AnswerTooLargeError:
        raise PlaceTooLargeError(f"more than the {place.max_bytes:,} bytes that it can have") from None


class BundleFormError(ValueError):
    """The bytes are no bundle of entries."""


def split_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle, each behind its length in two bytes. Raises BundleFormError."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        # Before all of them are there: empty ones are made of a packed answer by the million.
        if len(found) == WIDTH:
            raise BundleFormError(f"a bundle with more than {WIDTH} entries")
        end = at + _LENGTH_BYTES + int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        if end > len(data) or at + _LENGTH_BYTES > len(data):
            raise BundleFormError("a bundle that is cut off")
        found.append(data[at + _LENGTH_BYTES : end])
        at = end
    return found
