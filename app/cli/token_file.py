"""Changes to a token file: entries added at its end, and entries taken out; one change at a time.

The lock is on the file itself. Taking an entry out puts another file in its place, so who gets the lock looks whether
the file is still the one under that name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import yaml
from datastorage_common.files import as_text
from datastorage_common.times import rfc3339
from datastorage_common.yamlnodes import block_items

from app.auth.principal import token_digest
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.auth.static_tokens import TokenEntry, parse_tokens
from app.auth.watched_file import MAX_FILE_BYTES


class TokenFileError(Exception):
    """The token file cannot be changed; the text is one line for the operator."""


def entry_text(
    made: str,
    name: str,
    scopes: tuple[str, ...],
    expires: datetime | None,
    *,
    created: datetime | None = None,
    reads: ReadLimits = EVERYTHING,
) -> str:
    """The entry of a token file, as YAML."""
    digest = token_digest(made).hex()
    entry: dict[str, object] = {"name": name, "sha256": digest, "scopes": list(dict.fromkeys(scopes))}
    limits = {"namespaces": reads.namespaces, "categories": reads.categories}
    if reads.narrow:
        entry["reads"] = {key: sorted(values) for key, values in limits.items() if values is not None}
    # In ASCII, other characters escaped: it may be copied from a terminal that has no others.
    text: str = yaml.safe_dump([entry], sort_keys=False, width=1000)
    # A time is no text in YAML: it stands without quotes.
    for key, moment in (("created", created), ("expires", expires)):
        text += f"  {key}: {rfc3339(moment.replace(microsecond=0))}\n" if moment is not None else ""
    return text


def append(path: Path, entry: str) -> dict[bytes, TokenEntry]:
    """Add an entry to a token file, or make the file with it, for its owner alone; the entries there were before.

    One write at the end of the file: nobody who reads it, and nobody else who adds to it, sees half an entry. Raises
    TokenFileError for a file that holds something else or cannot be written.
    """
    with _locked(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) as fd:
        there = _content(fd)
        if len(there) + len(entry) >= MAX_FILE_BYTES:
            raise TokenFileError(f"{as_text(path)}: has no room for it: such a file may have {MAX_FILE_BYTES} bytes")
        addition = (b"" if not there or there.endswith(b"\n") else b"\n") + entry.encode()
        try:
            before = parse_tokens(there)
            parse_tokens(there + addition)
        except ValueError as e:
            raise TokenFileError(f"{as_text(path)}: {e}; nothing was added") from None
        if os.write(fd, addition) != len(addition):
            raise TokenFileError(f"{as_text(path)}: could not be written to the end")
        os.fsync(fd)
    return before


def take_out(path: Path, choose: Callable[[dict[bytes, TokenEntry]], set[bytes]]) -> None:
    """Take the entries out whose digests ``choose`` gives of those that are there; every other byte stays.

    Another file takes the place of this one, whole, with its mode and owner. Raises TokenFileError, and what
    ``choose`` raises, and then nothing was changed.
    """
    real = Path(os.path.realpath(path))
    with _locked(real, os.O_RDWR) as fd:
        there = _content(fd)
        try:
            known = parse_tokens(there)
        except ValueError as e:
            raise TokenFileError(f"{as_text(path)}: {e}; nothing was taken out") from None
        gone = choose(known)
        left = _without(there, known, gone)
        if left is None or not _holds(left, {d: e for d, e in known.items() if d not in gone}):
            raise TokenFileError(f"{as_text(path)}: is not laid out one entry below the other: take it out by hand")
        _replace(real, left, os.fstat(fd))


@contextlib.contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of the file that has this name now, with the lock. Raises TokenFileError, for OSErrors too."""
    try:
        while True:
            fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise TokenFileError(f"{as_text(path)}: is no ordinary file")
                fcntl.flock(fd, fcntl.LOCK_EX)
                if _is_the_one(fd, path):
                    yield fd
                    return
            finally:
                os.close(fd)
    except OSError as e:
        raise TokenFileError(f"{as_text(path)}: {e.strerror}") from None


def _is_the_one(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _content(fd: int) -> bytes:
    """The file; of one that is too large a little too much."""
    content = b""
    while len(content) <= MAX_FILE_BYTES and (part := os.read(fd, MAX_FILE_BYTES + 1)):
        content += part
    return content


def _replace(path: Path, content: bytes, before: os.stat_result) -> None:
    fd, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as stream:
            # First, so that the service can read it, and nobody else, from its first moment.
            os.fchown(fd, before.st_uid, before.st_gid)
            os.fchmod(fd, stat.S_IMODE(before.st_mode))
            stream.write(content)
            stream.flush()
            os.fsync(fd)
        os.replace(fresh, path)
    except OSError:
        os.unlink(fresh)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _without(content: bytes, known: dict[bytes, TokenEntry], gone: set[bytes]) -> bytes | None:
    """The file without the lines of these entries; None where an entry has no lines of its own.

    The entries stand in the file in the order of ``known``, which was read from it.
    """
    text = content.decode()
    items = block_items(text)
    if items is None or len(items) != len(known):
        return None
    lines = text.splitlines(keepends=True)
    for (first, last), digest in reversed(list(zip(items, known, strict=True))):
        if digest in gone:
            del lines[first : last + 1]
    return "".join(lines).encode()


def _holds(content: bytes, entries: dict[bytes, TokenEntry]) -> bool:
    """Whether the service would read exactly these entries: what reads the file is asked, not what wrote it."""
    try:
        return parse_tokens(content) == entries
    except ValueError:  # an entry referred to another
        return False
