"""The keys of one issuer that are fetched by address: kept fresh by a thread, never waited for by many.

A request takes what is there. One whose token names a key that is not there may bring a fetch about:

- All such requests share one fetch, and there is at most one in ten seconds: a stranger who makes up a thousand key ids
  costs what one costs.
- A few of them wait for it, two seconds at the most; the others are answered at once.
- A key id is judged when a fetch that began after it was first seen has ended. Until then its tokens can't be judged:
  503, not 401, since the key may have been published a moment ago, or the issuer is away. There is room for a few such
  key ids; beyond it an unknown key is refused, or a stranger would have every made-up token put off.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.auth.key_set import KeySet
from app.auth.principal import KeysUnknownError
from app.clock import Clock
from app.loop import LoopThread

log = logging.getLogger(__name__)

_ROUND_SECONDS = 1.0
# Between fetches that unknown keys bring about.
ASK_AGAIN_SECONDS = 10.0
_RETRY_SECONDS = 10.0
_JITTER = 0.1
_WAIT_SECONDS = 2.0
MAX_WAITING = 4
MAX_UNJUDGED = 16
# A key id that was not in the set is not asked for again before; no issuer has longer ones.
_ABSENT_SECONDS = 30.0
_MAX_IDENT_CHARS = 256
_LOG_EVERY_SECONDS = 60.0


class FetchError(Exception):
    """The keys could not be had; the text is one line for the log."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A key set as it was answered, and for how many seconds it is good."""

    content: bytes
    keys: KeySet
    max_age_seconds: float


class Fetcher(Protocol):
    """What fetches the key set of an issuer; not used by several threads at a time."""

    def fetch(self) -> Fetched:
        """The keys as they are published now. Raises FetchError."""


