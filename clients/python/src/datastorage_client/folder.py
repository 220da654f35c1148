"""Files that several processes may write: each is whole, and on the disk, before it has its name."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# How files are called until they have their name.
_MADE = re.compile(r"\.[0-9a-f]{16}\.new")
# What a file system says that has no hard links, or none of this file.
_NO_LINK = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL})


@contextmanager
def new_file(
    path: Path, *, durable: bool = True, alone: bool = False, mode: int = 0o666, replace: bool = True
) -> Iterator[BinaryIO]:
    """A file that is written and read, and has its name only once all is well with it. Raises OSError.

    It takes the place of what is there, if anything is; FileExistsError without ``replace``. ``durable``, ``alone``,
    ``mode``: as `write_whole` has them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        # As any file of this user's would be, which a file of tempfile is not.
        made = unfinished(path) if alone else path.with_name(f".{secrets.token_hex(8)}.new")
        try:
            with open(made, "w+b" if alone else "x+b", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                if not alone and not _held(file, made):
                    continue
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                give_name(made, path, replace=replace)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
        break
    if durable:
        sync_folder(path.parent)


def _held(file: BinaryIO, path: Path) -> bool:
    """Lock a file as long as it is open; whether it is still there then: `remove_abandoned` may have come before."""
    # On a file system without locks those that are left stay where they are.
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
    return has_name(file.fileno(), path)


def remove_abandoned(folder: Path) -> None:
    """Remove what runs of this user that were killed have left of a `new_file`: nobody has a lock on it any more."""
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if _MADE.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(path: Path) -> None:
    """Raises OSError where it is another's, or in use."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    finally:
        os.close(descriptor)


def has_name(descriptor: int, path: Path) -> bool:
    """Whether this is the file's name. Raises OSError."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def give_name(made: Path, path: Path, *, replace: bool) -> None:
    """Let a file that is whole have another name, and no longer its own.

    Without ``replace`` FileExistsError is raised for whatever has that name by now, a link that leads nowhere too: to
    look first and to rename then would leave time for another process between the two. Raises OSError.
    """
    if replace:
        os.replace(made, path)
        return
    try:
        os.link(made, path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from None
    except OSError as e:
        if e.errno not in _NO_LINK:
            raise
        # One process alone can make a file of this name. A death between the two steps leaves it, empty.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        try:
            os.replace(made, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return
    # Another process may have found both names, and have taken this one away.
    made.unlink(missing_ok=True)


def unfinished(path: Path) -> Path:
    """What a process that was alone with the file, and was killed while it wrote, may have left."""
    return path.with_name(f"{path.name}.new")


def write_whole(path: Path, content: bytes, *, durable: bool = True, alone: bool = False, mode: int = 0o666) -> None:
    """Put a file in the place of what is there, if anything is. Raises OSError.

    ``durable``: it is on the disk before this returns; without, it may be lost with the machine, but never in part
    by the death of the process. ``alone``: nobody else writes this file, so what a killed one has left beside it is
    `unfinished`, and is written over. ``mode``: who may do what with it, as far as this user's mask lets them.
    """
    with new_file(path, durable=durable, alone=alone, mode=mode) as file:
        file.write(content)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone among all processes and threads that lock this file. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
