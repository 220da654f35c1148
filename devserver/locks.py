"""Files of a data directory that only its owner may read, and the lock that one run holds."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from devserver.errors import DevError


def private(path: str, flags: int) -> int:
    """An opener for files that only their owner may read; as root we give them to the owner of the folder."""
    descriptor = os.open(path, flags, 0o600)
    if os.geteuid() == 0:
        folder = os.stat(os.path.dirname(path))
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def hold(path: Path, name: str) -> int:
    """A descriptor that holds the lock until it is closed or we are gone; DevError if another run holds it."""
    descriptor = int(private(os.fspath(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DevError(
            f"{name}'s data in {path.parent} is in use by another run: stop that one, "
            "or choose another folder with DATA_DIR=..."
        ) from None
    return descriptor
