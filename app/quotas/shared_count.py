"""The count that all workers and instances share, in the Redis of the dead letter queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from limits.storage import RedisStorage
from redis.exceptions import RedisError

from app.dlq.client import dispensable, within
from app.dlq.endpoint import Endpoint
from app.telemetry.logs import service_log

log = service_log(__name__)

PREFIX = "audit:limits"
# To connect, to ask and to hear the answer, all together.
ASK_SECONDS = 0.1
# A Redis that did not answer is not asked for so long.
AGAIN_SECONDS = 5.0
# So many threads ask at a time, for different keys: where Redis has each write on disk before it answers, it takes
# what comes together to the disk together.
_TURNS = 8

T = TypeVar("T")


class SharedCount:
    """Asks Redis, for a key one thread at a time; making it connects to nothing. Its troubles are none of a request."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = endpoint.client(connect_timeout=ASK_SECONDS, timeout=ASK_SECONDS)
        self._storage = RedisStorage("redis://", connection_pool=self._client.connection_pool, key_prefix=PREFIX)
        self._turns = [threading.Lock() for _ in range(_TURNS)]
        self._trial = threading.Lock()
        self._away = False
        self._again_at = 0.0

    def ask(self, key: str, step: Callable[[RedisStorage], T]) -> T | None:
        """Do a step with the count of a key; None while Redis does not answer, without waiting once that is known."""
        trial = self._away
        if trial:
            if time.monotonic() < self._again_at or not self._trial.acquire(blocking=False):
                return None
            turn = self._trial  # one thread finds out whether it is back, and no other waits for that
        else:
            turn = self._turns[hash(key) % _TURNS]
            if not turn.acquire(timeout=ASK_SECONDS):
                return None
        try:
            if self._away and (not trial or time.monotonic() < self._again_at):  # found out while this thread waited
                return None
            # Without the rights it needs, this counts for nothing; the dead letter queue may have all of its own.
            with within(ASK_SECONDS), dispensable():
                found = step(self._storage)
        except (RedisError, OSError) as e:
            self._missed(e)
            return None
        else:
            if trial:
                self._away = False
                log.info("limits are counted in Redis again, for all workers together")
            return found
        finally:
            turn.release()

    def _missed(self, error: Exception) -> None:
        self._again_at = time.monotonic() + AGAIN_SECONDS
        known, self._away = self._away, True
        if not known:
            log.warning(
                "limits are counted by each worker for its share, as long as Redis does not count them (%s)",
                type(error).__name__,
            )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
