"""`datastorage dev` as a command: its help, and what it refuses before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage


def test_the_help_has_examples() -> None:
    result = CliRunner().invoke(datastorage, ["dev", "--help"])
    assert result.exit_code == 0
    assert "DATABASE_URL=" in result.output
    assert "PORT=8081" in result.output


def test_a_port_in_use_ends_the_command_with_one_line(taken_port: int, tmp_path: Path) -> None:
    result = CliRunner().invoke(datastorage, ["dev"], env={"PORT": str(taken_port), "DATA_DIR": str(tmp_path)})
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert f"port {taken_port} is in use" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        ((), {"PORT": "abc"}, "PORT: 'abc'"),
        ((), {"PORT": "", "DATASTORAGE_SERVER__PORT": "70000"}, "DATASTORAGE_SERVER__PORT: '70000'"),
        (("--port", "0"), {"PORT": "8081"}, "'--port': '0'"),
    ],
)
def test_a_wrong_port_is_told_with_where_it_comes_from(
    arguments: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    result = CliRunner().invoke(datastorage, ["dev", *arguments], env=environ)
    assert result.exit_code == 2
    assert f"Invalid value for {told} is not a number from 1 to 65535\n" in result.stderr


def test_a_wrong_setting_ends_the_command_before_anything_starts(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        datastorage, ["dev"], env={"DATASTORAGE_BUFFER__SIZE": "many", "DATA_DIR": str(tmp_path)}
    )
    assert result.exit_code == 2
    assert "buffer.size must be" in result.output
    assert list(tmp_path.iterdir()) == []
