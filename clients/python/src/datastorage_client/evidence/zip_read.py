"""Reads the zip of a bundle: nothing is written to a disk, and no more is held than a piece of each member.

Bytes come from strangers. What stands around the members has to be what follows from them; a member is unpacked as far
as its header says, and lines of it have a limit.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from datastorage_common.files import ReadError

from datastorage_client.evidence import zip_layout
from datastorage_client.evidence.errors import BundleError
from datastorage_client.evidence.manifest import File
from datastorage_client.evidence.zip_layout import DEFLATED, METHODS, Member

STRUCTURE = "the zip's own structure"
_CHUNK = 256 * 1024
# Three times the largest request (server.max_body_size, 5 MiB), and so more than a record of one, written out. A line
# that is checked takes a dozen times as much memory.
MAX_LINE_BYTES = 16 * 1024 * 1024


class ZipReader:
    """A bundle that is open; its members are where they have to be. To be used as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises ReadError; BundleError where it is no zip of this kind."""
        self._descriptor = _open(path)
        try:
            self._size = os.fstat(self._descriptor).st_size
            self.members = self._read_members()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> ZipReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)

    def is_as_written(self) -> bool:
        """Whether the hash in the comment is that of all before it. Raises OSError."""
        digest, at, end = sha256(), 0, self._size - zip_layout.END_BYTES
        while at < end:
            data = self._at(at, min(_CHUNK, end - at))
            if not data:
                return False
            digest.update(data)
            at += len(data)
        written = zip_layout.end([*self.members.values()], digest.digest())
        return self._at(end, zip_layout.END_BYTES) == written

    def open(self, name: str) -> MemberReader:
        """A member, from its beginning."""
        return MemberReader(self._descriptor, self.members[name])

    def whole(self, name: str, limit: int, told: File | None = None) -> bytes:
        """A small member, which has to be as it was ``told``. Raises BundleError, OSError."""
        if self.members[name].size > limit:
            raise BundleError(name, f"it is larger than {limit:,} bytes")
        reader = self.open(name)
        data = b"".join(reader)
        if (wrong := reader.wrong(told)) is not None:
            raise BundleError(name, wrong)
        return data

    def _read_members(self) -> dict[str, Member]:
        found: dict[str, Member] = {}
        at = 0
        for name in METHODS:
            member = zip_layout.read_header(self._at(at, zip_layout.header_bytes(name)), name, at)
            if member is None:
                raise BundleError(STRUCTURE, f"{name} does not begin at byte {at:,}, as it does in a bundle")
            if member.end > self._size:
                raise BundleError(STRUCTURE, f"the file ends within {name}: it is not whole")
            found[name] = member
            at = member.end
        members = [*found.values()]
        directory = zip_layout.directory(members)
        wanted = len(directory) + zip_layout.END_BYTES
        if self._size - at != wanted:
            text = f"behind its members are {self._size - at:,} bytes, and {wanted:,} belong there"
            raise BundleError(STRUCTURE, text)
        fixed = zip_layout.end(members, b"")
        given = self._at(at, len(directory) + len(fixed))
        if given != directory + fixed:
            raise BundleError(STRUCTURE, "the directory at its end does not say what its members are")
        return found

    def _at(self, at: int, count: int) -> bytes:
        return os.pread(self._descriptor, count, at)


class MemberReader(Iterator[bytes]):
    """The bytes of a member, piece by piece. Raises BundleError where they are not as many as it has, and OSError."""

    def __init__(self, descriptor: int, member: Member) -> None:
        self.size = 0  # of what was given
        self._descriptor = descriptor
        self._member = member
        self._at = member.begin
        self._digest = sha256()
        self._crc = 0
        self._packed = b""
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
        self._ended = False

    def __next__(self) -> bytes:
        data = b"" if self._ended else self._next()
        if not data:
            self._ended = True
            raise StopIteration
        self.size += len(data)
        if self.size > self._member.size:
            raise BundleError(self._member.name, f"it has more than the {self._member.size:,} bytes that it says")
        self._digest.update(data)
        self._crc = zlib.crc32(data, self._crc)
        return data

    def wrong(self, told: File | None) -> str | None:
        """What of the bytes, all of which were given, is not what was ``told`` of them; None where all is."""
        if self.size != self._member.size or self._crc != self._member.crc:
            return "its bytes are not those that were written"
        if told is not None and (told.bytes, told.sha256) != (self.size, self._digest.hexdigest()):
            return "it is not the file that the manifest names"
        return None

    def lines(self) -> Iterator[bytes]:
        """Its lines, without their ends. Raises BundleError, OSError."""
        parts: list[bytes] = []
        length = 0
        for data in self:
            *ended, rest = data.split(b"\n")
            # Any other line is within a piece.
            if length + len(ended[0] if ended else rest) > MAX_LINE_BYTES:
                raise BundleError(self._member.name, f"a line has more than {MAX_LINE_BYTES:,} bytes")
            for line in ended:
                yield b"".join([*parts, line])
                parts, length = [], 0
            parts.append(rest)
            length += len(rest)
        if length:
            raise BundleError(self._member.name, "its last line has no end")

    def drain(self) -> None:
        """Read what is left. Raises BundleError, OSError."""
        for _ in self:
            pass

    def _next(self) -> bytes:
        if self._unpacker is None:
            return self._read()
        while True:
            self._packed = self._packed or self._read()
            try:
                data = self._unpacker.decompress(self._packed, _CHUNK)
            except zlib.error:
                raise BundleError(self._member.name, "it cannot be unpacked") from None
            before, self._packed = self._packed, self._unpacker.unconsumed_tail
            if self._unpacker.eof and (self._unpacker.unused_data or self._at < self._member.end):
                raise BundleError(self._member.name, "something stands behind its end")
            if data or self._unpacker.eof:
                return data
            if not before:
                raise BundleError(self._member.name, "it is cut off")

    def _read(self) -> bytes:
        data = os.pread(self._descriptor, min(_CHUNK, self._member.end - self._at), self._at)
        self._at += len(data)
        return data


def _open(path: Path) -> int:
    """Raises ReadError."""
    try:
        # A pipe would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as e:
        raise ReadError(path, e.strerror or type(e).__name__) from None
    except ValueError:  # a NUL in the name
        raise ReadError(path, "no file can have such a name") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ReadError(path, "is no regular file, which a bundle has to be")
    return descriptor
