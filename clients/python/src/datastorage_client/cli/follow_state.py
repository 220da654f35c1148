"""Where a follower is, in a file that outlives it: one at a time has it, and it is whole at every moment."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from datastorage_common.files import ReadError, as_text, read_whole
from datastorage_common.terminal import printable
from datastorage_common.times import parse_rfc3339

from datastorage_client.folder import unfinished, write_whole
from datastorage_client.problems import cursor as as_cursor

_VERSION = 1
_MEMBERS = {"version", "asked", "moments", "cursor"}
_MAX_SHOWN = 300
_MAX_BYTES = 256 * 1024  # filters are texts of any length up to that of a request line
_OWNER_ALONE = 0o600


class StateError(Exception):
    """The file is not what it should be, cannot be used, or somebody else has it; one line that says what to do."""


class StateLostError(Exception):
    """The file could be written before, and cannot any more."""


class State:
    """What is remembered in a file.

    cursor: behind all that was written; None at the beginning. moments: the times of filters such as ``24h``, as they
    were meant at the first start.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any], moments: Mapping[str, str]) -> None:
        """``asked``: what is followed, which has to be the same each time. Raises StateError.

        ``moments``: those of this start, of use where there is no file yet.
        """
        self._path = path
        self._asked = dict(asked)
        self.moments = dict(moments)
        self.cursor: str | None = None
        if os.path.lexists(path):
            self._read()

    def _read(self) -> None:
        name = _shown(self._path)
        try:
            kept = json.loads(read_whole(self._path, _MAX_BYTES), object_pairs_hook=_members)
        except ReadError as e:
            raise StateError(f"--state: {e}") from None
        except (ValueError, RecursionError):
            kept = None
        if not isinstance(kept, dict) or "version" not in kept:
            raise StateError(f"{name} is no state of `datastorage follow`: name another file with --state")
        if kept["version"] != _VERSION:
            raise StateError(f"{name} is of another release of `datastorage follow`: use that one, or another file")
        asked, moments = kept.get("asked"), kept.get("moments")
        cursor = as_cursor(kept.get("cursor"))
        broken = StateError(f"{name} is a broken state of `datastorage follow`: name another file with --state")
        if kept.keys() != _MEMBERS or type(kept["version"]) is not int or cursor is None or not isinstance(asked, dict):
            raise broken
        # As JSON: for Python 1 is true.
        if differ := sorted(k for k in {*asked, *self._asked} if _json(asked, k) != _json(self._asked, k)):
            raise StateError(
                f"{name} is of another query, which differs in {printable(', '.join(differ))[:_MAX_SHOWN]}: "
                "ask as before, or name another file with --state"
            )
        # Of the same query, so of the same filters: what else stood here would be asked for without a word.
        if not _are_moments(moments) or moments.keys() != self.moments.keys():
            raise broken
        self.cursor, self.moments = cursor, moments

    def keep(self, cursor: str) -> None:
        """All up to this cursor is written. Raises StateLostError."""
        if cursor == self.cursor:
            return
        kept = {"version": _VERSION, "asked": self._asked, "moments": self.moments, "cursor": cursor}
        try:
            write_whole(self._path, json.dumps(kept, indent=1).encode() + b"\n", alone=True, mode=_OWNER_ALONE)
        except OSError as e:
            raise StateLostError(
                f"{_shown(self._path)} cannot be written: {e.strerror}; the last records come again"
            ) from e
        self.cursor = cursor


@contextmanager
def alone(path: Path) -> Iterator[Path]:
    """Have the state to oneself; where it is, behind any link. Raises StateError where that cannot be."""
    path = Path(os.path.realpath(path))  # a link would be replaced by a file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ALONE)
    except OSError as e:
        raise _no_folder(path, e) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(
                f"another `datastorage follow` has {_shown(path)}: end that one, or name another file with --state"
            ) from None
        try:
            _try_to_write(path)
        except OSError as e:
            raise _no_folder(path, e) from None
        yield path
    finally:
        os.close(descriptor)


def _try_to_write(path: Path) -> None:
    """Better now than after the first page. Raises OSError."""
    tried = unfinished(path)
    os.close(os.open(tried, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _OWNER_ALONE))
    tried.unlink()


def _no_folder(path: Path, error: OSError) -> StateError:
    why = f"nothing can be written into {_shown(path.parent)}: {error.strerror}"
    return StateError(f"{why}; name a file elsewhere with --state")


def _are_moments(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(parse_rfc3339(each) is not None for each in value.values())


def _json(members: Mapping[str, Any], name: str) -> str:
    """A member as JSON; empty where there is none."""
    return json.dumps(members[name], sort_keys=True) if name in members else ""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError where a name comes twice: which of the two counts nobody can tell."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _shown(path: Path) -> str:
    return printable(as_text(path))
