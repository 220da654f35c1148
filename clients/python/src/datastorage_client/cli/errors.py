"""What the commands say when the service does not do what was asked: one family of exceptions, fit for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click
from datastorage_common.terminal import printable

DEFAULT_URL = "http://127.0.0.1:8080"
# A clone has it, an image has not.
_MAKEFILE = Path(__file__).resolve().parents[5] / "Makefile"
_SHOWN_FIELD_ERRORS = 20
_SHOWN_TEXT = 500


class ServiceError(Exception):
    """The service did not do what was asked; the text says why, in words for the person at the terminal."""


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
        self.reason = reason
        self.connected = connected  # whether the request may have arrived


class ProblemError(ServiceError):
    """An answer other than 2xx. Prints as ``title: detail`` with a line for each field that is wrong."""

    def __init__(self, status: int, members: Mapping[str, Any], *, url: str = DEFAULT_URL) -> None:
        self.status = status
        self.url = url  # where the service was looked for
        self.members = members  # extension members: indexes, outcome, event_ids, ...
        self.slug = _string(members.get("type")).rpartition("/")[2]  # empty: this was no problem document
        self.title = _string(members.get("title")) or _status(status)
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
        if self.status == 404 and (path := urlsplit(self.url).path):
            yield f"Is the path {path} of --url or DATASTORAGE_URL right? An address mostly has none, as {DEFAULT_URL}."
        if self.slug == "log-inconsistent":
            yield f"`datastorage health --report --url {self.url}` says what contradicts what."
        if self.slug in ("service-unavailable", "dlq-full"):
            yield f"`datastorage health --report --url {self.url}` says what is away."

    @property
    def blames_options(self) -> bool:
        """Whether the request was wrong, and so the options of a command that makes it of nothing else."""
        return self.status == 400 and bool(self.field_errors)


@contextmanager
def understood() -> Iterator[None]:
    """Read in here what an answer holds. Raises ServiceError where it has not the form of the service's answers."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as e:
        raise ServiceError("the answer is not one of the Data Storage Service; is the address right?") from e


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


def guarded(option: Callable[[str], str] | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator of commands: what the service refuses, or that it cannot be reached, ends them as `fail` does."""

    def wrapped(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                command(*args, **kwargs)
            except ServiceError as e:
                fail(e, option)

        return run

    return wrapped


def end(why: str, code: int) -> NoReturn:
    """Say why on standard error, and end the command."""
    click.echo("datastorage: " + "\n".join(map(printable, why.split("\n"))), err=True)
    sys.exit(code)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _status(status: int) -> str:
    """``HTTP 404 Not Found``."""
    known = status in HTTPStatus.__members__.values()
    return f"HTTP {status} {HTTPStatus(status).phrase}" if known else f"HTTP {status}"
