"""The service as it runs in production, for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import Database, GunicornService, PostgresServer, Valkey, shared_valkey


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """The Valkey that tests share; nobody kills it."""
    with shared_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def service(
    postgres: PostgresServer, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GunicornService]:
    """One running service that tests share; they must not stop it, and find only what they wrote."""
    database = postgres.make_database()
    running = GunicornService(
        {"DATASTORAGE_DATABASE__URL": database.service_url, "DATASTORAGE_REDIS__URL": valkey.url(0)},
        tmp_path_factory.mktemp("service") / "gunicorn.log",
    )
    running.start()
    yield running
    running.stop()
    database.drop()


@pytest.fixture
def run_service(database: Database, tmp_path: Path) -> Iterator[Callable[..., GunicornService]]:
    """Starts services of the test's own on its database: run_service(buffer__size="10")."""
    running: list[GunicornService] = []

    def run(*, start: bool = True, **keys: str) -> GunicornService:
        environ = {f"DATASTORAGE_{key.upper()}": value for key, value in keys.items()}
        environ.setdefault("DATASTORAGE_DATABASE__URL", database.service_url)
        made = GunicornService(environ, tmp_path / f"gunicorn-{len(running)}.log")
        if start:
            made.start()
        running.append(made)
        return made

    yield run
    for made in running:
        if made.process is not None and made.process.poll() is None:
            made.stop()
