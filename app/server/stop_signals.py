"""The signals that stop a worker are held back from before its fork until it can end by them.

A worker that was just forked has the master's handlers, which put a signal into a queue that it never reads: what
reaches it before it has its own would be lost, and the master wait for it until its limit.
"""

from __future__ import annotations

import os
import signal

_STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def hold_back() -> None:
    """Let them wait: in the master, just before it forks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


def let_through() -> None:
    """Let them come: in a worker, before its first thread, which would hold them back else."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def let_through_after_fork() -> None:
    """Let them come to the master after each fork: gunicorn has no hook there. To be called twice does no harm."""
    os.register_at_fork(after_in_parent=let_through)
