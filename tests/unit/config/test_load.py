from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config.settings import Settings
from app.configuration import load_settings
from tests.unit.config.helpers import env, faults


@pytest.mark.parametrize(
    ("key", "value", "must_be"),
    [
        ("SERVER__PORT", "0", "a whole number from 1 to 65535"),
        ("SERVER__PORT", "65536", "a whole number from 1 to 65535"),
        ("SERVER__PORT", "1.5", "a whole number from 1 to 65535"),
        ("SERVER__MAX_BODY_SIZE", "5MB", "a size such as 4096, 256KiB or 5MiB"),
        ("AUTH__ALLOW_ANONYMOUS", "maybe", "true or false"),
        ("LOGGING__LEVEL", "INFO", "one of debug, info, warning, error"),
        ("DLQ__BACKOFF", "", "a list of durations such as 1m,5m,15m"),
        ("DLQ__BACKOFF", "1m,soon", "a duration such as 250ms, 10s, 5m or 7d"),
    ],
)
def test_wrong_values_are_explained(key: str, value: str, must_be: str) -> None:
    name = key.lower().replace("__", ".")
    assert faults(env(**{key: value})) == [f"DATASTORAGE_{key}: {name} must be {must_be}"]


@pytest.mark.parametrize(
    ("text", "must_be"),
    [
        ("server: {host: [a]}", "server.host must be a text"),
        ("server: {cors_allowed_origins: [1]}", "server.cors_allowed_origins must be a list of texts"),
        ("server: {port: true}", "server.port must be a whole number from 1 to 65535"),
    ],
)
def test_wrong_types_in_the_file(yaml_file: Any, text: str, must_be: str) -> None:
    path = yaml_file(text)
    assert faults(path=path) == [f"{path}: {must_be}"]


def test_environment_over_file_over_defaults(yaml_file: Any) -> None:
    path = yaml_file("server:\n  port: 1111\n  threads: 7\ndlq:\n  backoff: [1s, 2]\nlogging:\n")
    settings = load_settings(None, {"CONFIG_PATH": str(path), **env(SERVER__PORT="2222")})
    assert (settings.server.port, settings.server.threads) == (2222, 7)
    assert settings.server.keepalive == 75
    assert settings.dlq.backoff == (1.0, 2.0)


def test_a_given_path_beats_config_path(yaml_file: Any) -> None:
    path = yaml_file("server: {port: 1111}")
    assert load_settings(str(path), {"CONFIG_PATH": "nowhere.yaml"}).server.port == 1111


@pytest.mark.parametrize("text", ["", "# nothing\n", "server:\n", "server: {}\n"])
def test_an_empty_file_means_defaults(yaml_file: Any, text: str) -> None:
    assert load_settings(str(yaml_file(text)), {}) == Settings()


def test_foreign_variables_are_left_alone() -> None:
    # Kubernetes sets such names for a service called datastorage.
    assert load_settings(None, env(PORT="tcp://10.0.0.1:80", SERVICE_HOST="10.0.0.1") | {"A__B": "c"}) == Settings()


def test_all_faults_come_at_once(yaml_file: Any) -> None:
    path = yaml_file("servr: {port: 1}\nserver: {prt: 1, port: no}\nlogging: debug\nbuffer: {flush_timeout: 20s}\n")
    found = faults(env(DATABASE__POOL_SIZE="0", NOPE__A="1", NOPE__B="2"), path)
    assert found[:6] == [
        f"{path}: there is no section servr",
        f"{path}: logging must hold keys",
        f"{path}: there is no key server.prt",
        f"{path}: server.port must be a whole number from 1 to 65535",
        "DATASTORAGE_DATABASE__POOL_SIZE: database.pool_size must be a whole number from 1 to 1000",
        "DATASTORAGE_NOPE__A: there is no section nope",
    ]
    [last] = found[6:]
    assert last.startswith("2 × (buffer.flush_timeout + redis.spill_timeout) must be less than buffer.commit_timeout")


@pytest.mark.parametrize("text", ["a: [", "- a\n- b", "just text", "a: !!python/object:os.system {}"])
def test_not_a_settings_file(yaml_file: Any, text: str) -> None:
    path = yaml_file(text)
    [fault] = faults(path=path)
    assert fault.startswith(f"{path}: ")


