"""What each request of the client goes through: the token, the attempts, the exceptions.

It is httpx's transport, so everything that is sent with the client has it, the generated calls too.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from datastorage_client.asking import Repeat, is_streamed, limit_time, most_bytes, repeat_of, stop_of
from datastorage_client.connections import (
    ACCEPTED_ENCODINGS,
    MAX_CONNECTIONS,
    Connections,
    TooLargeError,
    aread,
    aunpacked,
    read,
    unpacked,
    verification,
    within,
)
from datastorage_client.ignored import warn_of_ignored
from datastorage_client.problems import ConnectionFailedError, DataStorageError, ProblemError, RateLimitError, problem
from datastorage_client.retry import Backoff

Token = str | Callable[[], str]
AsyncToken = str | Callable[[], str] | Callable[[], Awaitable[str]]

DEFAULT_TIMEOUT_S = 30.0  # more than the service's own 10 s, so that its answer wins
DEFAULT_RETRY_FOR_S = 30.0
# Nothing can have been sent when these are raised.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
# The service's own "not now", and what a proxy says while the service is away.
_BUSY = frozenset({429, 502, 503, 504})
_JSON = "application/json"
HEADERS = {"Accept": _JSON, "Accept-Encoding": ACCEPTED_ENCODINGS}


# What went wrong may be told in more bytes than were asked for.
_PROBLEM_BYTES = 64 * 1024
# Of the busy answers those that follow nothing kept, unless the service says that it does not know.
_NOTHING_KEPT = frozenset({429, 503})
OnWait = Callable[[float, DataStorageError], None]


class UnexpectedAnswerError(ConnectionFailedError):
    """Something answered that is not the Data Storage Service."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=True)


class AnswerTooLargeError(UnexpectedAnswerError):
    """The answer is larger than the client takes."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one attempt: ``timeout`` seconds for connecting, sending and the whole answer; of a request: see `Attempts`.

    Raises ValueError for a timeout that is no number of seconds above 0.
    """

    timeout: float
    retry_for: float
    max_answer_bytes: int
    # Whether a service that has never answered is waited for, and one in whose place something else answers. Where
    # a person waits, the address is more likely wrong.
    patient: bool = True

    def __post_init__(self) -> None:
        if not (isinstance(self.timeout, int | float) and 0 < self.timeout < math.inf):
            raise ValueError("timeout is a number of seconds above 0")


class Attempts:
    """Judges the attempts of one request.

    A request may say itself when it is repeated (`Repeat`). Otherwise GET, HEAD and searches are repeated after any
    failure to answer, 429, 502, 503 and 504; so are events that carry their own event_id, and notifications, since the
    service stores those once. Everything else is repeated only when it cannot have been sent. No attempt starts later
    than ``retry_for`` seconds after the first; for commands, what a 429 asks to wait comes on top.
    """

    def __init__(self, request: httpx.Request, limits: Limits, backoff: Backoff) -> None:
        self._request = request
        self._patient = limits.patient
        self._deadline = time.monotonic() + limits.retry_for
        self._backoff = backoff
        self._number = 0

    def wait_after(self, error: DataStorageError, *, answered: bool) -> float:
        """Seconds to wait before the next attempt. Raises the error if there shall be none.

        ``answered``: whether the service has ever answered this client.
        """
        self._number += 1
        after = error.retry_after if isinstance(error, ProblemError) else None
        wait = self._backoff.wait(self._number, after)
        if not self._patient and isinstance(error, RateLimitError):
            # The caller's own limit, and its end is known: a person's command goes on then, as long as that takes.
            self._deadline += after or 0.0
        if not self._again(error, answered) or time.monotonic() + wait > self._deadline:
            raise error
        return wait

    def _again(self, error: DataStorageError, answered: bool) -> bool:
        repeat = repeat_of(self._request)
        if repeat is Repeat.NEVER:
            return False
        if isinstance(error, ConnectionFailedError):
            if not self._patient and (not answered or isinstance(error, UnexpectedAnswerError)):
                return False
            if not error.sent:
                return True
        if not may_pass(error):
            return False
        if isinstance(error, ProblemError) and repeat is Repeat.IF_NOT_KEPT:
            return error.status in _NOTHING_KEPT and not error.outcome_unknown
        return repeat is Repeat.ALWAYS or (repeat is None and repeatable(self._request))


