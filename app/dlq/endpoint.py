"""Where Redis is: the one place that every client of the dead letter queue has its connections from.

One address may come to mean another server (a failover behind a name or a virtual address), and with sentinels the
address itself changes. A client that notices says so here, and the connections of all clients are dropped together: a
connection that lives is no proof that the right server is at its other end.
"""

from __future__ import annotations

import threading
import time
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.exceptions import RedisError

from app.config.stores import RedisSettings
from app.dlq.client import PasswordFile, connection_options
from app.telemetry.logs import service_log

log = service_log(__name__)

# Connections are dropped at once when a server refuses, then no more often than after these waits.
_BACKOFF_SECONDS = (0.0, 0.25, 0.5, 1.0)


class Endpoint:
    """The Redis of one worker. Safe to share between threads; making it connects to nothing."""

    def __init__(self, settings: RedisSettings, *, sentinel_timeout: float = 0.9) -> None:
        self._settings = settings
        self.by_sentinels = bool(settings.sentinels)
        self.address: tuple[str, int] | None = None  # what the sentinels said last
        self.wanted = threading.Event()  # set when the watch is to look at once
        self._lock = threading.Lock()
        self._pools: list[redis.ConnectionPool] = []
        self._refusals = 0
        self._dropped_at = float("-inf")
        self._silent = False
        # They are asked one after the other, and share the time.
        share = sentinel_timeout / (2 * max(1, len(settings.sentinels)))
        self._sentinels = [self._sentinel(address, share) for address in settings.sentinels]

    def client(self, *, connect_timeout: float, timeout: float) -> redis.Redis:
        """A client that waits no longer than it is told and never repeats a command by itself."""
        url = self._settings.address
        more: dict[str, Any] = {"primary": self}
        if self._settings.password_file is not None:
            parts = urlsplit(url)
            # redis-py refuses to be told twice who it is.
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            user = unquote(parts.username or "")
            more["credential_provider"] = PasswordFile(self._settings.password_file, user)
        client = redis.Redis.from_url(url, **connection_options(self._settings, connect_timeout, timeout), **more)
        self._pools.append(client.connection_pool)
        return client

    def _sentinel(self, address: str, timeout: float) -> redis.Redis:
        bounds = connection_options(self._settings, timeout, timeout)
        if self._settings.sentinel_password_file is not None:
            bounds["credential_provider"] = PasswordFile(self._settings.sentinel_password_file, "")
        scheme = self._settings.address.partition(":")[0]
        return redis.Redis.from_url(f"{scheme}://{address}", **bounds)

    def locate(self) -> None:
        """Ask the sentinels who the primary is; another one than before means other connections for everybody.

        The greatest configuration epoch wins: a sentinel that was cut off names the primary of its own time. While
        none answers, the last known stays.
        """
        if not self.by_sentinels:
            return
        found = [state for sentinel in self._sentinels if (state := self._ask(sentinel)) is not None]
        if not found:
            if not self._silent:
                log.warning("no sentinel names the primary of %s", self._settings.sentinel_service)
            self._silent = True
            return
        self._silent = False
        state = max(found, key=lambda state: int(state["config-epoch"]))
        address = (str(state["ip"]), int(state["port"]))
        if address != self.address:
            log.info("the sentinels name %s:%d as the primary of %s", *address, self._settings.sentinel_service)
            self.address = address
            self.drop()

    def _ask(self, sentinel: redis.Redis) -> dict[str, Any] | None:
        try:
            state = cast("dict[str, Any]", sentinel.sentinel_master(self._settings.sentinel_service))
        except (RedisError, OSError) as e:
            log.debug("a sentinel does not answer (%s)", type(e).__name__)
            return None
        return state

    def drop(self) -> None:
        """Drop the connections of all clients: idle ones now, busy ones when they are given back."""
        for pool in list(self._pools):
            pool.disconnect(inuse_connections=False)
            pool.update_active_connections_for_reconnect()

    def doubt(self) -> None:
        """The server refuses or is gone: drop all connections and have the watch look, at once, then with back-off."""
        now = time.monotonic()
        with self._lock:
            wait = _BACKOFF_SECONDS[min(self._refusals, len(_BACKOFF_SECONDS) - 1)]
            if now - self._dropped_at < wait:
                return
            self._dropped_at = now
            self._refusals += 1
        self.drop()
        self.wanted.set()

    def trust(self) -> None:
        """The server takes writes: the next doubt acts at once again."""
        with self._lock:
            self._refusals = 0

    def close(self) -> None:
        """Close what is connected to sentinels; each client is closed by who asked for it."""
        for sentinel in self._sentinels:
            sentinel.close()
