"""Files that several processes may write: each is whole, and on the disk, before it has its name."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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
    # As any file of this user's would be, which a file of tempfile is not.
    made = unfinished(path) if alone else path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        with open(made, "w+b" if alone else "x+b", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        give_name(made, path, replace=replace)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


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
