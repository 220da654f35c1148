"""TLS to PostgreSQL and Redis against real servers, and secrets that are rotated under a running service."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import flask
import pytest
import redis

from app import create_app
from app.config.settings import Settings
from app.config.stores import DatabaseSettings, RedisSettings
from app.postgres.migrations import migrate
from app.services import Services
from tests.certificates import Authority, Proxy, tls_proxy
from tests.support import Database, event, scratch_dir, valkey_server, wait_until

pytestmark = [pytest.mark.embedded, pytest.mark.usefixtures("direct")]
NOWHERE = DatabaseSettings(url="postgresql://nobody@127.0.0.1:9/none")
EVENTS = "/api/v1/audit/events"


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with scratch_dir() as folder:
        yield Authority(folder)


@pytest.fixture
def tls(database: Database, authority: Authority) -> Iterator[Proxy]:
    """PostgreSQL as it is reached through TLS alone, with a certificate of the client's."""
    port = int(urlsplit(database.service_url).port or 5432)
    with tls_proxy(port, *authority.issue("server"), authority.ca_file, postgres=True) as proxy:
        yield proxy


def through(url: str, proxy: Proxy) -> str:
    """The address with the proxy's port, the server's certificate demanded."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition(":")[0] + f":{proxy.port}"
    return parts._replace(netloc=netloc, query="sslmode=verify-full").geturl()


@pytest.fixture
def run() -> Iterator[Callable[[Settings], flask.Flask]]:
    """Starts a service; it is stopped after the test."""
    started: list[Services] = []

    def start(settings: Settings) -> flask.Flask:
        parts = Services(settings)
        app = create_app(settings, parts)
        parts.start()
        started.append(parts)
        return app

    yield start
    for parts in started:
        parts.stop()


def parts_of(app: flask.Flask) -> Services:
    parts: Services = app.extensions["datastorage"]
    return parts


def stored(app: flask.Flask) -> bool:
    return app.test_client().post(EVENTS, json=event()).status_code == 201


def sessions(database: Database) -> set[str]:
    """The service's connections by their names, as PostgreSQL sees them."""
    rows = database.query("SELECT application_name FROM pg_stat_activity WHERE datname = current_database()")
    return {name for [name] in rows if name.startswith("datastorage-")}


def test_every_connection_to_postgresql_is_verified_tls(
    database: Database, tls: Proxy, authority: Authority, run: Callable[[Settings], flask.Flask]
) -> None:
    certificate, key = authority.issue("datastorage-client")
    base = DatabaseSettings(
        url=through(database.service_url, tls),
        read_url=through(database.service_url, tls),
        direct_url=through(database.owner_url, tls),
        sslrootcert=str(authority.ca_file),
        sslcert=str(certificate),
        sslkey=str(key),
    )
    app = run(Settings(database=base))
    wait_until(lambda: stored(app), what="a write over TLS")
    assert app.test_client().get(EVENTS).json["data"]
    # The proxy is the only way that the service knows, so all of these came through it.
    assert {"datastorage-flusher", "datastorage-replica", "datastorage-monitor"} <= sessions(database)
    assert migrate(base.migration_conninfo()) == []
    assert set(tls.clients) == {"datastorage-client"}
    assert len(tls.clients) >= 4


@pytest.mark.parametrize("case", ["no authority", "another authority", "no certificate", "no TLS"])
def test_a_server_or_client_that_nobody_vouches_for_is_refused(
    database: Database,
    tls: Proxy,
    authority: Authority,
    run: Callable[[Settings], flask.Flask],
    tmp_path: Path,
    case: str,
) -> None:
    certificate, key = authority.issue("datastorage-client")
    settings = DatabaseSettings(
        url=through(database.service_url, tls),
        sslrootcert=str(authority.ca_file),
        sslcert=str(certificate),
        sslkey=str(key),
    )
    changed: dict[str, Any] = {
        "no authority": {"sslrootcert": None},
        "another authority": {"sslrootcert": str(Authority(tmp_path, "other").ca_file)},
        "no certificate": {"sslcert": None, "sslkey": None},
        "no TLS": {"url": settings.url.replace("verify-full", "disable")},  # type: ignore[union-attr]
    }
    app = run(Settings(database=dataclasses.replace(settings, **changed[case])))
    wait_until(lambda: parts_of(app).monitor.state.seen, what="an attempt")
    assert not parts_of(app).monitor.state.connected
    assert post(app) == 503
    assert sessions(database) == set()


