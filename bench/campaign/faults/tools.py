"""What the faults share: waiting, bringing servers back, statements that are tried until they are taken."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator

import psycopg
import redis

from app.dlq.keys import EVENTS, KEYS
from bench.campaign import load
from bench.campaign.client import Sender
from bench.campaign.load import Request
from bench.campaign.stage import Stage
from devserver import DevError, EmbeddedPostgres, EmbeddedValkey

Fault = Callable[[Stage, random.Random], None]

_PATIENCE_SECONDS = 60.0


def pause(rng: random.Random, low: float, high: float) -> None:
    time.sleep(low + rng.random() * (high - low))


def bring_back(server: EmbeddedPostgres | EmbeddedValkey) -> None:
    """Start a server again; with its disk full it may take more than one try."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            server.start()
            return
        except DevError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def until_taken(step: Callable[[], None], *errors: type[Exception]) -> None:
    """Do this again and again until it raises none of these errors."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            step()
            return
        except errors:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def sql(stage: Stage, *statements: str) -> None:
    """Run statements as superuser, all of them again until the server takes them."""

    def run() -> None:
        with stage.connect(statement_timeout="5000") as conn:
            for statement in statements:
                conn.execute(statement)

    until_taken(run, psycopg.Error)


def send(stage: Stage, rng: random.Random, request: Request, patience: float = 5.0, port: int | None = None) -> str:
    """Send a request of the campaign's own, to any instance or to one; what it came to, "unanswered" after a while."""
    sender = Sender(stage.ports if port is None else [port], stage.ledger)
    try:
        return sender.deliver(rng, request, lambda: True, patience)
    finally:
        sender.close()


def send_poison(stage: Stage, rng: random.Random, state: str) -> None:
    """Send an event that PostgreSQL refuses for ever with this SQLSTATE."""
    event = load.event(rng, correlation_id=f"never-{state}")
    send(stage, rng, load.of_events([event], "poison"))


@contextlib.contextmanager
def nobody_following(stage: Stage) -> Iterator[None]:
    """All consumers of the feed are killed before the block, and go on from their cursors after it."""
    with contextlib.ExitStack() as held:
        for follower in stage.followers:
            held.enter_context(follower.lock)
            follower.end()
            stage.killed("follower")
            held.callback(follower.start)
        yield


@contextlib.contextmanager
def outage(stage: Stage, *, with_entries: bool = False) -> Iterator[None]:
    """PostgreSQL is away during the block, and entries wait in the queue when it begins."""
    with stage.postgres_process:
        stage.postgres.kill()
        try:
            if with_entries:
                _wait_for_entries(stage)
            yield
        finally:
            bring_back(stage.postgres)


def outage_or_not(stage: Stage, rng: random.Random) -> contextlib.AbstractContextManager[None]:
    """Mostly an outage of PostgreSQL, in which what befalls the queue is felt at once; now and then none."""
    return outage(stage, with_entries=True) if rng.random() < 0.7 else contextlib.nullcontext()


def _wait_for_entries(stage: Stage) -> None:
    """Until events wait, or for 5 s: Valkey may be away too."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(redis.RedisError), stage.queue.client() as connection:
            if connection.xlen(KEYS[EVENTS].stream):
                return
        time.sleep(0.05)
