"""The lines of records.ndjson, counted and hashed by the answers of the export that they came in."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from datastorage_client.evidence.exported import Seen
from datastorage_client.evidence.lines import name_of
from datastorage_client.evidence.manifest import Stream
from datastorage_client.evidence.zip_layout import Member
from datastorage_client.evidence.zip_read import MemberReader


class StreamsSeen:
    """Is given the lines in their order, once it is known how many are of each answer."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._all = [Seen() for _ in streams]
        self._at = 0
        self._digest = sha256()

    def add(self, line: bytes, index: int | None) -> None:
        """The next line, without its end."""
        while self._at < len(self._all) - 1 and self._all[self._at].records >= self._streams[self._at].records:
            self._next()
        if not self._all:
            return
        seen = self._all[self._at]
        seen.records += 1
        seen.bytes += len(line) + 1
        self._digest.update(line)
        self._digest.update(b"\n")
        if index is not None:
            seen.first = index if seen.first is None else seen.first
            seen.last = index

    def close(self) -> list[Seen]:
        """What the lines of each answer are."""
        while self._at < len(self._all):
            self._next()
        return self._all

    def _next(self) -> None:
        self._all[self._at].sha256 = self._digest.hexdigest()
        self._digest = sha256()
        self._at += 1


def streams_in(descriptor: int, member: Member, streams: Sequence[Stream]) -> list[Seen]:
    """What the lines of a member are. Raises BundleError, OSError."""
    seen = StreamsSeen(streams)
    for line in MemberReader(descriptor, member).lines():
        name = name_of(line)
        seen.add(line, None if name is None else name.index)
    return seen.close()
