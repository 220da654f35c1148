"""Where Redis is: the one place that every client of the dead letter queue has its connections from.

One address may come to mean another server (a failover behind a name or a virtual address), and with sentinels the
address itself changes. Whoever notices says so here, and the connections of all clients are dropped together: a
connection that lives is no proof that the right server is at its other end.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from datastorage_common.files import ReadError, read_secret
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from app.config.settings import RedisSettings

log = logging.getLogger(__name__)

# Redis' words for: I answer, but I am not, or not now, the one to write to.
REFUSALS = ("READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "MISCONF", "OOM", "NOPERM")
# Its words for: I am one of a cluster.
CLUSTER = ("CROSSSLOT", "MOVED", "ASK", "CLUSTERDOWN")
# Connections are dropped at once when a server refuses, then no more often than after these waits.
_BACKOFF_SECONDS = (0.0, 0.25, 0.5, 1.0)

_deadline: ContextVar[float | None] = ContextVar("redis_deadline", default=None)
_reported: ContextVar[bool] = ContextVar("redis_refusals_reported", default=True)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """All that the block waits for Redis, connecting and the handshake too, ends ``seconds`` from now."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def time_left() -> float | None:
    """Seconds to the end of the surrounding `within`; None outside of one."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - time.monotonic()


@contextlib.contextmanager
def dispensable() -> Iterator[None]:
    """What the block asks for may be refused for want of a right, and that says nothing of the server."""
    token = _reported.set(False)
    try:
        yield
    finally:
        _reported.reset(token)


def code_of(error: Exception) -> str:
    """The word that an error of Redis starts with, such as READONLY; empty if Redis did not answer."""
    if "ACL failure in script" in str(error):
        return "NOPERM"
    code = getattr(error, "status_code", None)
    if code is None and isinstance(error, ResponseError):
        code = str(error).partition(" ")[0]
    return code or ""


class PasswordFile(CredentialProvider):
    """Reads the password for each new connection, so that a rotated one needs no restart."""

    def __init__(self, path: str, user: str) -> None:
        self._path = path
        self._user = user

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """User, if there is one, and password. Raises redis.AuthenticationError while the file cannot be read."""
        try:
            password = read_secret(self._path)
        except ReadError:
            raise AuthenticationError("the file with the password of Redis cannot be read") from None
        return (self._user, password) if self._user else (password,)


class _Bounded:
    """A connection that keeps to the surrounding `within` and tells its endpoint when the server refuses.

    Stands before one of redis-py's connection classes. ``endpoint`` is None for a connection to a sentinel.
    """

    host: Any
    port: Any
    _socket_connect_timeout: Any
    _socket_timeout: Any

    def __init__(self, *, endpoint: Endpoint | None = None, **options: Any) -> None:
        self._endpoint = endpoint
        self._connect_limit = options.get("socket_connect_timeout")
        super().__init__(**options)

    def _connect(self) -> Any:
        if self._endpoint is not None and self._endpoint.by_sentinels:
            if self._endpoint.address is None:
                raise RedisConnectionError("no sentinel has named the primary")
            self.host, self.port = self._endpoint.address
        left = time_left()
        if left is not None:
            if left <= 0:
                raise TimeoutError("no time left to connect")
            self._socket_connect_timeout = min(left, self._connect_limit or left)
        return super()._connect()  # type: ignore[misc]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        left = time_left()
        if left is not None:
            limit = self._socket_timeout
            options["timeout"] = max(0.001, min(left, limit or left))
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except RedisError as e:
            if self._endpoint is not None and _reported.get() and code_of(e) in REFUSALS:
                self._endpoint.doubt()
            raise


class _TCP(_Bounded, Connection):
    pass


class _TLS(_Bounded, SSLConnection):
    pass


class _Unix(_Bounded, UnixDomainSocketConnection):
    pass


_CLASSES = {"redis": _TCP, "rediss": _TLS, "unix": _Unix}


class Endpoint:
    """The Redis of one worker. Safe to share between threads; making it connects to nothing."""

    def __init__(self, settings: RedisSettings, *, sentinel_timeout: float = 0.9) -> None:
        self._settings = settings
        self.by_sentinels = bool(settings.sentinels)
        self.address: tuple[str, int] | None = None  # what the sentinels said last
        self.wanted = threading.Event()  # set when somebody wants to know at once how Redis is
        self._lock = threading.Lock()
        self._pools: list[redis.ConnectionPool] = []
        self._refusals = 0
        self._dropped_at = float("-inf")
        self._silent = False
        # They are asked one after the other, and share the time.
        share = sentinel_timeout / (2 * max(1, len(settings.sentinels)))
        self._sentinels = [self._sentinel(address, share) for address in settings.sentinels]

    def client(self, *, connect_timeout: float, timeout: float) -> redis.Redis:
        """A client that waits no longer than it is told and never repeats a command by itself.

        redis-py's own retries would wait for a minute, and a repeated XADD makes a second entry.
        """
        url = self._settings.address
        options: dict[str, Any] = {"endpoint": self}
        if self._settings.password_file is not None:
            parts = urlsplit(url)
            # redis-py refuses to be told twice who it is.
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            user = unquote(parts.username or "")
            options["credential_provider"] = PasswordFile(self._settings.password_file, user)
        client = redis.Redis.from_url(url, **self._options(connect_timeout, timeout), **options)
        self._pools.append(client.connection_pool)
        return client

    def _options(self, connect_timeout: float, timeout: float) -> dict[str, Any]:
        """What connections to Redis and to its sentinels have in common."""
        r = self._settings
        scheme = r.address.partition(":")[0]
        files: dict[str, str | None] = {}
        if scheme == "rediss":
            files = {"ssl_ca_certs": r.ca_file, "ssl_certfile": r.cert_file, "ssl_keyfile": r.key_file}
        return {
            "connection_class": _CLASSES[scheme],
            "socket_connect_timeout": connect_timeout,
            "socket_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_timeout": False,
            "health_check_interval": 0,
            "client_name": "datastorage",
            **{name: file for name, file in files.items() if file is not None},
        }

    def _sentinel(self, address: str, timeout: float) -> redis.Redis:
        options = self._options(timeout, timeout)
        if self._settings.sentinel_password_file is not None:
            options["credential_provider"] = PasswordFile(self._settings.sentinel_password_file, "")
        scheme = self._settings.address.partition(":")[0]
        return redis.Redis.from_url(f"{scheme}://{address}", **options)

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