def may_pass(error: DataStorageError) -> bool:
    """Whether the same request can be answered otherwise a moment later."""
    return not isinstance(error, ProblemError) or error.status in _BUSY


def repeatable(request: httpx.Request) -> bool:
    """Whether carrying the request out twice is the same as once."""
    path = request.url.path
    if request.method in ("GET", "HEAD"):
        return True
    if request.method != "POST":
        return False
    if path.endswith(("/audit/notifications", "/workflows/search")):
        return True
    if not path.endswith(("/audit/events", "/audit/events/batch")):
        return False
    try:
        body = json.loads(request.content)
    except ValueError:
        return False
    events = body if isinstance(body, list) else [body]
    return all(isinstance(e, dict) and e.get("event_id") is not None for e in events)


def _room(request: httpx.Request, response: httpx.Response, limits: Limits) -> int:
    """How many bytes of an answer are taken, unpacked."""
    asked = most_bytes(request, limits.max_answer_bytes)
    if response.status_code >= 300:
        asked = max(asked, _PROBLEM_BYTES)
    return min(asked, limits.max_answer_bytes)


def _judge(request: httpx.Request, response: httpx.Response) -> DataStorageError | None:
    """What is wrong with an answer whose body was read."""
    if "/api/v1/" not in request.url.path:
        # Health, metrics and pages have forms of their own, and a 503 of theirs is an answer.
        return None
    if response.status_code >= 300:
        return problem(response.status_code, response.headers, response.content)
    asked, given = request.headers.get("Accept", _JSON), response.headers.get("Content-Type", _JSON)
    if asked != _JSON:
        if not given.startswith(asked):
            reason = f"the answer ({response.status_code}) of {request.url.path} is not {asked}"
            return UnexpectedAnswerError(f"{address(request.url)}: {reason}")
        return None
    # Proxies may name JSON otherwise; a page of a portal does not begin so.
    named = given.startswith(_JSON)
    if not named and response.content.lstrip()[:1] not in (b"{", b"["):
        reason = f"the answer ({response.status_code}) of {request.url.path} is not JSON"
        return UnexpectedAnswerError(f"{address(request.url)}: {reason}")
    return None