def test_missing_file(tmp_path: Path) -> None:
    assert faults(path=tmp_path / "none.yaml") == [f"{tmp_path / 'none.yaml'}: No such file or directory"]


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"\xff\xfe\x00a")
    assert faults(path=path) == [f"{path}: is UTF-16: save it as UTF-8 (line 1)"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1,", "::1,[::1]", "127.0.0.1;::1", "a b", "[::1]:8080", "http://h", "[::1", "*"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    assert "server.host must be" in faults(env(SERVER__HOST=host))[0]


@pytest.mark.parametrize(
    "host",
    [
        "localhost,127.0.0.1",
        "::1,0:0:0:0:0:0:0:1",
        "127.0.0.1,::ffff:127.0.0.1",
        "0.0.0.0,127.0.0.1",
        "0.0.0.0,localhost",
        "[::],[::1]",
        "[::],10.0.0.1",
        "0.0.0.0,[::],[::1]",
    ],
)
def test_an_address_that_another_host_has_already_is_refused(host: str) -> None:
    """The second socket would find it in use."""
    [fault] = faults(env(SERVER__HOST=host, AUTH__ALLOW_ANONYMOUS="true"))
    assert "server.host must be different addresses" in fault


def test_a_settings_file_that_is_none(tmp_path: Path, fifo: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"# " + b"x" * 1024**2)
    for path, reason in (
        (tmp_path, "is a folder, where a regular file is needed"),
        (fifo, "is a pipe, where a regular file is needed"),
        (large, "is larger than 1048576 bytes"),
        ("/dev/zero", "is larger than 1048576 bytes"),
        (tmp_path / "no\nne", None),
    ):
        [fault] = faults(path=path)  # type: ignore[arg-type]
        assert fault == (f"{path}: {reason}" if reason else f"{tmp_path}/no\\nne: No such file or directory")
    assert load_settings("/dev/null", {}) == Settings()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("server: {port: 1}\nserver: {port: 2}\n", "server: stands here twice (line 2)"),
        ("server:\n  port: 010000\n", "a number that YAML 1.1 and 1.2 read differently"),
        ("a: &a [*a]\n", "an alias stands inside of what it stands for (line 1)"),
        ("a: 1\n---\nb: 2\n", "holds 2 documents where one is read (line 2)"),
        ("[" * 1000, "nested deeper than 64 levels (line 1)"),
        ("database: {password_file: *s3cret}", "is not YAML: found undefined alias (line 1)"),
        ("database:\n\tname: x", "is not YAML: a tab stands where YAML takes spaces only (line 2)"),
    ],
)
def test_yaml_that_is_not_taken(yaml_file: Any, text: str, fault: str) -> None:
    path = yaml_file(text)
    [told] = faults(path=path)
    assert told.startswith(f"{path}: {fault}")
    assert "\n" not in told
    assert "s3cret" not in told


@pytest.mark.parametrize("text", ["no", "off", "False", "'no'", "0x0"])
def test_booleans_of_yaml_1_1_go_on_to_work(yaml_file: Any, text: str) -> None:
    if text == "0x0":
        assert load_settings(str(yaml_file(f"health: {{port: {text}}}")), {}).health.port == 0
    else:
        assert load_settings(str(yaml_file(f"auth: {{protect_metrics: {text}}}")), {}).auth.protect_metrics is False


def test_variables_of_other_bytes_than_utf_8_are_named() -> None:
    assert faults(env(SERVER__HOST="\udcff", NOPE__NAME="\udcff")) == [
        "DATASTORAGE_SERVER__HOST: holds bytes that are not UTF-8",
        "DATASTORAGE_NOPE__NAME: holds bytes that are not UTF-8",
    ]


@pytest.mark.parametrize(
    "value", ["a", "a:b", "a:0", "a:70000", ":26379", "u@a:26379", "a:26379/0", "a:1,b", "::1:26379"]
)
def test_sentinels_are_addresses_with_a_port(value: str) -> None:
    assert faults(env(REDIS__SENTINELS=value)) == [
        "DATASTORAGE_REDIS__SENTINELS: redis.sentinels must be a list of host:port, such as sentinel-0:26379"
    ]
