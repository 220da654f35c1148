"""What a verifier asks for, apart from how: one text of each procedure serves threads and asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from datastorage_common.checkpoints import MAX_PROOF_BYTES

from datastorage_client.problems import DataStorageError

T = TypeVar("T")
NOTE = "text/plain"
JSON = "application/json"
TILE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Ask:
    """An answer to a GET is wanted, of this media type, and of no more bytes; None: of as many as the client takes."""

    path: str
    accept: str
    max_bytes: int | None = MAX_PROOF_BYTES  # enough for a checkpoint too


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds are to pass."""

    seconds: float


# Is sent the answer to each Ask, or thrown the exception that the client has raised instead.
Steps = Generator[Ask | Pause, bytes, T]


class Fetch(Protocol):
    """Answers an `Ask`. Raises DataStorageError, AnswerTooLargeError among them."""

    def __call__(self, path: str, accept: str, max_bytes: int | None = MAX_PROOF_BYTES, /) -> bytes: ...


class AsyncFetch(Protocol):
    """As `Fetch`, for asyncio."""

    def __call__(self, path: str, accept: str, max_bytes: int | None = MAX_PROOF_BYTES, /) -> Awaitable[bytes]: ...


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
            resume = partial(steps.send, fetch(wish.path, wish.accept, wish.max_bytes))
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
            resume = partial(steps.send, await fetch(wish.path, wish.accept, wish.max_bytes))
        except DataStorageError as e:
            resume = partial(steps.throw, e)