class IssuerKeys:
    """The last good key set of an issuer. Safe to share between threads; `start` it after the fork."""

    def __init__(self, name: str, fetcher: Fetcher, clock: Clock) -> None:
        self.name = name
        self.failing = False  # whether the last fetch failed
        self._fetcher = fetcher
        self._clock = clock
        self._keys: KeySet | None = None
        self._content: bytes | None = None
        self._fetched_at: float | None = None  # end of the last good fetch
        self._due = clock.monotonic()
        self._changed = threading.Condition()
        self._begun = self._ended = 0  # fetches so far
        self._wanted = False
        self._wanted_at = clock.monotonic() - ASK_AGAIN_SECONDS
        self._unjudged: dict[str, int] = {}  # key id → number of the fetch that decides
        self._absent: dict[str, float] = {}  # key id → when it was not in the set
        self._waiting = 0
        self._log_after = clock.monotonic()
        self._show_age: Callable[[str, float], None] | None = None
        self._wake = threading.Event()
        self._loop = LoopThread(f"issuer-keys-{name}", self.round, _ROUND_SECONDS, log, wake=self._wake)

    def start(self, show_age: Callable[[str, float], None]) -> None:
        """Start the thread, which tells the name and `age` once a second."""
        self._show_age = show_age
        self._loop.start()

    def stop(self) -> None:
        """End the thread; a fetch that hangs is left behind."""
        self._loop.stop(timeout=1)

    def wait_first(self, seconds: float) -> None:
        """Wait until the first fetch has ended, well or not."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended > 0, seconds)

    def current(self) -> KeySet:
        """The last good set. Raises KeysUnknownError where there was none yet."""
        if self._keys is None:
            with self._changed:
                self._wait_for(1)
        if self._keys is None:
            raise KeysUnknownError(_RETRY_SECONDS)
        return self._keys

    def after_unknown(self, ident: str, seen: KeySet) -> KeySet:
        """A set that is newer than ``seen``, in which there was no key of this id; or ``seen``: the key is not known.

        Raises KeysUnknownError where neither can be told yet.
        """
        with self._changed:
            if self._keys is not None and self._keys is not seen:
                return self._keys
            now = self._clock.monotonic()
            if len(ident) > _MAX_IDENT_CHARS or now < self._absent.get(ident, -math.inf) + _ABSENT_SECONDS:
                return seen
            if ident not in self._unjudged:
                if len(self._unjudged) >= MAX_UNJUDGED:
                    return seen
                self._unjudged[ident] = self._begun + 1
            # While the issuer is away the thread asks by itself, and nobody waits for that.
            if not self.failing and (fetch := self._ask(ident)) is not None:
                self._wait_for(fetch)
            if self._keys is not None and self._keys is not seen:
                return self._keys
            if ident not in self._unjudged:
                return seen
            until = self._due if self.failing else self._wanted_at + ASK_AGAIN_SECONDS
            raise KeysUnknownError(min(ASK_AGAIN_SECONDS, until - self._clock.monotonic()))

    def _ask(self, ident: str) -> int | None:
        """Have the set fetched before its time; the number of the fetch to wait for, None for one that is far off."""
        self._wanted = True
        if self._clock.monotonic() - self._wanted_at >= ASK_AGAIN_SECONDS:
            self._wake.set()
            return self._unjudged[ident]
        # The one that runs may bring the key as well.
        return self._begun if self._begun > self._ended else None

    def _wait_for(self, fetch: int) -> None:
        if self._waiting >= MAX_WAITING or self._loop.stopping:
            return
        self._waiting += 1
        try:
            self._changed.wait_for(lambda: self._ended >= fetch, _WAIT_SECONDS)
        finally:
            self._waiting -= 1

    def round(self) -> None:
        """What the thread does once a second, or when it is woken."""
        with self._changed:
            now = self._clock.monotonic()
            asked = self._wanted and now - self._wanted_at >= ASK_AGAIN_SECONDS
            due = asked or now >= self._due
            if due:
                self._begun += 1
                if self._wanted:
                    self._wanted, self._wanted_at = False, now
        if due:
            self._fetch()
        if self._show_age is not None:
            self._show_age(self.name, self.age())

    def age(self) -> float:
        """Seconds since the set was fetched last; infinite where it never was."""
        return math.inf if self._fetched_at is None else self._clock.monotonic() - self._fetched_at

    def _fetch(self) -> None:
        found: Fetched | None = None
        fault = ""
        try:
            found = self._fetcher.fetch()
        except FetchError as e:
            fault = str(e)
        except Exception as e:  # noqa: BLE001 - whatever an answer brings about, the last good set stays in force
            fault = f"{type(e).__name__}: {e}"
        with self._changed:
            now = self._clock.monotonic()
            again = _RETRY_SECONDS if found is None else found.max_age_seconds
            self._due = now + again * random.uniform(1 - _JITTER, 1 + _JITTER)
            self._ended = self._begun
            changed = found is not None and found.content != self._content
            came_back, self.failing = self.failing and found is not None, found is None
            if found is not None:
                self._fetched_at = now
                # The same set stays the same object: tokens that were verified with it are remembered.
                if changed:
                    self._content, self._keys = found.content, found.keys
                self._judge(now)
            self._changed.notify_all()
        self._say(fault, changed=changed, came_back=came_back)

    def _judge(self, now: float) -> None:
        """Decide on the key ids that were seen before this fetch began: they are in the set now, or not known."""
        judged = [ident for ident, fetch in self._unjudged.items() if fetch <= self._ended]
        for ident in judged:
            del self._unjudged[ident]
        self._absent = {ident: at for ident, at in self._absent.items() if now < at + _ABSENT_SECONDS}
        self._absent.update(dict.fromkeys(judged, now))

    def _say(self, fault: str, *, changed: bool, came_back: bool) -> None:
        now = self._clock.monotonic()
        if fault:
            if now >= self._log_after:
                self._log_after = now + _LOG_EVERY_SECONDS
                kept = (
                    "the keys that were fetched before stay in force"
                    if self._keys is not None
                    else "there are none yet"
                )
                log.error("the keys of issuer %s cannot be fetched: %s; %s", self.name, fault, kept)
            return
        self._log_after = now
        if not self._keys:
            if changed:
                log.warning("issuer %s publishes no key that can be used: its tokens are refused", self.name)
        elif changed or came_back:
            log.info("the keys of issuer %s are fetched: %d in force", self.name, len(self._keys.keys))
