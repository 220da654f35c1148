"""The HTTP client of every command that talks to the service.

It keeps numbers exact both ways, bounds every wait, tries again where that is safe, and turns whatever goes wrong
into one family of exceptions whose text is fit for a terminal.
"""

from __future__ import annotations

import ipaddress
import random as _random
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlencode

import click
import urllib3
from datastorage_common import jsonvalue
from datastorage_common.files import MAX_SECRET_BYTES, ReadError, as_text, read_whole
from datastorage_common.terminal import printable
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from datastorage_client.cli.http_deadline import Deadline, pool_manager

DEFAULT_URL = "http://127.0.0.1:8080"
# A clone has it, an image has not.
_MAKEFILE = Path(__file__).resolve().parents[5] / "Makefile"

CONNECT_TIMEOUT_S = 5.0
# Of an attempt, from connecting to the last byte of the answer. More than the service's own commit_timeout (10 s), so
# that its answer wins over ours.
READ_TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 256 * 1024 * 1024
# No attempt starts later than this after the first: rides out a restart, not an outage.
RETRY_LIMIT_S = 60.0
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 10.0

# Answers that say "not now": the service's own 503 and 429, and what a proxy says while the service is away.
_BUSY = frozenset({429, 502, 503, 504})
# Of these a request that must not be repeated may follow: nothing was kept.
_NOTHING_KEPT = frozenset({429, 503})
# RFC 6750, section 2.1: b64token.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_SHOWN_FIELD_ERRORS = 20
_SHOWN_TEXT = 500


class ServiceError(Exception):
    """The service did not do what was asked; the text says why, in words for whoever ran the command."""


class UnreachableError(ServiceError):
    """There was no answer: no connection, or one that broke off or said nothing in time."""

    def __init__(self, url: str, reason: str, *, connected: bool) -> None:
        # Of use only where the command looks for the service where `make run` has it.
        start = "Start one with `make run`, or say" if url == DEFAULT_URL and _MAKEFILE.exists() else "Say"
        super().__init__(
            f"no service answers at {url} ({reason}). {start} where it is with --url or DATASTORAGE_URL"
            if not connected
            else f"{url} did not answer ({reason}); the request may have been carried out"
        )
        self.connected = connected  # whether the request may have arrived


class ProblemError(ServiceError):
    """An answer other than 2xx. Prints as ``title: detail`` with a line for each field that is wrong."""

    def __init__(self, status: int, body: object, reason: str = "", *, url: str = DEFAULT_URL) -> None:
        members = body if isinstance(body, dict) else {}
        self.status = status
        self.url = url  # where the service was looked for
        self.members: Mapping[str, Any] = members  # extension members: indexes, outcome, event_ids, ...
        self.slug = _string(members.get("type")).rpartition("/")[2]  # empty: this was no problem document
        self.title = _string(members.get("title")) or f"HTTP {status} {reason}".rstrip()
        self.detail = _string(members.get("detail")) or "the answer is not one of the Data Storage Service"
        errors = members.get("field_errors")
        self.field_errors: dict[str, str] = (
            {str(k): _string(v) for k, v in errors.items()} if isinstance(errors, dict) else {}
        )
        super().__init__(self.title, self.detail)

    def __str__(self) -> str:
        # The service's detail may say all of it already.
        told = self.detail in [
            "; ".join(f"{k}{colon} {v}" for k, v in self.field_errors.items()) for colon in (":", "")
        ]
        errors = {} if told and len(self.detail) < _SHOWN_TEXT else self.field_errors
        shown = list(errors.items())[:_SHOWN_FIELD_ERRORS]
        lines = [f"{self.title}: {self.detail}", *(f"  {field}: {message}" for field, message in shown)]
        if len(shown) < len(errors):
            lines.append(f"  … and {len(errors) - len(shown)} more")
        lines += [f"  {hint}" for hint in self._hints()]
        return "\n".join(printable(line[:_SHOWN_TEXT]) for line in lines)

    def _hints(self) -> Iterator[str]:
        """What to do next."""
        if self.status == 401:
            yield "Put a token into DATASTORAGE_TOKEN, or name its file with --token-file."
        if self.status == 404 and (path := urllib3.util.parse_url(self.url).path):
            yield f"Is the path {path} of --url or DATASTORAGE_URL right? An address mostly has none, as {DEFAULT_URL}."
        if self.slug in ("service-unavailable", "dlq-full"):
            yield f"`datastorage health --report --url {self.url}` says what is away."

    @property
    def blames_options(self) -> bool:
        """Whether the request was wrong, and so the options of a command that makes it of nothing else."""
        return self.status == 400 and bool(self.field_errors)

    @property
    def in_doubt(self) -> bool:
        """Whether the service cannot tell if it kept the request."""
        return self.members.get("outcome") == "unknown"


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


