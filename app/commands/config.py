"""`datastorage config`: what is configured, and whether it can be."""

from __future__ import annotations

import dataclasses
import sys

import click
import orjson
import yaml

from app.config import ConfigError, Settings, load_settings, parse_size


@click.group(invoke_without_command=True, epilog="Example: datastorage config --config settings.yaml --json")
@click.option("--config", "config_path", metavar="FILE", help="YAML file with settings. Default: CONFIG_PATH.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
@click.pass_context
def config(ctx: click.Context, config_path: str | None, as_json: bool) -> None:
    """Print the effective configuration, secrets masked; `config keys` explains every key."""
    if ctx.invoked_subcommand is not None:
        return
    try:
        masked = load_settings(config_path).masked()
    except ConfigError as e:
        for fault in e.faults:
            click.echo(f"datastorage: {fault}", err=True)
        sys.exit(2)
    if as_json:
        click.echo(orjson.dumps(masked, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(yaml.safe_dump(masked, sort_keys=False), nl=False)


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
