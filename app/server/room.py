"""When the system has no room for a worker: no process, thread, descriptor, memory or file. It is tried again."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, NoReturn

from app.server.shutdown import unfinished_mark

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

    from app.server.worker import Worker

_NO_ROOM = frozenset(
    (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT)
)
# One line says it for so long.
_SAID_SECONDS = 10.0
# A worker that cannot begin ends after so long, and the master starts another one at once.
_AGAIN_SECONDS = 2.0


def is_no_room(error: BaseException) -> bool:
    """Whether this is a lack that may be over by itself."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return isinstance(error, MemoryError) or str(error) == "can't start new thread"


def keep_spawning(arbiter: Arbiter) -> None:
    """Let the master try again, at its next turn a second later, where it would end with all that it has."""
    spawn, master = arbiter.spawn_worker, os.getpid()
    said = float("-inf")

    def spawn_worker() -> None:
        nonlocal said
        mask = os.umask(0o077)
        os.umask(mask)
        try:
            spawn()
        except (OSError, MemoryError) as e:
            if os.getpid() != master or not is_no_room(e):
                raise
            os.umask(mask)  # gunicorn changes it for the file that it could not make
            if time.monotonic() - said >= _SAID_SECONDS:
                said = time.monotonic()
                arbiter.log.error("datastorage: no worker can be started: %s; it is tried again", _reason(e))

    arbiter.spawn_worker = spawn_worker


def end_until_there_is_room(worker: Worker, error: BaseException) -> NoReturn:
    """End this process, which has taken nothing yet, in one line; the master starts another."""
    worker.log.error(
        "datastorage: worker %d cannot start its threads: %s; another one is tried in %g s",
        *(os.getpid(), _reason(error), _AGAIN_SECONDS),
    )
    worker.close_log()
    unfinished_mark(os.getpid()).unlink(missing_ok=True)
    time.sleep(_AGAIN_SECONDS)
    # Threads that are there already wait for work; nothing of theirs has to be finished.
    os._exit(1)


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