class Received(NamedTuple):
    """An answer with its whole body."""

    status: int
    reason: str
    headers: Mapping[str, str]
    data: bytes


@contextmanager
def understood() -> Iterator[None]:
    """Read in here what an answer holds. Raises ServiceError where it has not the form of the service's answers."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as e:
        raise ServiceError("the answer is not one of the Data Storage Service; is the address right?") from e


def read_answer(answer: urllib3.BaseHTTPResponse, max_bytes: int) -> bytes:
    """The body. Raises ServiceError for one that is larger, HTTPError for one that breaks off or takes too long."""
    try:
        content = answer.read(max_bytes + 1)
    except ValueError as e:  # a chunk of less than nothing, which http.client asks its socket for
        raise ProtocolError(str(e)) from e
    if len(content) > max_bytes:
        answer.close()
        raise ServiceError(f"the answer is larger than {max_bytes:,} bytes; ask for less at a time")
    answer.release_conn()
    return content


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
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.url = url.rstrip("/")
        self.on_wait = on_wait  # called with the seconds and the reason before each wait
        self._retry_limit_s = retry_limit_s
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._deadline = Deadline()
        self._pool = pool_manager(self._deadline, connect_timeout_s)
        self._answered = False
        self._sleep, self._monotonic, self._random = sleep, monotonic, random

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Read. Raises ProblemError, UnreachableError or ServiceError."""
        return self._persist("GET", path + ("?" + urlencode(query) if query else ""), None, repeatable=True)

    def post(self, path: str, body: bytes, *, repeatable: bool) -> Answer:
        """Send JSON. Raises ProblemError, UnreachableError or ServiceError.

        ``repeatable``: carrying the request out twice is the same as once (its events have ids of their own), so
        it may be sent again also when nobody knows whether it arrived.
        """
        return self._persist("POST", path, body, repeatable=repeatable)

    def delete(self, path: str) -> Answer:
        """Delete. Raises ProblemError, UnreachableError or ServiceError; not tried again once it may have arrived."""
        return self._persist("DELETE", path, None, repeatable=False)

    def _persist(self, method: str, target: str, body: bytes | None, *, repeatable: bool) -> Answer:
        deadline = self._monotonic() + self._retry_limit_s
        backoff = _FIRST_WAIT_S
        while True:
            at_least = 0.0
            try:
                answer = self._once(method, target, body)
            except UnreachableError as e:
                failure: ServiceError = e
                again = self._answered and (repeatable or not e.connected)
            else:
                if 200 <= answer.status < 300:
                    return _success(answer)
                problem = _problem(answer, self.url)
                failure = problem
                again = problem.status in _BUSY and (
                    repeatable or (problem.status in _NOTHING_KEPT and not problem.in_doubt)
                )
                at_least = _retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))
            wait = max(at_least, backoff * (0.5 + self._random() / 2))
            if not again or self._monotonic() + wait > deadline:
                raise failure
            if self.on_wait is not None:
                self.on_wait(wait, failure)
            self._sleep(wait)
            backoff = min(2 * backoff, _LONGEST_WAIT_S)

    def _once(self, method: str, target: str, body: bytes | None) -> Received:
        headers = self._headers.copy()
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._deadline.within(self._timeouts[1])
        try:
            answer = self._pool.request(
                method, self.url + target, body=body, headers=headers, redirect=False, preload_content=False
            )
            content = read_answer(answer, MAX_ANSWER_BYTES)
        except HTTPError as e:
            raise self._unreachable(e) from e
        self._answered = True
        return Received(answer.status, answer.reason or "", answer.headers, content)

    def _unreachable(self, error: HTTPError) -> UnreachableError:
        reason, connected = why_unreachable(error, *self._timeouts)
        return UnreachableError(self.url, reason, connected=connected)


