"""The worker processes of a service, and what comes after they were killed."""

from __future__ import annotations

import os
import signal

import psutil

from tests.support import GunicornService, wait_until


def workers_of(service: GunicornService) -> set[int]:
    """Their process ids."""
    assert service.process is not None
    return {child.pid for child in psutil.Process(service.process.pid).children()}


def replaced(service: GunicornService, number: int) -> None:
    """Let every worker die, and others take their place."""
    before = workers_of(service)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(workers_of(service) - before) == number and not workers_of(service) & before, what="others")
