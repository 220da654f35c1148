"""How a caller names a request: its id, and its place in a distributed trace (`traceparent`, W3C Trace Context)."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import NamedTuple, TypeGuard

import uuid_utils

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
# version - trace-id - parent-id - flags; only a version later than 00 may go on after that, with another dash.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-[0-9a-f]{2}"
    r"(?P<rest>-[^,]*)?"
)
# Later versions may be longer; what is longer than this is no such header.
_MAX_CHARACTERS = 512


class TraceContext(NamedTuple):
    """The trace that a request belongs to and the caller's span in it, in lowercase hex of 32 and 16 digits."""

    trace_id: str
    span_id: str


# Of the request that this thread serves.
current_trace: ContextVar[TraceContext | None] = ContextVar("current_trace", default=None)
# The span of that request, where traces are on and it is recorded: what is done for it later links to this.
current_span: ContextVar[TraceContext | None] = ContextVar("current_span", default=None)


def request_id_from(header: str) -> str:
    """The id that an `X-Request-ID` gives a request; a new one where there is none, or none of that form."""
    # Ids of one time lie side by side in the index of the events' request_id.
    return header if header and _REQUEST_ID.fullmatch(header) else str(uuid_utils.uuid7())


def is_request_id(value: object) -> TypeGuard[str]:
    """Whether the value is a request id as `request_id_from` gives it."""
    return isinstance(value, str) and _REQUEST_ID.fullmatch(value) is not None


def parse_traceparent(header: str) -> TraceContext | None:
    """The context that a `traceparent` names, or None for one that the specification says to ignore.

    Section 3.2 of https://www.w3.org/TR/trace-context/: lowercase only, ids of zeros alone and version ff are invalid,
    version 00 is exactly 55 characters, later versions are read by what is known of them. A header that was sent
    twice arrives joined by a comma, which is not valid either.
    """
    if len(header) > _MAX_CHARACTERS or (m := _TRACEPARENT.fullmatch(header)) is None:
        return None
    if m["rest"] is not None and m["version"] == "00":
        return None
    return TraceContext(m["trace"], m["span"])


def traceparent(context: TraceContext) -> str:
    """The header that names a span which is recorded."""
    return f"00-{context.trace_id}-{context.span_id}-01"


def is_trace_id(value: object) -> bool:
    """Whether the value is a trace id as `parse_traceparent` gives it."""
    return isinstance(value, str) and _TRACE_ID.fullmatch(value) is not None
