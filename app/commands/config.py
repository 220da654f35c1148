"""`datastorage config`: what is configured, and whether it can be."""

from __future__ import annotations

import dataclasses
import sys

import click
import orjson
import yaml

from app.config import ConfigError, Settings, load_settings


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
    """The table of all settings that the documentation holds."""
    lines = ["| key | default | what it does |", "| --- | --- | --- |"]
    for section, cls in Settings.SECTIONS.items():
        lines += [
            f"| {section}.{f.name} | `{_shown(f.default)}` | {f.metadata['help']} |" for f in dataclasses.fields(cls)
        ]
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
