from __future__ import annotations

from pathlib import Path

import pytest

from app.config import checks
from app.configuration import load_settings
from tests.unit.config.helpers import env, faults


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({"BUFFER__FLUSH_TIMEOUT": "4500ms"}, False),
        ({"BUFFER__FLUSH_TIMEOUT": "4499ms"}, True),
        ({"REDIS__SPILL_TIMEOUT": "2s"}, False),
        ({"BUFFER__COMMIT_TIMEOUT": "7s"}, False),
        ({"BUFFER__COMMIT_TIMEOUT": "7001ms"}, True),
        ({"BUFFER__FLUSH_STATEMENT_TIMEOUT": "3s"}, False),
        ({"BUFFER__FLUSH_STATEMENT_TIMEOUT": "2999ms"}, True),
    ],
)
def test_a_waiter_must_outlast_two_flushes_and_spills(values: dict[str, str], good: bool) -> None:
    if good:
        load_settings(None, env(**values))
    else:
        [fault] = faults(env(**values))
        assert "must be less than" in fault


def test_a_probe_needs_time() -> None:
    assert faults(env(HEALTH__PROBE_TIMEOUT="0")) == ["health.probe_timeout must be more than 0"]


@pytest.mark.parametrize("section", ["DATABASE", "REDIS"])
def test_a_secret_file_must_be_there(section: str, tmp_path: Path) -> None:
    [fault] = faults(env(**{f"{section}__PASSWORD_FILE": str(tmp_path / "none")}))
    assert fault == f"{section.lower()}.password_file: cannot read {tmp_path / 'none'}"


@pytest.mark.parametrize("key", ["URL", "READ_URL", "DIRECT_URL"])
def test_a_wrong_address_is_not_shown(key: str) -> None:
    assert faults(env(**{f"DATABASE__{key}": "postgresql://u:s3cret@h:port:1/d?nope=1"})) == [
        f"database.{key.lower()} is not a PostgreSQL address: it has an option that PostgreSQL does not know"
    ]


@pytest.mark.parametrize("host", ["me:s3cret@db", "postgresql://u:s3cret@db", "db-1,,db-2", "db 1"])
def test_a_wrong_host_is_not_shown_either(host: str) -> None:
    [fault] = faults(env(DATABASE__HOST=host))
    assert fault.startswith("database.host ")
    assert "s3cret" not in fault
    load_settings(None, env(DATABASE__HOST=host, DATABASE__URL="postgresql://used"))


@pytest.mark.parametrize("host", ["db", "10.0.0.1", "fd00::1", "db-1,db-2.example", "/run/postgresql"])
def test_hosts_of_postgresql(host: str) -> None:
    assert load_settings(None, env(DATABASE__HOST=host)).database.host == host


@pytest.mark.parametrize(
    "key", ["database.password_file", "database.direct_password_file", "redis.password_file", "database.sslrootcert"]
)
def test_secret_files_that_are_none(tmp_path: Path, fifo: Path, key: str) -> None:
    def fault_of(path: Path | str) -> str:
        [fault] = faults(env(**{key.replace(".", "__").upper(): str(path)}))
        return fault

    assert fault_of(fifo) == f"{key}: {fifo}: is a pipe, where a regular file is needed"
    assert fault_of(tmp_path) == f"{key}: {tmp_path}: is a folder, where a regular file is needed"
    assert fault_of("/dev/zero").startswith(f"{key}: /dev/zero: is larger than ")
    if key.endswith("password_file"):
        path = tmp_path / "x"
        for content, reason in ((b"", "is empty"), (b"\n", "is empty"), (b"\xff", "is not UTF-8")):
            path.write_bytes(content)
            assert fault_of(path) == f"{key}: {path}: {reason}"


def test_sentinels_go_with_an_address_over_tcp_and_their_password_with_them() -> None:
    both = {"REDIS__SENTINELS": "a:26379", "REDIS__URL": "unix:///run/redis"}
    [fault] = faults(env(**both))
    assert fault.startswith("redis.sentinels name an address over TCP")
    assert faults(env(REDIS__SENTINEL_PASSWORD_FILE=__file__)) == ["redis.sentinel_password_file needs redis.sentinels"]
    settings = load_settings(None, env(REDIS__SENTINELS="a:26379,[::1]:26379"))
    assert settings.redis.configured
    assert settings.redis.address == "redis://by-sentinels/0"


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://collector", "http://", "http://c:99999", "http://[c"])
def test_traces_go_to_an_address_over_http(endpoint: str) -> None:
    [fault] = faults(env(TRACING__ENDPOINT=endpoint))
    assert fault == "tracing.endpoint must be an address such as http://collector:4318/v1/traces"


def test_traces_need_what_sends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(None, env(TRACING__ENDPOINT="http://c:4318")).tracing.endpoint == "http://c:4318"
    monkeypatch.setattr(checks, "_TRACING_MODULES", ("opentelemetry.sdk", "nothing.like.this"))
    [fault] = faults(env(TRACING__ENDPOINT="http://c:4318"))
    assert fault == (
        "tracing.endpoint needs the extra tracing: install requirements/tracing.txt, or the wheel with [tracing]"
    )
    assert load_settings(None, env()).tracing.endpoint is None, "nothing is asked for where traces are off"


def test_a_file_of_headers_for_the_collector_must_be_one(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("s3cret")
    [fault] = faults(env(TRACING__ENDPOINT="http://c:4318", TRACING__HEADERS_FILE=str(file)))
    assert fault.startswith("tracing.headers_file: ")
    assert "s3cret" not in fault
