"""Writes the zip of a bundle: members in their order, each of any length."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import BinaryIO

from datastorage_client.evidence import zip_layout
from datastorage_client.evidence.manifest import File
from datastorage_client.evidence.zip_layout import DEFLATED, METHODS, Member

_CHUNK = 1024 * 1024


class MemberWriter:
    """Takes the bytes of one member."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.at = file.tell()
        self.crc = self.packed = self.size = 0
        self._file = file
        self._digest = sha256()
        self._packer = zlib.compressobj(wbits=-zlib.MAX_WBITS) if METHODS[name] == DEFLATED else None

    def put(self, data: bytes) -> None:
        """More of it. Raises OSError."""
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        self._digest.update(data)
        self._write(data if self._packer is None else self._packer.compress(data))

    def finish(self) -> None:
        """That was all. Raises OSError."""
        if self._packer is not None:
            self._write(self._packer.flush())

    def _write(self, data: bytes) -> None:
        self.packed += len(data)
        self._file.write(data)

    @property
    def member(self) -> Member:
        """As the zip has it."""
        return Member(self.name, self.at, self.crc, self.packed, self.size)

    @property
    def told(self) -> File:
        """As the manifest has it."""
        return File(name=self.name, bytes=self.size, sha256=self._digest.hexdigest())


class ZipWriter:
    """Writes members one after the other to a file that can be read and sought in."""

    def __init__(self, file: BinaryIO) -> None:
        self.members: list[Member] = []
        self.files: list[File] = []
        self._file = file

    @contextmanager
    def member(self, name: str) -> Iterator[MemberWriter]:
        """The next one. Raises OSError."""
        # Taken for what comes, and written anew once that is known.
        at = self._file.tell()
        self._file.write(bytes(zip_layout.header_bytes(name)))
        made = MemberWriter(self._file, name)
        made.at = at
        yield made
        made.finish()
        end = self._file.tell()
        self._file.seek(at)
        self._file.write(zip_layout.header(made.member))
        self._file.seek(end)
        self.members.append(made.member)
        self.files.append(made.told)

    def put(self, name: str, data: bytes) -> None:
        """The next one, as a whole. Raises OSError."""
        with self.member(name) as made:
            made.put(data)

    def close(self) -> None:
        """Write the end. Raises OSError."""
        self._file.write(zip_layout.directory(self.members))
        self._file.seek(0)
        digest = sha256()
        while data := self._file.read(_CHUNK):
            digest.update(data)
        self._file.write(zip_layout.end(self.members, digest.digest()))
