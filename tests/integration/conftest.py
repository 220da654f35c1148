"""The Redis that the tests of the dead letter queue share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.support import Valkey, shared_valkey


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with shared_valkey() as server:
        yield server


@pytest.fixture
def streams(valkey: Valkey) -> Iterator[redis.Redis]:
    """An empty Redis."""
    client = redis.Redis.from_url(valkey.url(0))
    client.flushall()
    yield client
    client.close()
