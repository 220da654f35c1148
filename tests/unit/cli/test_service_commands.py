"""The commands of the service's own package: config, serve and migrate."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage

from app.cli import migrate as migrate_command
from app.cli import serve as serve_command
from app.cli.config import key_table
from app.config.settings import Settings
from app.config.stores import DatabaseSettings
from app.postgres.migrations import MigrationError, migrations, required_version

SECRET = "hunter2"


def run(*arguments: str, **environ: str) -> Result:
    """The command in an environment that has only the settings given here."""
    clean: dict[str, str | None] = {"CONFIG_PATH": None, "DATASTORAGE_DATABASE__URL": None}
    clean |= {"DATABASE_URL": None, "REDIS_URL": None, **environ}
    return CliRunner().invoke(datastorage, list(arguments), env=clean, terminal_width=100)


# --- config -------------------------------------------------------------------------------------------------


def test_config_shows_what_is_in_effect(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("server: {port: 9000}\n")
    environ = {"DATASTORAGE_DATABASE__URL": f"postgresql://u:{SECRET}@db/d", "DATASTORAGE_SERVER__THREADS": "7"}
    as_yaml = run("config", "--config", str(path), **environ)
    as_json = run("config", "--json", CONFIG_PATH=str(path), **environ)
    shown = yaml.safe_load(as_yaml.output)
    plain = json.loads(as_json.output)
    assert (shown["server"]["switch_interval"], plain["server"]["switch_interval"]) == ("5ms", 0.005)
    assert (shown["server"]["max_body_size"], plain["server"]["max_body_size"]) == ("5MiB", 5 * 1024**2)
    assert shown["dlq"]["backoff"] == ["1m", "5m", "15m", "1h", "4h", "1d"]
    assert {s: list(keys) for s, keys in shown.items()} == {s: list(keys) for s, keys in plain.items()}
    assert (shown["server"]["port"], shown["server"]["threads"]) == (9000, 7)
    assert shown["database"]["url"] == "postgresql://u:****@db/d"
    assert SECRET not in as_yaml.output + as_json.output


def test_what_config_prints_is_a_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(run("config").output)
    assert run("config", "--config", str(path)).output == run("config").output
    assert run("config", "--config", str(path), "--json").output == run("config", "--json").output


@pytest.mark.parametrize("given", ["0", "0.0005", "1.5", "90", "1h30m", "0.1"])
def test_units_change_no_duration(tmp_path: Path, given: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(run("config", DATASTORAGE_SERVER__SWITCH_INTERVAL=given).output)
    plain = json.loads(run("config", "--json", "--config", str(path)).output)
    assert plain == json.loads(run("config", "--json", DATASTORAGE_SERVER__SWITCH_INTERVAL=given).output)


@pytest.mark.parametrize("command", ["config", "serve"])
def test_each_fault_is_a_line(command: str) -> None:
    result = run(command, DATASTORAGE_SERVER__PORT="no", DATASTORAGE_NOPE__X="1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "datastorage: DATASTORAGE_SERVER__PORT: server.port must be a whole number from 1 to 65535",
        "datastorage: DATASTORAGE_NOPE__X: there is no section nope",
    ]


def test_config_keys() -> None:
    result = run("config", "keys")
    assert result.output == key_table()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in result.output.splitlines()]
    assert rows[0] == ["key", "default", "what it does"]
    assert all(len(row) == 3 and row[2] for row in rows)
    keys = [f"{section}.{f.name}" for section, cls in Settings.SECTIONS.items() for f in dataclasses.fields(cls)]
    assert [row[0] for row in rows[2:]] == keys
    shown = {row[0]: row[1].strip("`") for row in rows[2:]}
    for section, cls in Settings.SECTIONS.items():
        for f in dataclasses.fields(cls):
            text = shown[f"{section}.{f.name}"]
            assert f.metadata["parse"](text) == f.default, "a default can be written as it is shown"
    assert (shown["server.max_body_size"], shown["audit.max_event_age"]) == ("5MiB", "7d")
    assert (shown["dlq.backoff"], shown["redis.spill_timeout"]) == ("1m,5m,15m,1h,4h,1d", "500ms")


UNREAD = {
    "DATABASE_URL": "DATABASE_URL is for `datastorage dev` alone: the service reads DATASTORAGE_DATABASE__URL",
    "REDIS_URL": "REDIS_URL is for `datastorage dev` alone: the service reads DATASTORAGE_REDIS__URL",
    "DATASTORAGE_DATABASE_HOST": "DATASTORAGE_DATABASE_HOST is not read: the service reads DATASTORAGE_DATABASE__HOST, "
    "with two underscores",
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_variable_that_is_not_read_is_named(name: str) -> None:
    result = run("config", "check", **{name: f"x://u:{SECRET}@h"})
    assert (result.exit_code, result.stdout) == (0, "the configuration is good\n")
    assert result.stderr == f"datastorage: {UNREAD[name]}\n"


@pytest.mark.parametrize(
    "environ",
    [
        {"DATABASE_URL": "postgresql://other", "DATASTORAGE_DATABASE__URL": "postgresql://db/d"},
        {"DATABASE_URL": "postgresql://other", "DATASTORAGE_DATABASE__HOST": "db"},
        {"REDIS_URL": "redis://other", "DATASTORAGE_REDIS__URL": "redis://cache"},
        {"DATASTORAGE_DATABASE_PORT": "tcp://10.0.0.1:5432", "DATASTORAGE_SERVICE_HOST": "10.0.0.1"},
        {"DATASTORAGE_DATABASE_NAME": "x", "DATASTORAGE_DATABASE__NAME": "x"},
    ],
)
def test_of_variables_that_are_not_missed_nothing_is_said(environ: dict[str, str]) -> None:
    assert run("config", "check", **environ).stderr == ""


# --- serve --------------------------------------------------------------------------------------------------


def test_serve_becomes_gunicorn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("server: {port: 9000}\n")
    started: list[Any] = []
    monkeypatch.setattr(serve_command.os, "execv", lambda program, arguments: started.append((program, arguments)))
    monkeypatch.setenv("CONFIG_PATH", "")
    result = CliRunner().invoke(datastorage, ["serve", "--config", str(path)])
    assert result.exit_code == 0, result.output
    assert serve_command.os.environ["CONFIG_PATH"] == str(path), "the workers read the same file"
    assert started == [
        (
            sys.executable,
            [sys.executable, "-m", "gunicorn", "-c", str(serve_command.GUNICORN_CONF), "app.wsgi:application"],
        )
    ]
    assert serve_command.GUNICORN_CONF.is_file()


# --- migrate ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "output"),
    [([], "the schema is up to date\n"), (["applied 0001_a", "making index b"], "applied 0001_a\nmaking index b\n")],
)
def test_migrate_says_what_it_did(monkeypatch: pytest.MonkeyPatch, lines: list[str], output: str) -> None:
    asked: list[Any] = []

    def migrate(
        conninfo: str, *, service_role: str | None, schema: str, say: Callable[[str], None], record: Any
    ) -> list[str]:
        asked.append((conninfo, service_role, schema))
        for line in lines:
            say(line)
        return []

    monkeypatch.setattr(migrate_command, "run", migrate)
    result = run(
        "migrate",
        DATASTORAGE_DATABASE__URL="postgresql://service@db/d",
        DATASTORAGE_DATABASE__DIRECT_URL="postgresql://owner@db/d",
        DATASTORAGE_DATABASE__SCHEMA="audit",
    )
    assert (result.exit_code, result.output) == (0, output)
    assert asked == [("postgresql://owner@db/d", "service", "audit")]


def test_migrate_fails_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate(conninfo: str, **_: Any) -> list[str]:
        raise MigrationError("migration failed: no")

    monkeypatch.setattr(migrate_command, "run", migrate)
    result = run("migrate")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "datastorage: migration failed: no\n")


@pytest.mark.parametrize("command", [["migrate"], ["serve"], ["config", "check"], ["config", "show"]])
def test_wrong_settings_are_named_one_a_line(command: list[str]) -> None:
    result = run(*command, DATASTORAGE_BUFFER__SIZE="many", DATASTORAGE_NO__SUCH="1")
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("datastorage: DATASTORAGE_") for line in lines)


def test_migrate_without_a_server() -> None:
    settings = DatabaseSettings(url=f"postgresql://u:{SECRET}@127.0.0.1:1/d")
    assert settings.url is not None
    result = run("migrate", DATASTORAGE_DATABASE__URL=settings.url)
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("datastorage: migration failed: ")
    assert SECRET not in line


def test_migrations_are_numbered_from_one() -> None:
    numbers = [m.number for m in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert required_version() == numbers[-1]


def test_a_gap_in_the_migrations_is_a_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("0001_a.sql", "0003_b.sql", "grants.sql"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr("app.postgres.migrations.SQL_DIR", tmp_path)
    with pytest.raises(MigrationError, match="without gaps"):
        migrations()


def test_migrating_does_not_ask_for_what_an_open_listener_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the image server.host is 0.0.0.0; the migration listens to nobody and knows no tokens."""
    monkeypatch.setattr(migrate_command, "run", lambda *_, **__: [])
    assert run("migrate", DATASTORAGE_SERVER__HOST="0.0.0.0").exit_code == 0


def test_a_share_is_no_duration() -> None:
    result = run("config", "show", DATASTORAGE_TRACING__SAMPLE_RATIO="0.25")
    assert "  sample_ratio: 0.25\n" in result.output
    assert "| tracing.sample_ratio | `1` |" in run("config", "keys").output
