"""One limit: so much in so many seconds for each key, counted in windows that begin anew.

To ask Redis for each request costs too much. So a worker takes a piece of the limit from the count of all workers,
spends it in memory and takes the next one when it is used up. All pieces together are never more than the limit. What
other workers have not spent of theirs may be missing at the edge: a key may be refused that much early.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from limits.storage import RedisStorage

from app.clock import Clock
from app.quotas.shared_count import SharedCount

# Keys that a worker knows at a time; of those beyond, the ones that were not seen for longest are forgotten. It has
# Redis count no more new ones in one window: those beyond have this worker's share.
MAX_KEYS = 10_000
# A piece is a part of the limit, and of what is left of it, at the most: little is held back by each worker.
_PART_OF_LIMIT = 50
_PART_OF_REST = 4
# In a short window a piece is a larger part: each is on the disk of Redis before it is had.
_PIECES_A_SECOND = 5
# Who was refused is not heard for so long: what it sends meanwhile costs nothing. No Retry-After is shorter.
REFUSED_SECONDS = 1.0
# What is shorter is not worth it.
_LEAST_PAUSE_SECONDS = 0.01


class Standing(NamedTuple):
    """What a key has of its limit after it asked: whether it may go on, what is left, seconds until it is whole.

    ``pause``: seconds that it should wait before it asks again.
    """

    allowed: bool
    left: int
    resets_in: int
    pause: float = 0.0


class _Window:
    """What one key has in one window; at its end another takes its place."""

    __slots__ = ("beyond", "left", "name", "next_turn", "piece", "refused", "spent", "until", "untold")

    def __init__(self, name: str, until: float, left: int, beyond: int) -> None:
        self.name = name
        self.until = until  # on the monotonic clock
        self.left = left  # this worker's, not spent yet
        self.beyond = beyond  # more than this there is not to be had
        self.piece = 1  # the next one; each is twice as large, so that who comes seldom holds little
        self.spent = 0  # by this worker
        self.untold = 0  # of that, what the count of all workers does not know yet
        self.refused = False
        # Of a key that was refused in this window or the one before: when its next request comes in an even pace.
        self.next_turn = 0.0


class Quota:
    """A limit of ``amount`` in ``seconds`` for each key. Safe to share between threads.

    Without ``shared``, or while that is away, each of ``workers`` has its share of the limit.
    """

    def __init__(
        self, name: str, amount: int, seconds: int, *, clock: Clock, workers: int = 1, shared: SharedCount | None = None
    ) -> None:
        self.name = name
        self.amount = amount
        self.seconds = seconds
        self.policy = f'"{name}";q={amount};w={seconds}'
        self._clock = clock
        self._share = max(1, amount // max(1, workers))
        self._shared = shared
        self._largest_piece = amount // min(_PART_OF_LIMIT, _PIECES_A_SECOND * seconds)
        self._lock = threading.Lock()
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._told_of = 0  # keys that Redis was to count, up to
        self._told_until = 0.0

    @property
    def most(self) -> int:
        """What can be had at once at the very most."""
        return self._share if self._shared is None else self.amount

    def take(self, key: str, cost: int = 1) -> Standing:
        """Spend ``cost`` of the key's limit, all or nothing. Waits for Redis a tenth of a second at the most."""
        now = self._clock.monotonic()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.until <= now:
                before, window = window, self._new_window(key, now)
                self._windows[key] = window
                if before is not None and before.refused and now < before.until + self.seconds:
                    window.next_turn = now
                if len(self._windows) > MAX_KEYS:
                    self._windows.popitem(last=False)
            self._windows.move_to_end(key)
            if window.left >= cost:
                window.left -= cost
                window.spent += cost
                pause = self._pause(window, cost, now) if window.next_turn else 0.0
                return Standing(True, window.left + window.beyond, -int((now - window.until) // 1), pause)
            standing = self._spend(window, cost)
        if standing is None and self._shared is not None:
            standing = self._shared.ask(key, partial(self._spend_more, window, cost))
        standing = standing or self._spend_share(window, cost)
        with self._lock:
            if not standing.allowed:
                window.refused, window.next_turn = True, now
                return standing._replace(pause=REFUSED_SECONDS)
            return standing._replace(pause=self._pause(window, cost, now)) if window.next_turn else standing

    def _pause(self, window: _Window, cost: int, now: float) -> float:
        """How long until the next turn of a key that asks for more than its limit: it gets what it may have evenly.

        All it may have at the beginning of each window, and at once, would hold up the others. With the lock held.
        """
        window.next_turn = max(window.next_turn, now) + cost * self.seconds / self.amount
        pause = min(REFUSED_SECONDS, window.next_turn - now)
        return pause if pause >= _LEAST_PAUSE_SECONDS else 0.0

    def _new_window(self, key: str, now: float) -> _Window:
        seed = key.encode("utf-8", "surrogatepass")
        # Windows of different keys end at different moments, on every worker the same ones.
        at = self._clock.now().timestamp() + zlib.crc32(seed) % self.seconds
        number, passed = divmod(at, self.seconds)
        # A name may be long, and has no business in Redis.
        name = f"{self.name}:{self.amount}:{hashlib.blake2b(seed, digest_size=16).hexdigest()}:{int(number)}"
        alone = not self._may_tell_of_another(now)
        return _Window(name, now + self.seconds - passed, self._share if alone else 0, 0 if alone else self.amount)

    def _may_tell_of_another(self, now: float) -> bool:
        """Whether Redis is to count one more key: a flood of them must not fill its memory. With the lock held."""
        if self._shared is None:
            return False
        if now >= self._told_until:
            self._told_of, self._told_until = 0, now + self.seconds
        self._told_of += 1
        return self._told_of <= MAX_KEYS

    def _spend(self, window: _Window, cost: int) -> Standing | None:
        """Spend what this worker has; None where more is needed and may be there. With the lock held."""
        if window.left >= cost:
            window.left -= cost
            window.spent += cost
            return self._standing(window, True)
        if window.left + window.beyond < cost:
            return self._standing(window, False)
        return None

    def _spend_more(self, window: _Window, cost: int, count: RedisStorage) -> Standing:
        """Take another piece and spend of it. For a key one thread at a time is here."""
        with self._lock:
            if (standing := self._spend(window, cost)) is not None:  # another thread has brought it
                return standing
            missing = cost - window.left
            wanted = max(missing, min(window.piece, self._largest_piece, window.beyond // _PART_OF_REST))
            untold, window.untold = window.untold, 0
        try:
            if missing > window.piece:
                # What is refused anyway takes nothing away from others.
                self._learn(window, count.get(window.name) + untold)
                if window.left + window.beyond < cost:
                    wanted = 0
            # Kept for longer than its window: the clocks of other instances may be behind.
            total = count.incr(window.name, 2 * self.seconds, untold + wanted) if untold + wanted else None
        except BaseException:
            with self._lock:
                window.untold += untold
            raise
        if total is not None:
            with self._lock:
                window.left += min(wanted, max(0, self.amount - (total - wanted)))
                window.piece *= 2
            self._learn(window, total)
        with self._lock:
            return self._spend(window, cost) or self._standing(window, False)

    def _learn(self, window: _Window, total: int) -> None:
        """All workers together have taken so much. A Redis that forgot it gives no worker more than the limit."""
        with self._lock:
            window.beyond = max(0, min(self.amount - total, self.amount - window.spent - window.left))

    def _spend_share(self, window: _Window, cost: int) -> Standing:
        """The count of all workers does not answer: this worker goes by its share."""
        with self._lock:
            if (standing := self._spend(window, cost)) is not None:
                return standing
            allowed = window.spent + cost <= self._share
            if allowed:
                window.spent += cost
                window.untold += cost
            left = max(0, self._share - window.spent)
            return Standing(allowed, left, self._resets_in(window))

    def _standing(self, window: _Window, allowed: bool) -> Standing:
        return Standing(allowed, window.left + window.beyond, self._resets_in(window))

    def _resets_in(self, window: _Window) -> int:
        return max(1, -int((self._clock.monotonic() - window.until) // 1))
