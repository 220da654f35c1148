"""A spill that Redis would stop half way keeps nothing: what is not answered as kept is nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from app.audit.outcome import InDoubt, Refused, Spilled, WriteRequest
from app.audit.validator import Validator
from app.clock import Clock
from app.config.settings import AuditSettings, Settings
from app.config.stores import RedisSettings
from app.dlq.admin import Admin
from app.dlq.keys import KEYS
from app.dlq.queue import DeadLetterQueue
from app.validation.field_errors import ValidationFailure
from tests.support import Valkey, event, notification, shared_valkey

EVENTS, NOTIFICATIONS = KEYS["events"], KEYS["notifications"]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with shared_valkey() as server:
        yield server


@pytest.fixture
def admin(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url()) as client:
        client.flushall()
        yield client


def settings_on(url: str) -> Settings:
    return Settings(redis=RedisSettings(url=url, spill_timeout=30.0))


def requests() -> list[WriteRequest]:
    """One request of each kind."""
    check = Validator(AuditSettings(), Clock().now)
    records = (check.event(event()), check.notification(notification()))
    return [WriteRequest((record,)) for record in records if not isinstance(record, ValidationFailure)]


def spilled(url: str) -> list[bool]:
    """Whether a new worker's spill of two requests is called kept, one by one."""
    queue = DeadLetterQueue(settings_on(url), Clock())
    try:
        outcomes = queue.spill(requests(), "why")
    finally:
        queue.close()
    assert all(isinstance(outcome, Spilled | Refused | InDoubt) for outcome in outcomes), outcomes
    return [isinstance(outcome, Spilled) for outcome in outcomes]


@pytest.mark.parametrize("right", ["-incrby", "-xadd", "-hset", "-hget", "-expire", "-xlen", "-xdel"])
def test_a_right_that_is_missing_leaves_nothing_half_done(valkey: Valkey, admin: redis.Redis, right: str) -> None:
    admin.execute_command("ACL", "SETUSER", "writer", "reset", "on", ">secret", "~audit:*", "+@all", right)
    parts = urlsplit(valkey.url())
    url = parts._replace(netloc=f"writer:secret@{parts.hostname}:{parts.port}").geturl()
    letters = Admin(settings_on(url))
    assert letters.probe() == "NOPERM"
    assert spilled(url) == [False, False]
    assert admin.xlen(EVENTS.stream) == admin.xlen(NOTIFICATIONS.stream) == 0
    admin.execute_command("ACL", "SETUSER", "writer", "+@all")
    assert letters.probe() is None
    letters.close()
    assert spilled(url) == [True, True]
    admin.execute_command("ACL", "DELUSER", "writer")


@pytest.mark.parametrize("key", [NOTIFICATIONS.stream])
def test_a_key_that_is_something_else_leaves_nothing_half_done(valkey: Valkey, admin: redis.Redis, key: str) -> None:
    admin.rpush(key, "a list")
    assert spilled(valkey.url()) == [False, False]
    assert admin.xlen(EVENTS.stream) == 0
    admin.delete(key)
    assert spilled(valkey.url()) == [True, True]
