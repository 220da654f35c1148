"""The service as it runs in production, for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from datastorage_common.notes import make_key

from tests.support import Database, GunicornService, PostgresServer, Valkey, event, shared_valkey

LOG_KEY = make_key("log.example/audit", b"\7" * 32)


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


@pytest.fixture
def signed(run_service: Callable[..., GunicornService], tmp_path: Path) -> GunicornService:
    """A service of the test's own whose log is signed, so that feed and exports end where it is."""
    (tmp_path / "log.key").write_text(LOG_KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    return run_service(log__key_file=str(tmp_path / "log.key"))


def store(service: GunicornService, count: int, **members: object) -> list[str]:
    """Store events; their ids."""
    answer = service.request("POST", "/api/v1/audit/events/batch", [event(**members) for _ in range(count)])
    assert answer.status == 201
    ids: list[str] = answer.json["event_ids"]
    return ids
