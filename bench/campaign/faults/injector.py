"""Which fault comes when."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from bench.campaign.faults import FAULTS
from bench.campaign.stage import Stage

# So long after its time a campaign waits for what it was to do.
_MORE_SECONDS = 3600


class Injector:
    """Starts faults at random, up to three at a time, until told to stop."""

    def __init__(self, stage: Stage, rng: random.Random, names: list[str], gap: float) -> None:
        self._stage = stage
        self._rng = rng
        self._names = names
        self._gap = gap
        self._slots = threading.Semaphore(3)
        self._threads: list[threading.Thread] = []
        self.counts: dict[str, int] = dict.fromkeys(names, 0)
        self.errors: list[str] = []

    def run(self, seconds: float, enough: Callable[[], bool] = lambda: True) -> None:
        """Inject for so many seconds and until it is enough, then wait until everything is mended."""
        deadline = time.monotonic() + seconds
        queue: list[str] = []
        while (now := time.monotonic()) < deadline or not enough():
            if now > deadline + _MORE_SECONDS:
                self.errors.append(f"it was not enough {_MORE_SECONDS} s later")
                break
            if not queue:
                # Every fault once before any comes again, in an order that the seed decides.
                queue = self._rng.sample(self._names, len(self._names))
            name = queue.pop()
            if self._slots.acquire(timeout=1):
                self.counts[name] += 1
                thread = threading.Thread(target=self._inject, args=(name, random.Random(self._rng.random())))
                thread.start()
                self._threads.append(thread)
            time.sleep(self._rng.random() * 2 * self._gap)
        for thread in self._threads:
            thread.join()

    def _inject(self, name: str, rng: random.Random) -> None:
        try:
            FAULTS[name](self._stage, rng)
        except Exception as e:  # noqa: BLE001 - a fault that cannot be mended spoils the campaign, which reports it
            self.errors.append(f"{name}: {type(e).__name__}: {e}")
        finally:
            self._slots.release()
