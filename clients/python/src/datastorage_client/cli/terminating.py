"""SIGTERM as Python has SIGINT: an exception where the command is, so that it cleans up behind itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from datastorage_client.cli.errors import end

_INTERRUPTED = 130
_TERMINATED = 143


class TerminatedError(KeyboardInterrupt):
    """Somebody ended the command by SIGTERM; caught wherever SIGINT is."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """In here SIGTERM raises TerminatedError, once. What nobody catches ends the command."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        yield
        return

    def ended(number: int, frame: FrameType | None) -> None:
        # A second one would end the cleaning up.
        signal.signal(number, signal.SIG_IGN)
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    except TerminatedError as e:
        end_by(e)
    finally:
        signal.signal(signal.SIGTERM, before)


def end_by(error: KeyboardInterrupt, hint: str = "") -> NoReturn:
    """End a command that a signal has interrupted: say so, with the exit code that a shell has for it."""
    terminated = isinstance(error, TerminatedError)
    end(("terminated" if terminated else "interrupted") + hint, _TERMINATED if terminated else _INTERRUPTED)
