"""Large pages, of which a worker makes few at a time: each takes several times its answer of memory."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from app.http.problems import Problem
from app.postgres.pages import LargeRowsError

T = TypeVar("T")

# So many at a time bound the memory of them all. The others wait, which is short: a page takes a fraction of a second.
_AT_ONCE = 4
_PATIENCE_SECONDS = 10.0
_room = threading.BoundedSemaphore(_AT_ONCE)


def page(read: Callable[[bool], T]) -> T:
    """The page that ``read`` gives: for small rows, or else for large ones, which it is told. Raises Problem 503."""
    try:
        return read(False)
    except LargeRowsError:
        with large_page():
            return read(True)


class Room(contextlib.AbstractContextManager[None]):
    """Room for a few requests at a time, of each of which a part goes on inside the block; for one at the least.

    Who finds none for so many seconds is answered 503. To be entered before a connection is taken.
    """

    def __init__(self, at_once: int, patience: float, said: str) -> None:
        self._places = threading.BoundedSemaphore(max(1, at_once))
        self._patience = patience
        self._said = said

    def __enter__(self) -> None:
        if not self._places.acquire(timeout=self._patience):
            raise Problem("service-unavailable", self._said, headers={"Retry-After": "1"})

    def __exit__(self, *_: object) -> None:
        self._places.release()


@contextlib.contextmanager
def large_page() -> Iterator[None]:
    """Room to fetch a page of large rows and to make an answer of it. Raises Problem 503.

    To be entered before a connection is taken: a request that waits here must keep none from others.
    """
    if not _room.acquire(timeout=_PATIENCE_SECONDS):
        raise Problem("service-unavailable", "too many large answers are being made - please retry")
    try:
        yield
    finally:
        _room.release()
