"""What a bundle says of itself: who asked for what, when, and what its files are. `check` says what of it is proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from datastorage_common import jsonvalue
from datastorage_common.records import EVENT, NOTIFICATION

from datastorage_client.evidence.errors import BundleError
from datastorage_client.evidence.zip_layout import MANIFEST

FORMAT = "datastorage-evidence/1"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
# Of a query: where it goes on, and in which form; and that are no filters.
_NO_FILTERS = frozenset({"after", "before", "format", "salts"})


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer of the export, or as much of it as was kept before it broke off."""

    request_id: str  # as the answer has it: X-Request-ID
    records: int  # lines that were kept of it
    bytes: int
    sha256: str  # of the lines that were kept
    whole: bool  # whether it came to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the export was asked and answered, by those who asked it."""

    query: Mapping[str, str]  # of the first request
    range: tuple[int, int]  # of all streams: Datastorage-Log-Range, the first of the first and the stop
    principal: str | None  # whom the service took the caller for; None: nobody is authenticated
    end: str  # the cursor of Datastorage-Export-Before
    streams: Sequence[Stream]  # in their order; the last one whole


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the bundle."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members of manifest.json."""

    format: str
    made_at: str
    by: str | None
    filter: dict[str, str]
    range: tuple[int, int]
    origin: str
    size: int
    root: str
    records: int
    exported: int
    streams: list[Stream]
    files: list[File]

    @property
    def is_of_all(self) -> bool:
        """Whether all records of the range were asked for: by no filter, and of both kinds."""
        kinds = set(self.filter.get("kinds", "").split(","))
        return self.filter.keys() == {"kinds"} and kinds == {EVENT, NOTIFICATION}

    @property
    def others(self) -> int:
        """How many entries of the range have no record here."""
        first, stop = self.range
        return max(0, stop - first - self.records)

    def encode(self) -> bytes:
        """As it is written."""
        return jsonvalue.readable(msgspec.to_builtins(self)) + b"\n"


_decoder = msgspec.json.Decoder(Manifest)


def parse_manifest(data: bytes) -> Manifest:
    """Raises BundleError."""
    try:
        found = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise BundleError(MANIFEST, f"it cannot be read: {e}") from None
    if found.format != FORMAT:
        raise BundleError(MANIFEST, f"it is of the format {found.format}; this release reads {FORMAT}")
    try:
        written = found.encode()
    except TypeError:  # a number of more than 64 bits
        written = b""
    if written != data:
        raise BundleError(MANIFEST, "it is not written as a bundle has it")
    return found


def filters_of(query: Mapping[str, str]) -> dict[str, str]:
    """What of a query says which records are meant."""
    return {name: text for name, text in sorted(query.items()) if name not in _NO_FILTERS}
