"""Names of tiles as C2SP tlog-tiles writes them: ``x001/x234/067`` is tile 1234067, and ``.p/12`` its first twelve."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.transparency.edge import WIDTH

_NAME = re.compile(r"((?:x[0-9]{3}/){0,6})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_LEVEL = re.compile("[0-9]|[1-5][0-9]|6[0-3]", re.ASCII)

_LARGEST = 2**63 - 1  # entries; indexes are bigint


@dataclass(frozen=True, slots=True)
class Place:
    """A tile of the tree, or the bundle of the entries below it, and how many of its hashes or entries."""

    level: int
    number: int
    width: int

    def is_in(self, size: int) -> bool:
        """Whether a tree of this size has it, with so many hashes."""
        hashes: int = size // WIDTH**self.level
        return self.number * WIDTH + self.width <= hashes


def parse_tile(level: str, name: str) -> Place | None:
    """The tile of a path ``<L>/<N>[.p/<W>]``; None for what is no such path, or of a tile that no log
    ever has. Each tile has one path."""
    number_and_width = _parse(name)
    if number_and_width is None or not _LEVEL.fullmatch(level):
        return None
    return _that_may_be(Place(int(level), *number_and_width))


def parse_bundle(name: str) -> Place | None:
    """The bundle of a path ``<N>[.p/<W>]``, as `parse_tile`."""
    number_and_width = _parse(name)
    return _that_may_be(Place(0, *number_and_width)) if number_and_width is not None else None


def _that_may_be(place: Place) -> Place | None:
    return place if place.is_in(_LARGEST) else None


def _parse(name: str) -> tuple[int, int] | None:
    found = _NAME.fullmatch(name)
    # An element of nothing but zeros in front would make another path of the same tile.
    if found is None or found[1].startswith("x000/"):
        return None
    number = int(found[1].replace("x", "").replace("/", "") + found[2])
    if found[3] is None:
        return number, WIDTH
    width = int(found[3])
    return (number, width) if width < WIDTH else None
