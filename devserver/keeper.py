"""Starts servers again that end while they are needed: killed by hand, out of memory, or by a fault of their own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.clock import Clock
from devserver.errors import DevError, StartCancelledError
from devserver.server import Server

# Waits before the first start again, the second, …; a server that then ends soon once more is left alone.
BACKOFF_SECONDS = (0.0, 1.0, 2.0, 4.0)
# What runs for longer was a good start: the next end counts as the first.
SOON_SECONDS = 10.0


@dataclass
class _Kept:
    server: Server
    ends: int = 0  # soon after a start, one after the other
    ready_at: float = float("-inf")
    due: float | None = None


class Keeper:
    """Looks after servers that run; `look` is to be called again and again, by one thread."""

    def __init__(
        self, servers: Sequence[Server], clock: Clock, say: Callable[[str], None], cancel: threading.Event
    ) -> None:
        """``say`` is told in one line what ended; ``cancel`` gives up a start."""
        self._kept = [_Kept(server) for server in servers]
        self._clock = clock
        self._say = say
        self._cancel = cancel

    def look(self) -> None:
        """Start those again that ended, at their ports and with their data. DevError for one that does not stay."""
        now = self._clock.monotonic()
        for kept in self._kept:
            if kept.due is None and (code := kept.server.exit_code()) is not None:
                if now - kept.ready_at > SOON_SECONDS:
                    kept.ends = 0
                self._ended(kept, how(code))
        launched = [kept for kept in self._kept if kept.due is not None and kept.due <= now and self._launch(kept)]
        for kept in launched:
            try:
                kept.server.wait_ready(self._cancel)
            except StartCancelledError:
                raise
            except DevError as e:
                self._ended(kept, f"at its start ({e})")
            else:
                kept.ready_at = self._clock.monotonic()

    def _launch(self, kept: _Kept) -> bool:
        kept.due = None
        kept.server.kill()  # what is left of it
        try:
            kept.server.launch()
        except DevError as e:
            self._ended(kept, f"before its start ({e})")
            return False
        return True

    def _ended(self, kept: _Kept, how: str) -> None:
        server = kept.server
        kept.ends += 1
        if kept.ends > len(BACKOFF_SECONDS):
            raise DevError(
                f"{server.name} ended {kept.ends} times, each soon after its start, the last time {how}: stopping "
                f"everything. {server.log_file} says why; mend that (or move {server.data_dir} away) and start again"
            )
        delay = BACKOFF_SECONDS[kept.ends - 1]
        kept.due = self._clock.monotonic() + delay
        when = f"in {delay:g} s" if delay else "now"
        self._say(f"{server.name} ended {how}: it is started again {when}, with its data, at port {server.port}")


def how(code: int) -> str:
    """How a process ended, in words, from its exit code."""
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
