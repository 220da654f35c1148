"""Connections to Redis: each wait bounded, no command repeated, and what an error of Redis says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Protocol

from datastorage_common.files import ReadError, read_secret
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from app.config.stores import RedisSettings

# Redis' words for: I answer, but I am not, or not now, the one to write to.
REFUSALS = ("READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "MISCONF", "OOM", "NOPERM")
# Its words for: I am one of a cluster.
CLUSTER = ("CROSSSLOT", "MOVED", "ASK", "CLUSTERDOWN")
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


class Primary(Protocol):
    """The server that a connection leads to, as the connection needs it."""

    by_sentinels: bool
    address: tuple[str, int] | None  # where the sentinels say it is; None while none has said so

    def doubt(self) -> None:
        """Take note that the server refuses."""


class _Bounded:
    """A connection that keeps to the surrounding `within` and tells its primary when the server refuses.

    Stands before one of redis-py's connection classes. ``primary`` is None for a connection to a sentinel.
    """

    host: Any
    port: Any
    _socket_connect_timeout: Any
    _socket_timeout: Any

    def __init__(self, *, primary: Primary | None = None, **options: Any) -> None:
        self._primary = primary
        self._connect_limit = options.get("socket_connect_timeout")
        super().__init__(**options)

    def _connect(self) -> Any:
        if self._primary is not None and self._primary.by_sentinels:
            if self._primary.address is None:
                raise RedisConnectionError("no sentinel has named the primary")
            self.host, self.port = self._primary.address
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
            if self._primary is not None and _reported.get() and code_of(e) in REFUSALS:
                self._primary.doubt()
            raise


class _TCP(_Bounded, Connection):
    pass


class _TLS(_Bounded, SSLConnection):
    pass


class _Unix(_Bounded, UnixDomainSocketConnection):
    pass


_CLASSES = {"redis": _TCP, "rediss": _TLS, "unix": _Unix}


def connection_options(settings: RedisSettings, connect_timeout: float, timeout: float) -> dict[str, Any]:
    """What connections to Redis and to its sentinels have in common: bounded waits, and no command sent twice.

    redis-py's own retries would wait for a minute, and a repeated XADD makes a second entry.
    """
    scheme = settings.address.partition(":")[0]
    files: dict[str, str | None] = {}
    if scheme == "rediss":
        files = {"ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
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
