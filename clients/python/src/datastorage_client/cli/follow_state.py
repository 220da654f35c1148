"""Where a follower is, in a file that outlives it: one at a time has it, and it is whole at every moment."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datastorage_common.files import ReadError, read_whole
from datastorage_common.terminal import printable

from datastorage_client.folder import write_whole

_VERSION = 1
_MAX_BYTES = 64 * 1024


class StateError(Exception):
    """The file is not what it should be, or somebody else has it; one line that says what to do."""


class State:
    """What is remembered in a file. ``cursor``: behind all that was written; None at the beginning."""

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        """``asked``: what is followed, which has to be the same each time. Raises StateError."""
        self._path = path
        self._asked = dict(asked)
        self.cursor = self._read()

    def _read(self) -> str | None:
        name = printable(str(self._path))
        if not os.path.lexists(self._path):
            return None
        try:
            kept = json.loads(read_whole(self._path, _MAX_BYTES))
            version, asked, cursor = kept["version"], kept["asked"], kept["cursor"]
        except ReadError as e:
            raise StateError(str(e)) from None
        except (ValueError, KeyError, TypeError):
            raise StateError(f"{name} is no state of `datastorage follow`: name another file") from None
        if version != _VERSION or not isinstance(cursor, str):
            raise StateError(f"{name} was written by another release: name another file, or remove it to begin anew")
        if asked != self._asked:
            differ = sorted(k for k in {*asked, *self._asked} if asked.get(k) != self._asked.get(k))
            what = printable(", ".join(differ))
            raise StateError(f"{name} is of another query ({what} differ): ask as before, or name another file")
        return cursor

    def keep(self, cursor: str) -> None:
        """All up to this cursor is written. Raises OSError."""
        if cursor == self.cursor:
            return
        kept = {"version": _VERSION, "asked": self._asked, "cursor": cursor}
        write_whole(self._path, json.dumps(kept, indent=1).encode() + b"\n", alone=True)
        self.cursor = cursor


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Have the state to oneself. Raises StateError where another follower has it, or nothing can be written there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise StateError(f"{printable(str(e.filename or path))}: {e.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(f"{printable(str(path))}: another `datastorage follow` has it") from None
        # Better now than after the first page.
        if not os.access(path.parent, os.W_OK):
            raise StateError(f"{printable(str(path.parent))}: nothing can be written there")
        yield
    finally:
        os.close(descriptor)