def test_a_rotated_password_of_postgresql_is_picked_up(
    database: Database, run: Callable[[Settings], flask.Flask], tmp_path: Path
) -> None:
    from psycopg import conninfo

    old = conninfo.conninfo_to_dict(database.service_url)
    file = tmp_path / "password"
    file.write_text(f"{old['password']}\n")
    settings = DatabaseSettings(host="127.0.0.1", port=int(old["port"]), name=database.name, password_file=str(file))
    app = run(Settings(database=settings))
    wait_until(lambda: stored(app), what="a write with the old password")
    new = "p@ss'w\\rd: %41 ü"
    try:
        database.query("ALTER ROLE datastorage PASSWORD '" + new.replace("'", "''") + "'")
        assert stored(app), "connections that are there stay"
        ours = "datname = %s AND usename = 'datastorage'"
        database.query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}", database.name)
        wait_until(lambda: parts_of(app).monitor.state.deployment_fault, what="the old password refused")
        # A mistake of those who run it, not an outage: health says which of the two to look for.
        health = app.test_client().get("/health")
        assert (health.status_code, health.json["reasons"]) == (503, ["database_refuses_connections"])
        assert not stored(app)
        file.write_text(new + "\n")
        wait_until(lambda: stored(app), what="a write with the new password")
        assert app.test_client().get(EVENTS).status_code == 200
    finally:
        database.query("ALTER ROLE datastorage PASSWORD '" + str(old["password"]).replace("'", "''") + "'")


def test_redis_over_tls_with_a_password_that_is_rotated(
    database: Database, authority: Authority, run: Callable[[Settings], flask.Flask], tmp_path: Path
) -> None:
    server_files, client_files = authority.issue("redis-server"), authority.issue("redis-client")
    file = tmp_path / "password"
    with (
        valkey_server() as valkey,
        tls_proxy(valkey.port, *server_files, authority.ca_file) as proxy,
        redis.Redis.from_url(valkey.url()) as admin,
    ):
        admin.acl_setuser("writer", enabled=True, passwords=["+old"], categories=["+@all"], keys=["*"])
        file.write_text("old\n")
        connection = RedisSettings(
            url=f"rediss://writer@127.0.0.1:{proxy.port}/0",
            password_file=str(file),
            ca_file=str(authority.ca_file),
            cert_file=str(client_files[0]),
            key_file=str(client_files[1]),
        )
        app = run(Settings(database=NOWHERE, redis=connection))
        wait_until(lambda: post(app) == 202, what="a spill over TLS")
        admin.acl_setuser("writer", enabled=True, passwords=["-old", "+new p@ss:%41"])
        admin.client_kill_filter(skipme=True)
        wait_until(lambda: parts_of(app).queue_state().status == "unreachable", what="the old password refused")
        assert post(app) == 503
        file.write_text("new p@ss:%41")
        wait_until(lambda: post(app) == 202, what="a spill with the new password")
        for wrong in ({"cert_file": None, "key_file": None}, {"ca_file": None}):
            other = run(Settings(database=NOWHERE, redis=dataclasses.replace(connection, **wrong)))
            assert post(other) == 503
            assert parts_of(other).queue_state().status == "unreachable"


def post(app: flask.Flask) -> int:
    return app.test_client().post(EVENTS, json=event()).status_code


def test_a_password_in_the_address_of_redis_works_beside_none_in_a_file(
    database: Database, run: Callable[[Settings], flask.Flask], tmp_path: Path
) -> None:
    with valkey_server() as valkey, redis.Redis.from_url(valkey.url()) as admin:
        password = "a:b@c/d %"
        admin.config_set("requirepass", password)
        (tmp_path / "password").write_text(password)
        for given in (
            RedisSettings(url=f"redis://:{quote(password, safe='')}@127.0.0.1:{valkey.port}"),
            RedisSettings(url=f"redis://127.0.0.1:{valkey.port}", password_file=str(tmp_path / "password")),
            RedisSettings(url=f"redis://:wrong@127.0.0.1:{valkey.port}", password_file=str(tmp_path / "password")),
        ):
            app = run(Settings(database=NOWHERE, redis=given))
            wait_until(lambda app=app: post(app) == 202, what="a spill")


def test_the_file_is_gone_for_a_while(run: Callable[[Settings], flask.Flask], tmp_path: Path) -> None:
    with valkey_server() as valkey:
        file = tmp_path / "password"
        settings: dict[str, Any] = {"url": f"redis://127.0.0.1:{valkey.port}", "password_file": str(file)}
        app = run(Settings(database=NOWHERE, redis=RedisSettings(**settings)))
        wait_until(lambda: parts_of(app).queue_watch is not None and post(app) == 503, what="no password")
        file.write_text(valkey._password("default"))
        wait_until(lambda: post(app) == 202, what="a spill")
