"""The commands of `datastorage`: those of every installed package, each imported only when it is used.

A package registers its commands as entry points of the group ``datastorage.commands``, and a mapping of their lines of
help in the group ``datastorage.help``.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any

import click
from datastorage_common import terminal
from datastorage_common.files import as_text
from datastorage_common.terminal import printable

from datastorage_client.installing import advice, service_advice

# What Python makes of bytes of a command line that are not UTF-8, and other surrogates, which no text may hold.
_UNDECODED = re.compile("[\ud800-\udfff]")
_COMMANDS = "datastorage.commands"
_HELP = "datastorage.help"
# Commands that check signatures.
_VERIFYING = ("log", "verify")


class Words(click.types.StringParamType):
    """Any text. Bytes that are not UTF-8 are refused here: nothing that they are compared with could hold them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = super().convert(value, param, ctx)
        if _UNDECODED.search(text):
            self.fail(f"{printable(as_text(text))} is not UTF-8", param, ctx)
        return text


class InstalledCommands(click.Group):
    """A click group of what the installed packages register: `datastorage serve` must not pay for progress bars."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        terminal.prepare()
        try:
            return super().main(*args, **kwargs)
        except OSError as e:
            terminal.give_up(e)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(set(entry_points(group=_COMMANDS).names))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        commands = [_load(found) for found in _by_package(_COMMANDS, name=name)]
        if not commands:
            return None
        for command in commands:
            _take_text_only(command)
        first, *others = commands
        # One group of two packages, each with commands of its own.
        for other in others:
            assert isinstance(first, click.Group)  # noqa: S101 - a wiring mistake, not a user's
            assert isinstance(other, click.Group)  # noqa: S101
            first.commands.update(other.commands)
        return first

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines: dict[str, str] = {}
        for found in _by_package(_HELP):
            lines = found.load() | lines
        with formatter.section("Commands"):
            formatter.write_dl([(name, lines.get(name, "")) for name in self.list_commands(ctx)])


def _by_package(group: str, name: str | None = None) -> list[EntryPoint]:
    """The entry points of a group; the service's first, whose words are about more."""
    found = entry_points(group=group) if name is None else entry_points(group=group, name=name)
    return sorted(found, key=lambda point: point.dist is not None and point.dist.name == "datastorage-client")


def _load(found: EntryPoint) -> click.Command:
    try:
        command = found.load()
    except ModuleNotFoundError as e:
        package = "" if found.dist is None else found.dist.name
        extra = "cli" if package == "datastorage-client" else "dev" if found.module.startswith("devserver") else ""
        if extra == "cli" and found.name in _VERIFYING:
            extra = "cli,verify"
        module = str(e.name).partition(".")[0]
        how = advice(module, extra) if package == "datastorage-client" else service_advice(module, extra)
        click.echo(f"datastorage: {found.name} needs {module}, which is not installed: {how}", err=True)
        sys.exit(1)
    assert isinstance(command, click.Command)  # noqa: S101 - a wiring mistake, not a user's
    return command


def _take_text_only(command: click.Command) -> None:
    """Give every option of a command and of those below it that takes any text the type `Words`."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = Words()
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _take_text_only(below)


def _show_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    try:
        installed = version("datastorage")
    except PackageNotFoundError:  # the client alone
        installed = version("datastorage-client")
    click.echo(f"{ctx.info_name}, version {installed}")
    ctx.exit()


@click.command(cls=InstalledCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def datastorage() -> None:
    """Data Storage Service: audit events and workflows, kept."""
