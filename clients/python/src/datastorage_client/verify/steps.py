"""What a verifier asks for, apart from how: one text of each procedure serves threads and asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from datastorage_client.problems import DataStorageError

T = TypeVar("T")
NOTE = "text/plain"
JSON = "application/json"
TILE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Ask:
    """An answer to a GET is wanted, of this media type."""

    path: str
    accept: str


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds are to pass."""

    seconds: float


# Is sent the answer to each Ask, or thrown the exception that the client has raised instead.
Steps = Generator[Ask | Pause, bytes, T]
# From path and media type to the answer. Raises DataStorageError.
Fetch = Callable[[str, str], bytes]
AsyncFetch = Callable[[str, str], Awaitable[bytes]]


def run(fetch: Fetch, steps: Steps[T]) -> T:
    """Carry a procedure out. Raises what it raises."""
    resume: Callable[[], Ask | Pause] = partial(next, steps)
    while True:
        try:
            wish = resume()
        except StopIteration as e:
            result: T = e.value
            return result
        if isinstance(wish, Pause):
            time.sleep(wish.seconds)
            resume = partial(next, steps)
            continue
        try:
            resume = partial(steps.send, fetch(wish.path, wish.accept))
        except DataStorageError as e:
            resume = partial(steps.throw, e)


async def arun(fetch: AsyncFetch, steps: Steps[T]) -> T:
    """As `run`, for asyncio."""
    resume: Callable[[], Ask | Pause] = partial(next, steps)
    while True:
        try:
            wish = resume()
        except StopIteration as e:
            result: T = e.value
            return result
        if isinstance(wish, Pause):
            await asyncio.sleep(wish.seconds)
            resume = partial(next, steps)
            continue
        try:
            resume = partial(steps.send, await fetch(wish.path, wish.accept))
        except DataStorageError as e:
            resume = partial(steps.throw, e)
