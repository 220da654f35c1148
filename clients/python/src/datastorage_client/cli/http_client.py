"""The HTTP client of every command that talks to the service: the library's transport, for people who wait.

It keeps numbers exact both ways, and turns what goes wrong into the exceptions of `datastorage_client.cli.errors`.
"""

from __future__ import annotations

import random as _random
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import click
import httpx
from datastorage_common import jsonvalue
from datastorage_common.checkpoints import MAX_PROOF_BYTES

from datastorage_client import problems
from datastorage_client.asking import Repeat, at_most, streamed
from datastorage_client.cli.errors import ProblemError, ServiceError, UnreachableError
from datastorage_client.cli.pace import Pace, TooSlowError
from datastorage_client.connections import Connections, TooLargeError, beginning, within
from datastorage_client.export import MEDIA_TYPES, Export
from datastorage_client.feed import Course, FeedFollower, FeedQuery
from datastorage_client.retry import Backoff
from datastorage_client.transport import (
    HEADERS,
    AnswerTooLargeError,
    Limits,
    SyncTransport,
    UnexpectedAnswerError,
    no_answer,
)

CONNECT_TIMEOUT_S = 5.0
# Of an attempt, from connecting to the last byte of the answer. More than the service's own commit_timeout (10 s), so
# that its answer wins over ours.
READ_TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 256 * 1024 * 1024
# No attempt starts later than this after the first: rides out a restart, not an outage.
RETRY_LIMIT_S = 60.0
_LONGEST_WAIT_S = 10.0
_SHOWN_TEXT = 500
# Parameters of an export that leave no records out, in which rows come one behind the other.
_DENSE = {"format", "salts", "after", "before"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its status and its JSON value as `datastorage_common.jsonvalue.parse` gives it."""

    status: int
    body: Any

    def object(self) -> dict[str, Any]:
        """The body if it is a JSON object. Raises ServiceError."""
        if not isinstance(self.body, dict):
            raise ServiceError("the answer is not a JSON object; is this the Data Storage Service?")
        return self.body


class HTTPClient:
    """Speaks to one service. Not shared between threads.

    Busy answers (429, 502, 503, 504) and broken connections are tried again with exponential back-off and jitter,
    no sooner than Retry-After says, until ``retry_limit_s`` is over. A service that has never answered is not
    waited for: its address is more likely wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        retry_limit_s: float = RETRY_LIMIT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        on_wait: Callable[[float, ServiceError], None] | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.url = url.rstrip("/")
        # Called with the seconds and the reason before each wait. Without it a line tells of waits for a limit's end.
        self.on_wait = on_wait
        # The operating system's certificates, so that an authority of one's own is known.
        self._verify = verify = ssl.create_default_context() if url.startswith("https:") else None
        limits = Limits(
            timeout=read_timeout_s, retry_for=retry_limit_s, max_answer_bytes=MAX_ANSWER_BYTES, patient=False
        )
        backoff = Backoff(longest=_LONGEST_WAIT_S, random=random)
        self._pace = Pace()
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(read_timeout_s, connect=connect_timeout_s),
            transport=SyncTransport(lambda: Connections(verify), token, limits, backoff, self._waits),
            headers=HEADERS,
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Read. Raises ProblemError, UnreachableError or ServiceError."""
        return _success(self._ask("GET", path + ("?" + urlencode(query) if query else ""), None, Repeat.ALWAYS))

    def fetch(self, path: str, accept: str, max_bytes: int | None = MAX_PROOF_BYTES, /) -> bytes:
        """An answer of this media type and size (None: up to MAX_ANSWER_BYTES); any number of threads may ask so.

        Raises the exceptions of the library; `told` has them in words.
        """
        self._pace.check()
        extensions = Repeat.ALWAYS.extension | at_most(max_bytes)
        answer = self._http.request("GET", path, headers={"Accept": accept}, extensions=extensions).content
        self._pace.came()
        return answer

    def follow(self, query: FeedQuery, after: str | None, retry_for: float, stop: threading.Event) -> FeedFollower:
        """The pages of the feed behind a cursor. Raises the exceptions of the library; `told` has them in words.

        ``retry_for``: seconds for which an outage is waited out.
        """
        return FeedFollower(self._http, Course(query, after, retry_for), stop)

    def export(self, query: Mapping[str, str]) -> Export:
        """The answer of an export, read as it comes; entering it raises as `get` does.

        Reading it raises BrokenOffError or UnexpectedAnswerError, as `Export` says.
        """
        headers = {"Accept": MEDIA_TYPES[query["format"]]}
        if query.keys() <= _DENSE:
            # Packing costs the service a fifth of its pace. It is for what may find nothing for long: in a gzip the
            # service sends something meanwhile.
            headers["Accept-Encoding"] = "identity"
        url = "/api/v1/audit/export?" + urlencode(query)
        extensions = Repeat.ALWAYS.extension | streamed()
        return _Export(self, self._http, {"method": "GET", "url": url, "headers": headers, "extensions": extensions})

    def post(self, path: str, body: bytes, *, repeatable: bool) -> Answer:
        """Send JSON. Raises ProblemError, UnreachableError or ServiceError.

        ``repeatable``: carrying the request out twice is the same as once (its events have ids of their own), so
        it may be sent again also when it is not known whether it arrived.
        """
        return _success(self._ask("POST", path, body, Repeat.ALWAYS if repeatable else Repeat.IF_NOT_KEPT))

    def delete(self, path: str) -> Answer:
        """Delete. Raises ProblemError, UnreachableError or ServiceError; not tried again once it may have arrived."""
        return _success(self._ask("DELETE", path, None, Repeat.IF_NOT_KEPT))

    def probe(self, path: str, max_bytes: int) -> tuple[int, str]:
        """Status and beginning of the text of a health check, of which no more is read. Raises UnreachableError."""
        timeout = self._timeouts[1]
        request = self._http.build_request("GET", path, headers={"Accept-Encoding": "identity"})
        connections = Connections(self._verify)
        try:
            with within(timeout):
                answer = connections.handle_request(request)
                return answer.status_code, beginning(answer, max_bytes).decode("utf-8", "replace")
        except httpx.TransportError as e:
            failed = no_answer(request, e, timeout)
            failed.__cause__ = e
            raise self.told(failed) from e
        finally:
            connections.close()

    def _ask(self, method: str, target: str, body: bytes | None, repeat: Repeat) -> httpx.Response:
        headers = {"Content-Type": "application/json"} if body is not None else None
        try:
            return self._http.request(method, target, content=body, headers=headers, extensions=repeat.extension)
        except problems.DataStorageError as e:
            raise self.told(e) from e
        except httpx.InvalidURL as e:
            raise ServiceError(f"the query makes no address that could be asked for ({e}); ask for less") from e

    def _waits(self, seconds: float, error: problems.DataStorageError) -> None:
        told = self.told(error)
        if self.on_wait is not None:
            self.on_wait(seconds, told)
        elif isinstance(error, problems.RateLimitError):
            # It may take minutes, and a command that says nothing looks as if it hung.
            click.echo(f"datastorage: the limit is used up; waiting {max(1, round(seconds))} s", err=True)

    def told(self, error: problems.DataStorageError) -> ServiceError:
        """An exception of the library in the words of the commands."""
        if isinstance(error, problems.ProblemError):
            return ProblemError(error.status, error.members, url=self.url)
        if isinstance(error, AnswerTooLargeError):
            cause = error.__cause__
            if isinstance(cause, TooLargeError) and cause.max_bytes < MAX_ANSWER_BYTES:
                return ServiceError(f"the answer is larger than the {cause.max_bytes:,} bytes that it can have")
            return ServiceError(f"the answer is larger than {MAX_ANSWER_BYTES:,} bytes; ask for less at a time")
        if isinstance(error, TooSlowError):
            return ServiceError(str(error))
        if isinstance(error, UnexpectedAnswerError):
            return ServiceError("the answer is not JSON; is there another service at this address?")
        sent = not isinstance(error, problems.ConnectionFailedError) or error.sent
        return UnreachableError(self.url, self._reason(error, sent), connected=sent)

    def _reason(self, error: problems.DataStorageError, sent: bool) -> str:
        """Why there was no answer, in words."""
        connect_s, read_s = self._timeouts
        if isinstance(error.__cause__, httpx.TimeoutException):
            return f"no whole answer within {read_s:g} s" if sent else f"no connection within {connect_s:g} s"
        cause = error.__cause__
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__  # httpcore's pool drops the one and keeps the other
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause}"[:_SHOWN_TEXT]
        if sent:
            return "the connection broke off"
        return (cause.strerror if cause is not None and cause.strerror else "cannot connect").lower()


class _Export(Export):
    """With what goes wrong before the first byte in the words of the commands."""

    def __init__(self, client: HTTPClient, http: httpx.Client, request: dict[str, Any]) -> None:
        super().__init__(http, request)
        self._client = client

    def __enter__(self) -> Self:
        try:
            return super().__enter__()
        except UnexpectedAnswerError as e:
            raise ServiceError(f"{e}; is there another service at this address, or an older one?") from e
        except problems.DataStorageError as e:
            raise self._client.told(e) from e
        except httpx.InvalidURL as e:
            raise ServiceError(f"the query makes no address that could be asked for ({e}); ask for less") from e


def _success(answer: httpx.Response) -> Answer:
    try:
        return Answer(answer.status_code, jsonvalue.parse(answer.content))
    except jsonvalue.JSONError:
        raise ServiceError(
            f"the answer ({answer.status_code}) is not JSON; is there another service at this address?"
        ) from None
