"""Every error that a client can see: one exception, one table of kinds, one renderer (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

CONTENT_TYPE = "application/problem+json"
_RETRIED = (429, 503)  # the same request may pass later


class Kind(NamedTuple):
    """One kind of problem: its slug ends the problem's type."""

    slug: str
    status: int
    title: str
    retry_after: int | None = None


KINDS: dict[str, Kind] = {
    k.slug: k
    for k in (
        Kind("validation-error", 400, "Validation Error"),
        Kind("invalid_request", 400, "Invalid Request"),
        Kind("invalid_event_data", 400, "Invalid Event Data"),
        Kind("batch-size-exceeded", 400, "Batch Size Exceeded"),
        Kind("immutable-field-violation", 400, "Bad Request"),
        Kind("unauthorized", 401, "Unauthorized"),
        Kind("forbidden", 403, "Forbidden"),
        Kind("not-found", 404, "Not Found"),
        Kind("no-checkpoint", 404, "No Checkpoint"),
        Kind("not-yet-in-log", 404, "Not Yet In The Log", 1),
        Kind("method-not-allowed", 405, "Method Not Allowed"),
        Kind("request-timeout", 408, "Request Timeout"),
        Kind("conflict", 409, "Resource Conflict"),
        Kind("held", 409, "Under A Legal Hold"),
        Kind("feed-expired", 410, "Feed Expired"),
        Kind("feed-restarted", 410, "Feed Restarted"),
        Kind("request-too-large", 413, "Request Too Large"),
        Kind("unsupported-encoding", 415, "Unsupported Encoding"),
        Kind("expectation-failed", 417, "Expectation Failed"),
        Kind("rate-limit-exceeded", 429, "Too Many Requests", 1),
        Kind("request-headers-too-large", 431, "Request Header Fields Too Large"),
        Kind("internal-error", 500, "Internal Server Error"),
        Kind("unsupported-transfer-coding", 501, "Not Implemented"),
        Kind("http-version-not-supported", 505, "HTTP Version Not Supported"),
        Kind("buffer-full", 503, "Service Unavailable", 1),
        Kind("dlq-full", 503, "Service Unavailable", 5),
        Kind("log-inconsistent", 503, "Log Inconsistent", 5),
        Kind("service-unavailable", 503, "Service Unavailable", 5),
    )
}


class Problem(Exception):  # noqa: N818 - the standard's name for it
    """Raised anywhere in a request to answer with a problem; nothing of it may show internals."""

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        title: str | None = None,
        field_errors: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = KINDS[slug]
        self.detail = detail
        self.title = title or self.kind.title
        self.headers = dict(headers or {})
        self.members: dict[str, Any] = dict(members or {})
        if field_errors is not None:
            self.members["field_errors"] = dict(field_errors)
        if self.kind.status in _RETRIED:
            self.members.setdefault("retry", True)
        if self.kind.retry_after is not None:
            self.headers.setdefault("Retry-After", str(self.kind.retry_after))

    def body(self, base_url: str, instance: str) -> bytes:
        """The problem as JSON; ``instance`` is the request's path."""
        return orjson.dumps(
            {
                "type": f"{base_url.rstrip('/')}/{self.kind.slug}",
                "title": self.title,
                "status": self.kind.status,
                "detail": self.detail,
                "instance": instance,
                **self.members,
            }
        )


def unavailable(detail: str = "the database is not available - please retry") -> Problem:
    """The 503 of a read, or of anything that needs PostgreSQL and cannot be queued."""
    return Problem("service-unavailable", detail)
