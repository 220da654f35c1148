"""What every sink does: the dead letter queue, the sink of a service without one, and the fake that other tests use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from app.audit.event import AuditEvent, Notification
from app.audit.outcome import InDoubt, Refused, Sink, Spilled, SpillOutcome, UnavailableSink, WriteRequest
from app.audit.validator import Validator
from app.clock import Clock
from app.config.settings import AuditSettings, DLQSettings, Settings
from app.config.stores import RedisSettings
from app.dlq.queue import KEYS, DeadLetterQueue
from tests.sinks import FakeSink
from tests.support import event, free_port, notification, shared_valkey

VALIDATOR = Validator(AuditSettings(), Clock().now)


@dataclass
class Made:
    """A sink to be tried."""

    sink: Sink
    held: Callable[[], int]  # how many records it keeps
    takes: bool = True  # whether it has room, and can be reached
    reached: bool = True


def fake() -> Iterator[Made]:
    sink = FakeSink()
    yield Made(sink, lambda: sink.held)


def fake_that_refuses() -> Iterator[Made]:
    sink = FakeSink(Refused("service-unavailable"))
    yield Made(sink, lambda: sink.held, takes=False)


def unavailable() -> Iterator[Made]:
    yield Made(UnavailableSink(), lambda: 0, takes=False)


def dead_letter_queue(max_bytes: int = 1024**2) -> Iterator[Made]:
    with shared_valkey() as server, redis.Redis.from_url(server.url()) as client:
        client.flushall()
        queue = DeadLetterQueue(settings_on(server.url(), max_bytes), Clock())
        yield Made(queue, lambda: sum(client.xlen(keys.stream) for keys in KEYS.values()), takes=max_bytes > 1)
        queue.close()


def full_dead_letter_queue() -> Iterator[Made]:
    yield from dead_letter_queue(max_bytes=1)


def dead_letter_queue_without_redis() -> Iterator[Made]:
    queue = DeadLetterQueue(settings_on(f"redis://127.0.0.1:{free_port()}/0"), Clock())
    yield Made(queue, lambda: 0, takes=False, reached=False)
    queue.close()


def settings_on(url: str, max_bytes: int = 1024**2) -> Settings:
    return Settings(redis=RedisSettings(url=url, spill_timeout=30.0), dlq=DLQSettings(max_bytes=max_bytes))


SINKS: list[Any] = [
    fake,
    fake_that_refuses,
    unavailable,
    dead_letter_queue,
    full_dead_letter_queue,
    dead_letter_queue_without_redis,
]


@pytest.fixture(params=SINKS, ids=lambda make: make.__name__)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    yield from request.param()


def one_event() -> AuditEvent:
    record = VALIDATOR.event(event())
    assert isinstance(record, AuditEvent)
    return record


def one_notification() -> Notification:
    record = VALIDATOR.notification(notification())
    assert isinstance(record, Notification)
    return record


def some_requests() -> list[WriteRequest]:
    """One of each kind, and a batch."""
    return [
        WriteRequest((one_event(),)),
        WriteRequest((one_notification(),)),
        WriteRequest((one_event(), one_event(), one_event())),
    ]


def kept(requests: list[WriteRequest], outcomes: list[SpillOutcome]) -> int:
    """The records that these outcomes call kept."""
    return sum(len(r.records) for r, o in zip(requests, outcomes, strict=True) if isinstance(o, Spilled))


def test_each_request_has_an_outcome_and_is_kept_whole_or_not_at_all(made: Made) -> None:
    requests = some_requests()
    outcomes = made.sink.spill(requests, "why")
    assert len(outcomes) == len(requests)
    if made.takes:
        assert outcomes == [Spilled()] * 3
    else:
        assert all(isinstance(o, Refused | InDoubt) for o in outcomes)
    assert made.held() == kept(requests, outcomes)


def test_a_request_comes_after_those_before_it(made: Made) -> None:
    held = 0
    for request in some_requests():
        held += kept([request], made.sink.spill([request], "why"))
        assert made.held() == held


def test_parents_may_wait_once_an_event_does(made: Made) -> None:
    """A sink that cannot be asked says that they may; a notification is no parent."""
    assert made.sink.may_hold_parents() is not made.reached
    made.sink.spill([WriteRequest((one_notification(),))], "why")
    assert made.sink.may_hold_parents() is not made.reached
    made.sink.spill([WriteRequest((one_event(),))], "why")
    assert made.sink.may_hold_parents() is (made.takes or not made.reached)


def test_threads_may_share_it(made: Made) -> None:
    outcomes: list[tuple[list[WriteRequest], list[SpillOutcome]]] = []

    def spill() -> None:
        requests = some_requests()
        outcomes.append((requests, made.sink.spill(requests, "why")))

    threads = [threading.Thread(target=spill) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == len(threads)
    assert made.held() == sum(kept(*each) for each in outcomes)
