"""What goes wrong, as exceptions: no answer, or an answer that is a problem (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

_LONGEST_RETRY_AFTER_S = 3600.0
_SHOWN_FIELD_ERRORS = 10
# A cursor of the feed goes into an address and into files as it is: what else is there comes from another service.
CURSOR = r"\A[A-Za-z0-9_-]{1,512}\Z"


class DataStorageError(Exception):
    """The service did not do what was asked."""


class ConnectionFailedError(DataStorageError):
    """There was no answer. ``sent`` says whether the request may have been carried out all the same."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class BrokenOffError(ConnectionFailedError):
    """An answer that came part by part ended before its end: what came of it is right as far as it goes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, sent=True)


class ExpiredError(DataStorageError):
    """An event waited in the spool until it was older than the service takes."""


class ProblemError(DataStorageError):
    """An answer of 400 or above. Prints as ``title: detail`` and the first fields that are wrong.

    The service's own problems come as the subclass of their slug. This class itself stands for answers that are no
    problem of the service, such as a proxy's; their ``slug`` is empty.

    Attributes: ``type``, ``title``, ``status``, ``detail``, ``instance`` as in RFC 9457; ``field_errors`` from field
    name (in batches ``[index].field``) to message; ``members`` all members of the body; ``retry_after`` the seconds
    of the header of that name, or None.
    """

    slug: ClassVar[str] = ""

    def __init__(self, status: int, body: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.members = body
        self.type = _text(body, "type") or "about:blank"
        self.title = _text(body, "title") or f"HTTP {status}"
        self.detail = _text(body, "detail") or "the answer is no problem document of the Data Storage Service"
        self.instance = _text(body, "instance")
        errors = body.get("field_errors")
        self.field_errors: dict[str, str] = (
            {str(k): str(v) for k, v in errors.items()} if isinstance(errors, dict) else {}
        )
        self.retry_after = retry_after
        super().__init__(status, self.title, self.detail)

    def __str__(self) -> str:
        shown = [f"{field}: {message}" for field, message in list(self.field_errors.items())[:_SHOWN_FIELD_ERRORS]]
        if len(self.field_errors) > len(shown):
            shown.append(f"… and {len(self.field_errors) - len(shown)} more")
        return f"{self.title}: {self.detail}" + (f" ({'; '.join(shown)})" if shown else "")

    @property
    def outcome_unknown(self) -> bool:
        """Whether the service cannot tell if it kept the request; sending it again with the same ids is safe."""
        return self.members.get("outcome") == "unknown"


class ValidationError(ProblemError):
    """400: members are missing, too long, of the wrong type or outside their range; `field_errors` names them."""

    slug = "validation-error"


class InvalidRequestError(ProblemError):
    """400: the body or a parameter cannot be understood."""

    slug = "invalid_request"


class InvalidEventDataError(ProblemError):
    """400: event_data is no object, too large, too deep, or cannot be stored."""

    slug = "invalid_event_data"


class BatchSizeExceededError(ProblemError):
    """400: more events in a batch than the service takes; `max_batch_size` is how many it takes, where it says so."""

    slug = "batch-size-exceeded"

    @property
    def max_batch_size(self) -> int | None:
        return largest_batch(self.members)


class ImmutableFieldError(ProblemError):
    """400: a change of a workflow's member that never changes."""

    slug = "immutable-field-violation"


class UnauthorizedError(ProblemError):
    """401: no token, or one that is not valid any more."""

    slug = "unauthorized"


class ForbiddenError(ProblemError):
    """403: the token does not allow this."""

    slug = "forbidden"


class NotFoundError(ProblemError):
    """404: there is no such thing, or no such path."""

    slug = "not-found"


class NoCheckpointError(NotFoundError):
    """404: the log has signed nothing yet, or nothing that was cosigned as asked for.

    ``origin``: the name that the log has, where the service says so; it may be a new one.
    """

    slug = "no-checkpoint"

    @property
    def origin(self) -> str | None:
        return _text(self.members, "origin") or None


class NotYetInLogError(NotFoundError):
    """404: the newest checkpoint of the log does not hold it yet; see `retry_after`."""

    slug = "not-yet-in-log"


class MethodNotAllowedError(ProblemError):
    """405: the path has no such method."""

    slug = "method-not-allowed"


class RequestTimeoutError(ProblemError):
    """408: the request did not arrive in time; nothing was kept."""

    slug = "request-timeout"