def address(url: httpx.URL) -> str:
    """Host and port, and nothing else of the URL: messages end up in logs, and a password may be in it."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"


def _bearer(token: str) -> str:
    """The header of a token, without the newline that a file ends with. Raises ValueError, without the token."""
    token = token.strip()
    # Else the error would come from below as if there were no answer, with the token in its text.
    if not (token and token.isascii() and token.isprintable()):
        raise ValueError("the token is empty or has characters that no header may have")
    return f"Bearer {token}"


def no_answer(request: httpx.Request, error: httpx.RequestError, timeout: float) -> ConnectionFailedError:
    """An error of httpx as one of the client: whether the request can have arrived, and why there is no answer."""
    sent = not isinstance(error, _NOT_SENT)
    reason = str(error) or type(error).__name__
    if isinstance(error, TooLargeError):
        return AnswerTooLargeError(f"{address(request.url)}: {reason}")
    if isinstance(error, httpx.TimeoutException):
        reason = f"no {'whole answer' if sent else 'connection'} within {timeout:g} s"
    return ConnectionFailedError(f"{address(request.url)}: {reason}", sent=sent)


class SyncTransport(httpx.BaseTransport):
    """See the module. Lives through a fork: the child makes connections of its own."""

    def __init__(
        self,
        make: Callable[[], httpx.BaseTransport],
        token: Token | None,
        limits: Limits,
        backoff: Backoff,
        on_wait: OnWait | None = None,
    ) -> None:
        """``on_wait`` is called with the seconds and the reason before each wait."""
        self._make = make
        self._token = token
        self._limits = limits
        self._backoff = backoff
        self._on_wait = on_wait
        self._answered = False
        self._inner = make()
        self._pid = os.getpid()
        self._parents: list[httpx.BaseTransport] = []  # kept, or closing them would end the parent's TLS sessions

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        attempts = Attempts(request, self._limits, self._backoff)
        renewed = False
        while True:
            token = self._token() if callable(self._token) else self._token
            if token is not None:
                request.headers["Authorization"] = _bearer(token)
            try:
                return self._attempt(request)
            except DataStorageError as e:
                if isinstance(e, ProblemError) and e.status == 401 and not renewed and callable(self._token):
                    renewed = True
                    if self._token() != token:
                        continue
                wait = attempts.wait_after(e, answered=self._answered)
                if self._on_wait is not None:
                    self._on_wait(wait, e)
            time.sleep(wait)

    def _attempt(self, request: httpx.Request) -> httpx.Response:
        if self._pid != os.getpid():
            self._parents.append(self._inner)
            self._inner, self._pid = self._make(), os.getpid()
        limits = self._limits
        seconds = limit_time(request, limits.timeout)
        try:
            with within(seconds, stop_of(request)):
                response = self._inner.handle_request(request)
                if streams := is_streamed(request) and response.status_code < 300:
                    response = unpacked(response, request)
                else:
                    response = read(response, request, _room(request, response, limits))
        except (httpx.TransportError, httpx.DecodingError) as e:
            raise no_answer(request, e, seconds) from e
        self._answered = True
        if (error := _judge(request, response)) is not None:
            if streams:
                response.close()
            raise error
        warn_of_ignored(request, response)
        return response

    def close(self) -> None:
        if self._pid == os.getpid():
            self._inner.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """As `SyncTransport`, for asyncio. The token's callable may be a coroutine function."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, token: AsyncToken | None, limits: Limits, backoff: Backoff
    ) -> None:
        self._inner = inner
        self._token = token
        self._limits = limits
        self._backoff = backoff
        self._answered = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        attempts = Attempts(request, self._limits, self._backoff)
        renewed = False
        while True:
            token = await self._get_token()
            if token is not None:
                request.headers["Authorization"] = _bearer(token)
            try:
                return await self._attempt(request)
            except DataStorageError as e:
                if isinstance(e, ProblemError) and e.status == 401 and not renewed and callable(self._token):
                    renewed = True
                    if await self._get_token() != token:
                        continue
                wait = attempts.wait_after(e, answered=self._answered)
            await asyncio.sleep(wait)

    async def _get_token(self) -> str | None:
        token = self._token() if callable(self._token) else self._token
        return await token if inspect.isawaitable(token) else token

    async def _attempt(self, request: httpx.Request) -> httpx.Response:
        limits = self._limits
        seconds = limit_time(request, limits.timeout)
        try:
            async with asyncio.timeout(seconds):
                response = await self._inner.handle_async_request(request)
                if streams := is_streamed(request) and response.status_code < 300:
                    response = await aunpacked(response, request)
                else:
                    response = await aread(response, request, _room(request, response, limits))
        except TimeoutError as e:
            raise no_answer(request, httpx.ReadTimeout(""), seconds) from e
        except (httpx.TransportError, httpx.DecodingError) as e:
            raise no_answer(request, e, seconds) from e
        self._answered = True
        if (error := _judge(request, response)) is not None:
            if streams:
                await response.aclose()
            raise error
        warn_of_ignored(request, response)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def make_http(base_url: str, token: Token | None, limits: Limits, verify: bool | str) -> httpx.Client:
    """An httpx client of one service. Raises ValueError for what is no URL of a service."""
    context = verification(base_url, verify)
    transport = SyncTransport(lambda: Connections(context), token, limits, Backoff())
    return httpx.Client(base_url=base_url, timeout=limits.timeout, transport=transport, headers=HEADERS)


def make_async_http(base_url: str, token: AsyncToken | None, limits: Limits, verify: bool | str) -> httpx.AsyncClient:
    """As `make_http`, for asyncio."""
    context = verification(base_url, verify)
    inner = httpx.AsyncHTTPTransport(verify=context or False, limits=httpx.Limits(max_connections=MAX_CONNECTIONS))
    transport = AsyncTransport(inner, token, limits, Backoff())
    return httpx.AsyncClient(base_url=base_url, timeout=limits.timeout, transport=transport, headers=HEADERS)
