"""The folder in which the processes of one master share their metrics. prometheus_client reads its name on import."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

_NAME = "PROMETHEUS_MULTIPROC_DIR"
# The process that has prepared the folder: gunicorn reads its settings again on SIGHUP, when the folder is in use.
_PREPARED_BY = "_METRICS_DIR_OF"
_PREFIX = "datastorage-metrics-"
_IN_MEMORY = "/dev/shm"  # noqa: S108 - the folder of the machine


def prepare() -> None:
    """Let PROMETHEUS_MULTIPROC_DIR name a folder without files of dead processes; once in a process.

    Ends the process with a line on standard error where there is no such folder.
    """
    if os.environ.get(_PREPARED_BY) == str(os.getpid()):
        return
    if given := os.environ.get(_NAME):
        _empty(given)
    else:
        os.environ[_NAME] = _make()
    os.environ[_PREPARED_BY] = str(os.getpid())


def for_heartbeats() -> str:
    """The folder for gunicorn's heartbeat files: in memory where that may be written to, else beside the metrics."""
    return _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK | os.X_OK) else os.environ[_NAME]


def _empty(folder: str) -> None:
    """Make a given folder, or remove what the last run left: after a restart of a container it is the same one."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name in os.listdir(folder):
            if name.endswith((".db", ".db.new")) or name.startswith("unfinished-"):
                os.unlink(os.path.join(folder, name))
    except OSError as e:
        sys.exit(
            f"datastorage: {_NAME} ({folder}) cannot be used for the metrics: {e.strerror}; "
            "name a folder that this user may write to"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        sys.exit(f"datastorage: this user may not write to {_NAME} ({folder}); name another folder")


def _make() -> str:
    """Make a folder that goes with this process."""
    try:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
    except OSError:  # full, or read-only
        try:
            folder = tempfile.mkdtemp(prefix=_PREFIX, dir=_IN_MEMORY)
        except OSError as e:
            sys.exit(
                "datastorage: no folder for the metrics can be made in TMPDIR or /dev/shm "
                f"({e.strerror}): name one with {_NAME}"
            )
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: str, owner: int) -> None:
    # At the end of a worker, which is forked, others use it still.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