class ConflictError(ProblemError):
    """409: something is stored under this identity already; ``identical`` says if it is the very same, where known."""

    slug = "conflict"

    @property
    def identical(self) -> bool:
        return self.members.get("identical") is True


class HeldError(ProblemError):
    """409: it is under a legal hold, and stays until each of ``held_by`` is released; ten ids of holds at the most."""

    slug = "held"

    @property
    def held_by(self) -> list[str]:
        named = self.members.get("held_by")
        return [str(hold_id) for hold_id in named] if isinstance(named, list) else []


class _GoesOn:
    members: Mapping[str, Any]

    @property
    def next(self) -> str | None:
        """The cursor to go on from; None where the answer has none, which the service's own always has."""
        return cursor(self.members.get("next"))


class FeedRestartedError(_GoesOn, ProblemError):
    """410: the log goes on under another origin; from ``next`` on nothing is missed, and records may come again."""

    slug = "feed-restarted"


class FeedExpiredError(_GoesOn, ProblemError):
    """410: what comes next is not kept any more; ``next`` goes on at the oldest that is."""

    slug = "feed-expired"


class RequestTooLargeError(ProblemError):
    """413: the body is larger than the service takes."""

    slug = "request-too-large"


class UnsupportedEncodingError(ProblemError):
    """415: a Content-Encoding other than gzip."""

    slug = "unsupported-encoding"


class ExpectationFailedError(ProblemError):
    """417: an Expect header other than 100-continue."""

    slug = "expectation-failed"


class RateLimitError(ProblemError):
    """429: too many requests; see `retry_after`."""

    slug = "rate-limit-exceeded"


class HeadersTooLargeError(ProblemError):
    """431: the request line or the headers are larger than the service takes."""

    slug = "request-headers-too-large"


class InternalError(ProblemError):
    """500: a fault of the service."""

    slug = "internal-error"


class UnsupportedTransferCodingError(ProblemError):
    """501: a Transfer-Encoding other than chunked."""

    slug = "unsupported-transfer-coding"


class HTTPVersionNotSupportedError(ProblemError):
    """505: an export was asked for with HTTP/1.0, by a proxy perhaps: its end could not be told from a break."""

    slug = "http-version-not-supported"


class UnavailableError(ProblemError):
    """503: neither store could take it, or PostgreSQL is away; nothing was kept unless `outcome_unknown`."""

    slug = "service-unavailable"


class BufferFullError(UnavailableError):
    """503: the service has no room now; nothing was kept."""

    slug = "buffer-full"


class DLQFullError(UnavailableError):
    """503: PostgreSQL is away and the dead letter queue is full; nothing was kept."""

    slug = "dlq-full"


class LogInconsistentError(UnavailableError):
    """503: the log contradicts what was signed of it; the feed stands still until an operator has settled that."""

    slug = "log-inconsistent"


def _classes(base: type[ProblemError]) -> dict[str, type[ProblemError]]:
    found: dict[str, type[ProblemError]] = {}
    for kind in base.__subclasses__():
        found |= {kind.slug: kind, **_classes(kind)}
    return found


PROBLEMS: Mapping[str, type[ProblemError]] = _classes(ProblemError)
"""The exception of each slug."""


def problem(status: int, headers: Mapping[str, str], content: bytes) -> ProblemError:
    """The exception of an answer; ``headers`` must find names in any case."""
    members: Mapping[str, Any] = {}
    if re.match(r"application/(problem\+)?json\b", headers.get("Content-Type", "")):
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            parsed = None  # a broken document is told by its status alone
        if isinstance(parsed, dict):
            members = parsed
    slug = _text(members, "type").rpartition("/")[2]
    kind = PROBLEMS.get(slug, ProblemError)
    return kind(status, members, retry_after=retry_after(headers.get("Retry-After"), headers.get("Date")))


def largest_batch(members: Mapping[str, Any]) -> int | None:
    """The member ``max_batch_size`` of a problem: more elements than that are never taken. None where it has none."""
    said = members.get("max_batch_size")
    return said if type(said) is int and said > 0 else None


def cursor(value: object) -> str | None:
    """A cursor of the feed, where it is one by its form; else None."""
    return value if isinstance(value, str) and re.search(CURSOR, value) else None


def retry_after(header: str | None, date: str | None = None) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, section 10.2.3), an hour at most; None where none can be read.

    ``date`` is the header of that name: a time is seen from there, not from our clock, which may be another.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_RETRY_AFTER_S)
    if (moment := _moment(text)) is None:
        return None
    seconds = (moment - (_moment(date or "") or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""
