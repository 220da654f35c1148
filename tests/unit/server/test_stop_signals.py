"""Signals that wait while a worker begins."""

from __future__ import annotations

import signal
import subprocess
import sys

from app.server import stop_signals
from tests.tree import ROOT

FORKED = """
import os, signal
from app.server import stop_signals
got = []
signal.signal(signal.SIGTERM, lambda *_: got.append("term"))
stop_signals.let_through_after_fork()
stop_signals.hold_back()
pid = os.fork()
if not pid:
    os.kill(os.getpid(), signal.SIGTERM)
    early = list(got)
    stop_signals.let_through()
    os._exit(0 if (early, got) == ([], ["term"]) else 1)
os.kill(os.getpid(), signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), got)
"""


def test_a_forked_worker_gets_them_when_it_can_end_and_the_master_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0 ['term']"), done


def test_all_signals_that_stop_a_worker_are_held_back() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        stop_signals.hold_back()
        held = signal.pthread_sigmask(signal.SIG_BLOCK, ()) - before
        stop_signals.let_through()
        assert not held & signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert held == {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