def why_unreachable(error: HTTPError, connect_s: float, read_s: float) -> tuple[str, bool]:
    """Why there was no answer, in words, and whether the request may have arrived; the limits were so many seconds."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else None
    if isinstance(error, NewConnectionError):  # which is a ConnectTimeoutError as well
        reason = cause.strerror if cause is not None and cause.strerror else "cannot connect"
        return reason.lower(), False
    if isinstance(error, ConnectTimeoutError):
        return f"no connection within {connect_s:g} s", False
    if isinstance(error, SSLError):
        return f"TLS: {error}"[:_SHOWN_TEXT], False
    # While sending it comes as one of several things that may break a connection off.
    if isinstance(error, ReadTimeoutError) or any(isinstance(e, TimeoutError) for e in error.args):
        return f"no whole answer within {read_s:g} s", True
    return "the connection broke off", True


def check_url(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """A click callback: the address of a service, or a usage error."""
    try:
        parsed = urllib3.util.parse_url(value)
    except urllib3.exceptions.LocationParseError:
        parsed = urllib3.util.Url()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise click.BadParameter(f"{value!r} is not an address such as {DEFAULT_URL}", ctx, parameter)
    return value.rstrip("/")


_OPTIONS = (
    click.option(
        "--url",
        envvar="DATASTORAGE_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        callback=check_url,
        help="Where the service is.",
    ),
    click.option(
        "--token",
        envvar="DATASTORAGE_TOKEN",
        show_envvar=True,
        metavar="TOKEN",
        help="Token to show to the service. Others on this machine can read a command line: prefer the variable.",
    ),
    click.option(
        "--token-file",
        envvar="DATASTORAGE_TOKEN_FILE",
        show_envvar=True,
        type=click.Path(dir_okay=False, allow_dash=True),
        metavar="FILE",
        help="File that holds the token; - for standard input.",
    ),
)


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--url`, `--token` and `--token-file`, the same for every command that needs a service.

    The command is called with ``url`` and with ``token``, which is None where none was given.
    """

    @wraps(command)
    def run(*args: Any, token: str | None, token_file: str | None, url: str, **kwargs: Any) -> Any:
        source = click.get_current_context().get_parameter_source
        typed = click.core.ParameterSource.COMMANDLINE
        if token_file is not None and (token is None or source("token_file") is typed):
            if source("token") is typed:
                raise click.UsageError("--token and --token-file exclude each other")
            token = _read_token(token_file)
        if token == "":
            raise click.UsageError("the token is empty")
        if token is not None and not _TOKEN.fullmatch(token):
            raise click.UsageError("the token holds characters that no token has")
        if token is not None and url.startswith("http://") and not _is_loopback(url):
            click.echo(f"datastorage: {url} is not https: whoever is on the way can read the token", err=True)
        return command(*args, url=url, token=token, **kwargs)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def _read_token(path: str) -> str:
    try:
        content = _token_bytes(path)
    except ReadError as e:
        raise click.UsageError(f"--token-file: {e}") from None
    except OSError as e:
        raise click.UsageError(f"--token-file: {path}: {e.strerror}") from None
    text = content.decode("utf-8", "replace").strip()
    if not text:
        raise click.UsageError(f"--token-file: {as_text(path)}: is empty")
    return text


def _token_bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(MAX_SECRET_BYTES)
    # `<(vault read …)` of a shell is a pipe.
    return read_whole(path, MAX_SECRET_BYTES, pipes=True)


def _is_loopback(url: str) -> bool:
    host = (urllib3.util.parse_url(url).host or "").strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fail(error: ServiceError, option: Callable[[str], str] | None = None) -> NoReturn:
    """End a command that asks for nothing but what its options say: exit code 2 if they are wrong, else 1.

    ``option`` gives the option that a field of the request comes from.
    """
    blames_options = isinstance(error, ProblemError) and error.blames_options
    if isinstance(error, ProblemError) and blames_options and option is not None:
        wrong = [f"{option(name)}: {message}" for name, message in error.field_errors.items()]
        raise click.UsageError(printable("; ".join(wrong))) from error
    click.echo(f"datastorage: {error}", err=True)
    sys.exit(2 if blames_options else 1)


def counted(number: int, what: str) -> str:
    """``1 record``, ``2,274 records``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _success(answer: Received) -> Answer:
    try:
        return Answer(answer.status, jsonvalue.parse(answer.data))
    except jsonvalue.JSONError:
        raise ServiceError(
            f"the answer ({answer.status}) is not JSON; is there another service at this address?"
        ) from None


def _problem(answer: Received, url: str) -> ProblemError:
    body: object = None
    if re.match(r"application/(problem\+)?json\b", answer.headers.get("Content-Type", "")):
        try:
            body = jsonvalue.parse(answer.data)
        except jsonvalue.JSONError:
            body = None  # a broken problem is told by its status alone
    return ProblemError(answer.status, body, answer.reason, url=url)


def _retry_after(header: str | None, date: str | None) -> float:
    """Seconds of a Retry-After header (RFC 9110, section 10.2.3), 0 where there is none that can be read.

    A time is seen from the answer's own Date, not from our clock, which may be another.
    """
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    moment = _moment(header)
    return max(0.0, (moment - (_moment(date or "") or datetime.now(UTC))).total_seconds()) if moment else 0.0


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)
