"""What several of these files share: a Redis, and apps on a database of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
import redis

from app import create_app
from app.services import Services
from app.transparency import records_read
from tests.conftest import settings_for
from tests.support import Database, PostgresServer, Valkey, shared_valkey, wait_until
from tests.unit.fakes import HOUR
from tests.verify_support import fill


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


@pytest.fixture
def unhurried_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page of the feed ends because a busy machine took long for it."""
    monkeypatch.setattr(records_read, "_MAX_SECONDS", HOUR)


@pytest.fixture
def make_services_on() -> Iterator[Callable[..., flask.Flask]]:
    """Builds and starts apps on a database of the test's own: make_services_on(database, buffer={"size": 10})."""
    made: list[Services] = []

    def make(database: Database, /, **sections: dict[str, Any]) -> flask.Flask:
        services = Services(settings_for(database, **sections))
        made.append(services)
        app = create_app(services.settings, services)
        services.start()
        wait_until(lambda: services.monitor.state.connected, what="database connected")
        return app

    yield make
    for services in made:
        services.stop()


@pytest.fixture(scope="module")
def log_of_all_kinds(postgres: PostgresServer, template: str) -> Iterator[Database]:
    """781 entries: records of all kinds, old ones, an act; nobody changes it but in transactions that are undone."""
    made = postgres.make_database(template)
    fill(made, 700)
    yield made
    made.drop()
