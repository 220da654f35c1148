"""What settings do that no other test sets: each is changed, and what it is for is looked at."""

from __future__ import annotations

import dataclasses
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import conninfo

from app import create_app
from app.audit.outcome import WriteRequest
from app.clock import Clock
from app.config.load import ConfigError
from app.config.settings import BufferSettings, DLQSettings, ServerSettings, Settings
from app.config.stores import DatabaseSettings, RedisSettings
from app.configuration import load_settings
from app.dlq.consumer import Entry
from app.dlq.endpoint import Endpoint
from app.dlq.queue import DeadLetterQueue
from app.dlq.replay import Replayer
from app.http.request_context import client_address
from app.postgres.sessions import connection_string, pins
from tests.tree import ROOT
from tests.unit.fakes import FixedClock, event, make_services

REDIS = RedisSettings(url="redis://127.0.0.1:1/0")


def test_server_keepalive_and_switch_interval_reach_gunicorn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATASTORAGE_SERVER__KEEPALIVE", "7")
    monkeypatch.setenv("DATASTORAGE_SERVER__SWITCH_INTERVAL", "9ms")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    gunicorn = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    assert gunicorn["keepalive"] == 7
    before = sys.getswitchinterval()
    try:
        gunicorn["post_worker_init"](SimpleNamespace(alive=True, begin=lambda _: None, open_log=lambda _: None))
        assert sys.getswitchinterval() == pytest.approx(0.009)
    finally:
        sys.setswitchinterval(before)


def test_server_trusted_proxies_and_proxy_header() -> None:
    settings = Settings(server=ServerSettings(trusted_proxies=("10.0.0.0/8",), proxy_header="forwarded"))
    app = create_app(settings, make_services(settings))
    environ = {"REMOTE_ADDR": "10.1.2.3"}
    with app.test_request_context("/", headers={"Forwarded": "for=203.0.113.7"}, environ_base=environ):
        assert client_address() == "203.0.113.7"
    with app.test_request_context("/", headers={"X-Forwarded-For": "203.0.113.7"}, environ_base=environ):
        assert client_address() == "10.1.2.3"


def test_auth_allow_anonymous() -> None:
    everywhere = {"DATASTORAGE_SERVER__HOST": "0.0.0.0"}
    with pytest.raises(ConfigError, match="is reachable from outside"):
        load_settings(None, everywhere)
    assert load_settings(None, {**everywhere, "DATASTORAGE_AUTH__ALLOW_ANONYMOUS": "true"})


def test_server_max_body_bytes_in_flight() -> None:
    settings = Settings(server=ServerSettings(max_body_bytes_in_flight=1234))
    bodies = make_services(settings).bodies
    bodies._reserve(1234)
    with pytest.raises(Exception, match="too many request bodies"):
        bodies._reserve(1)


def test_database_user_and_sslmode() -> None:
    settings = DatabaseSettings(user="somebody", sslmode="verify-ca")
    found = conninfo.conninfo_to_dict(connection_string(settings, "query"))
    assert (found["user"], found["sslmode"]) == ("somebody", "verify-ca")


def test_database_timeouts_and_schema() -> None:
    settings = Settings(database=DatabaseSettings(lock_timeout=7.0, statement_timeout=8.0, schema="audit"))
    database = make_services(settings).database
    made = pins(database._limits, database.settings.schema, 180000)
    assert (made["lock_timeout"], made["statement_timeout"]) == ("7000", "8000")
    assert made["search_path"] == '"audit", pg_temp'


def test_database_direct_password_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("of the owner\n")
    settings = DatabaseSettings(direct_url="postgresql://owner@db/d", direct_password_file=str(tmp_path / "password"))
    assert conninfo.conninfo_to_dict(settings.migration_conninfo())["password"] == "of the owner"


