"""Users that servers run as when we are root."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from devserver.errors import DevError


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user that a server runs as, when we are root."""

    uid: int
    gid: int
    name: str


class Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def identity(account: Account | None) -> Identity:
    """Popen's arguments for running as ``account``."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def owner_of(path: Path) -> Account | None:
    """Whoever owns ``path``, when we are root and they are not: what they made must stay theirs."""
    if os.geteuid() != 0 or not path.exists() or path.stat().st_uid == 0:
        return None
    stat = path.stat()
    return Account(uid=stat.st_uid, gid=stat.st_gid, name=str(stat.st_uid))


def unprivileged() -> Account | None:
    """The user that PostgreSQL, which refuses to be root, runs as when we are; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=name)
    raise DevError("PostgreSQL does not run as root, and there is no user nobody: run as an ordinary user")


def reaches(account: Account, condition: str, path: Path) -> bool:
    """Whether the shell's ``condition`` on ``$1`` holds for ``account``; the kernel is asked: ACLs count."""
    try:
        asked = subprocess.run(
            ["/bin/sh", "-c", condition, "sh", os.fspath(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
            **identity(account),
        )
    except (OSError, subprocess.SubprocessError) as e:
        raise DevError(f"cannot run as user {account.name}: {e}; run as an ordinary user") from e
    return asked.returncode == 0
