"""What a request of the client says of itself, to the transport that sends it."""

from __future__ import annotations

import threading
from enum import Enum
from typing import Any

import httpx

_REPEAT = "datastorage_repeat"
_MOST = "datastorage_most"
_WAIT = "datastorage_wait"
_STOP = "datastorage_stop"
_STREAMED = "datastorage_streamed"


class Repeat(Enum):
    """When a request is sent again."""

    NEVER = "never: its sender tries again by itself"
    IF_NOT_SENT = "if it cannot have been sent"
    IF_NOT_KEPT = "so too if the answer says that nothing was kept"
    ALWAYS = "after any failure: carrying it out twice is the same as once"

    @property
    def extension(self) -> dict[str, Any]:
        """What a request carries to say so."""
        return {_REPEAT: self}


def repeat_of(request: httpx.Request) -> Repeat | None:
    """When the request is sent again; None: it does not say."""
    found: Repeat | None = request.extensions.get(_REPEAT)
    return found


def at_most(max_bytes: int | None) -> dict[str, Any]:
    """What a request carries where its answer has to be smaller than those that the client takes."""
    return {} if max_bytes is None else {_MOST: max_bytes}


def most_bytes(request: httpx.Request, of_client: int) -> int:
    """How many bytes of its answer are taken."""
    found: int = request.extensions.get(_MOST, of_client)
    return found


def waiting(seconds: float, stop: threading.Event | None = None) -> dict[str, Any]:
    """What a request carries where its answer may wait so long by itself: that comes on top of the client's timeout.

    ``stop`` ends the waiting for the answer of a client for threads, as if the connection broke.
    """
    return {_WAIT: seconds, _STOP: stop}


def stop_of(request: httpx.Request) -> threading.Event | None:
    """What ends the waiting for the answer, if anything does."""
    found: threading.Event | None = request.extensions.get(_STOP)
    return found


def limit_time(request: httpx.Request, timeout: float) -> float:
    """Seconds of one attempt where those of the client are ``timeout``; httpx, which waits too, is told them."""
    seconds = timeout + float(request.extensions.get(_WAIT, 0.0))
    request.extensions["timeout"] = httpx.Timeout(seconds).as_dict()
    return seconds


def streamed() -> dict[str, Any]:
    """What a request carries whose answer is read as it comes: each wait for more has the time of an attempt."""
    return {_STREAMED: True}


def is_streamed(request: httpx.Request) -> bool:
    """Whether its answer is read as it comes, if it is a good one."""
    return _STREAMED in request.extensions