def test_database_several_hosts_mean_the_one_that_takes_writes() -> None:
    settings = DatabaseSettings(host="db-1,db-2", connect_timeout=6.0)
    found = conninfo.conninfo_to_dict(connection_string(settings, "query"))
    assert (found["host"], found["target_session_attrs"]) == ("db-1,db-2", "read-write")
    assert found["connect_timeout"] == "3", "each host has its share"
    for url, expected in (
        ("postgresql://a,b/d", "read-write"),
        ("postgresql://a,b/d?target_session_attrs=any", "any"),
        ("postgresql://a/d", None),
    ):
        assert conninfo.conninfo_to_dict(DatabaseSettings(url=url).conninfo()).get("target_session_attrs") == expected
    replicas = DatabaseSettings(read_url="postgresql://a,b/d").read_conninfo()
    assert "target_session_attrs" not in conninfo.conninfo_to_dict(replicas), "a replica takes none"


def test_buffer_max_bytes() -> None:
    assert make_services(Settings(buffer=BufferSettings(max_bytes=4321))).buffer.max_bytes == 4321


def queue(settings: Settings) -> DeadLetterQueue:
    return DeadLetterQueue(settings, FixedClock())


def test_redis_spill_timeout_bounds_connecting_and_waiting() -> None:
    made = queue(Settings(redis=dataclasses.replace(REDIS, spill_timeout=0.2)))
    options = made._client.connection_pool.connection_kwargs
    assert options["socket_connect_timeout"] + options["socket_timeout"] == pytest.approx(0.2)


def test_redis_min_replicas_and_dlq_max_bytes() -> None:
    settings = Settings(redis=dataclasses.replace(REDIS, min_replicas=2), dlq=DLQSettings(max_len=1000, max_bytes=999))
    made = queue(settings)
    record = make_services().validator.event(event())
    arguments = made._arguments([WriteRequest((record,))], "why")  # type: ignore[arg-type]
    assert arguments[:2] == [1000, 999]
    sent: list[tuple[Any, ...]] = []
    answers = [[1, 1, 0, b"5-0", b""], 1]
    connection = SimpleNamespace(send_command=lambda *words: sent.append(words), read_response=lambda: answers.pop(0))
    with pytest.raises(Exception, match="too few replicas"):
        made._call(connection, arguments, 1)
    assert sent[-1][:2] == ("WAIT", 2)


def test_redis_sentinel_service_and_the_file_of_their_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    made = Endpoint(
        RedisSettings(
            sentinels=("a:26379", "[::1]:26380"),
            sentinel_service="audit",
            sentinel_password_file=str(tmp_path / "password"),
        )
    )
    kwargs = [sentinel.connection_pool.connection_kwargs for sentinel in made._sentinels]
    assert [(k["host"], k["port"]) for k in kwargs] == [("a", 26379), ("::1", 26380)]
    assert [k["credential_provider"].get_credentials() for k in kwargs] == [("secret",)] * 2
    asked: list[str] = []
    for sentinel in made._sentinels:
        sentinel.sentinel_master = asked.append  # type: ignore[method-assign,assignment]
    made.locate()
    assert asked == ["audit", "audit"]


class Recorder:
    """Stands for Redis: keeps what it is told, and knows of no attempts."""

    def __init__(self) -> None:
        self.evaluated: list[tuple[Any, ...]] = []
        self.kept: list[str] = []

    def evalsha(self, *arguments: Any) -> int:
        self.evaluated.append(arguments)
        return 1

    def time(self) -> tuple[int, int]:
        return 1000, 0

    def hmget(self, key: str, idents: list[bytes]) -> list[bytes | None]:
        return [self.kept[-1].encode() if self.kept else None for _ in idents]

    def hset(self, key: str, ident: bytes, text: str) -> None:
        self.kept.append(text)


def test_dlq_backoff_and_dead_letter_max() -> None:
    settings = Settings(redis=REDIS, dlq=DLQSettings(backoff=(10.0, 20.0, 30.0), dead_letter_max=77))
    parts = make_services()
    clock: Clock = FixedClock()
    replayer = Replayer(settings, None, parts.validator, parts.breaker, clock)  # type: ignore[arg-type]
    redis = Recorder()
    replayer._consumers["events"]._client = redis  # type: ignore[assignment]
    entry = Entry(b"1-0", b"{}")
    for _ in range(3):
        assert replayer._count_attempt("events", entry, "why")
    waits = [float(text.split("|")[1]) - 1000 for text in redis.kept]
    assert waits == pytest.approx([10.0, 20.0])
    [buried] = redis.evaluated
    assert 77 in buried
