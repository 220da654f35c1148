"""`datastorage config`: what is configured, and whether it can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import click
import orjson
import yaml
from datastorage_common.durations import parse_duration

from app.config.addresses import reached_at, with_port
from app.config.log_keys import checkpoint_file_warning
from app.config.settings import Settings
from app.config.values import parse_size, ratio
from app.configuration import exit_on_wrong_settings, load_settings, say_warnings

_config_option = click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="YAML file with settings. Default: CONFIG_PATH."
)
_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of YAML: durations in seconds, sizes in bytes."
)


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  datastorage config show --config settings.yaml --json
  datastorage config check --config settings.yaml
  datastorage config keys""",
)
@_config_option
@_json_option
@click.pass_context
def config(ctx: click.Context, config_path: str | None, as_json: bool) -> None:
    """Print the effective configuration, secrets masked (as `config show`); `config keys` explains every key."""
    ctx.obj = config_path
    if ctx.invoked_subcommand is None:
        _show(config_path, as_json)


@config.command(epilog="Example: datastorage config show --config settings.yaml --json")
@_config_option
@_json_option
@click.pass_obj
def show(given: str | None, config_path: str | None, as_json: bool) -> None:
    """Print the effective configuration, secrets masked: defaults, file and environment together."""
    _show(config_path or given, as_json)


@config.command(epilog="Example: datastorage config check --config settings.yaml && datastorage serve")
@_config_option
@click.pass_obj
def check(given: str | None, config_path: str | None) -> None:
    """Say whether the service would start with this configuration; every fault at once, exit code 2.

    The files that it names (passwords, tokens, keys, certificates) are looked at too; no server is.
    """
    settings = _load(config_path or given)
    say_warnings(settings)
    if (line := checkpoint_file_warning(settings.log)) is not None:
        click.echo(f"datastorage: {line}", err=True)
    click.echo("the configuration is good")


def _load(config_path: str | None) -> Settings:
    with exit_on_wrong_settings():
        return load_settings(config_path)


def local_url(config_path: str | None) -> str:
    """Where probes of a service with this configuration go on this machine: what `datastorage health` asks.

    Ends the command, with exit code 2, where the configuration is wrong.
    """
    settings = _load(config_path)
    return f"http://{with_port(reached_at(settings.server.hosts()), settings.health.port or settings.server.port)}"


def _show(config_path: str | None, as_json: bool) -> None:
    settings = _load(config_path)
    masked = settings.masked()
    if as_json:
        click.echo(orjson.dumps(masked, option=orjson.OPT_INDENT_2))
        return
    for section, cls in Settings.SECTIONS.items():
        for f in dataclasses.fields(cls):
            masked[section][f.name] = _in_units(masked[section][f.name], f.metadata["parse"])
    click.echo(yaml.safe_dump(masked, sort_keys=False), nl=False)


def _in_units(value: object, parse: Callable[[object], object]) -> object:
    """A duration or a size as one would write it, where that says exactly the same; anything else as it is."""
    if isinstance(value, list):
        return [_in_units(v, parse) for v in value] if all(isinstance(v, float) for v in value) else value
    if (
        isinstance(value, float)
        and value
        and parse is not ratio
        and parse_duration(text := _shown(value, parse)) == value
    ):
        return text
    if isinstance(value, int) and not isinstance(value, bool) and value and parse is parse_size:
        return _shown(value, parse)
    return value


@config.command(epilog="Example: datastorage config keys > keys.md")
def keys() -> None:
    """List every key with its default and what it does, as a Markdown table."""
    click.echo(key_table(), nl=False)


def key_table() -> str:
    """The table of all settings that the documentation holds; a default is shown as one would write it."""
    lines = ["| key | default | what it does |", "| --- | --- | --- |"]
    for section, cls in Settings.SECTIONS.items():
        for f in dataclasses.fields(cls):
            default = _shown(f.default, f.metadata["parse"])
            cell = f"`{default}`" if default else ""
            lines.append(f"| {section}.{f.name} | {cell} | {f.metadata['help']} |")
    return "\n".join(lines) + "\n"


def _shown(value: object, parse: object) -> str:
    if isinstance(value, tuple):
        return ",".join(_shown(v, parse) for v in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and parse is ratio:
        return f"{value:g}"
    if isinstance(value, float):
        return _with_unit(
            round(1000 * value), (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
        )
    if isinstance(value, int) and parse is parse_size:
        return _with_unit(value, (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024), ("", 1)))
    return "" if value is None else str(value)


def _with_unit(amount: int, units: tuple[tuple[str, int], ...]) -> str:
    """The amount in the largest unit of which it is a whole number."""
    name, size = next((name, size) for name, size in units if amount % size == 0)
    return f"{amount // size}{name}"
