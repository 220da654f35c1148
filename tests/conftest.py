"""Fixtures that several layers share."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import flask
import hypothesis
import pytest

from app import create_app
from app.config.settings import Settings
from app.config.stores import DatabaseSettings
from app.services import Services
from tests import assertions  # noqa: F401 - before what it is about
from tests.support import (
    BACKEND,
    PATIENT,
    Database,
    PostgresServer,
    container_postgres,
    debian_binaries,
    last_words,
    postgres_server,
    prepare_roles,
    wait_until,
)

# How much made-up input properties are tried with: the same each day, other and more at night. A machine that is busy
# with something else must not fail one.
_PROPERTIES = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("everyday", _PROPERTIES, max_examples=150, derandomize=True)
hypothesis.settings.register_profile("nightly", _PROPERTIES, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))

# Set where tests run in several processes; tables that commands print would be cut to it.
os.environ.pop("COLUMNS", None)


def pytest_configure(config: pytest.Config) -> None:
    """Say once, before anything runs, that there is no such server."""
    if BACKEND not in ("embedded", "containers", "debian"):
        raise pytest.UsageError(f"BACKEND={BACKEND} is none of embedded, containers, debian")
    debian_binaries()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that kill or freeze servers need servers of their own.

    A test's name must be the same in each process that runs tests, so no address of an object may be in it.
    """
    addresses = [item.nodeid for item in items if " object at 0x" in item.nodeid]
    if addresses:
        raise pytest.UsageError(f"an address in a test's name: {addresses[0]}")
    if BACKEND == "containers":
        skip = pytest.mark.skip(reason="kills or freezes a server: runs with the embedded ones only")
        for item in items:
            if item.get_closest_marker("embedded"):
                item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what the services that it used had to say."""
    report = yield
    if report.failed:
        for url, words in last_words(call.start):
            report.sections.append((f"log of the service at {url}", words))
    return report


@contextlib.contextmanager
def _server() -> Iterator[PostgresServer]:
    if url := os.environ.get("DATABASE_URL"):
        yield prepare_roles(url)
    elif BACKEND == "containers":
        with container_postgres() as server:
            yield server
    else:
        with postgres_server(max_connections="300") as server:
            yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL that tests share; nobody kills it. POOLER=pgbouncer puts that in front of it."""
    with _server() as server:
        if os.environ.get("POOLER") == "pgbouncer":
            from tests.pooler import pgbouncer

            with pgbouncer(server) as pooled:
                yield pooled
        else:
            yield server


@pytest.fixture
def direct(postgres: PostgresServer) -> None:
    """For tests of the connections themselves: there is no pooler in between."""
    if postgres.pooled:
        pytest.skip("is about connections to PostgreSQL itself: behind a pooler they are the pooler's")


@pytest.fixture(scope="session")
def template(postgres: PostgresServer) -> Iterator[str]:
    """Name of a migrated, empty database to copy from."""
    database = postgres.make_database()
    yield database.name
    database.drop()


@pytest.fixture
def database(postgres: PostgresServer, template: str) -> Iterator[Database]:
    """An empty, migrated database of the test's own."""
    made = postgres.make_database(template)
    yield made
    made.drop()


def settings_for(database: Database, /, **sections: dict[str, Any]) -> Settings:
    """Settings that point at a database, with far limits; sections are given as dictionaries of keys."""
    base = Settings(database=DatabaseSettings(url=database.service_url, prepared_statements=not database.server.pooled))
    names = PATIENT.keys() | sections.keys()
    changed = {
        name: dataclasses.replace(getattr(base, name), **{**PATIENT.get(name, {}), **sections.get(name, {})})
        for name in names
    }
    return dataclasses.replace(base, **changed)


@pytest.fixture
def make_app(database: Database) -> Iterator[Callable[..., flask.Flask]]:
    """Builds and starts apps on the test's database: make_app(buffer={"size": 10}, services={"sink": …})."""
    made: list[Services] = []

    def make(*, services: dict[str, Any] | None = None, **sections: dict[str, Any]) -> flask.Flask:
        settings = settings_for(database, **sections)
        parts = Services(settings, **(services or {}))
        app = create_app(settings, parts)
        parts.start()
        made.append(parts)
        wait_until(lambda: parts.monitor.state.connected, what="database connected")
        return app

    yield make
    for parts in made:
        parts.stop()


@pytest.fixture
def app(make_app: Callable[..., flask.Flask]) -> flask.Flask:
    """The running service with default settings on an empty database."""
    return make_app()


@pytest.fixture
def client(app: flask.Flask) -> flask.testing.FlaskClient:
    """A client of the running service."""
    return app.test_client()
