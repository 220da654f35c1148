"""The `datastorage` command; each subcommand is a module that is imported only when it is asked for."""

from __future__ import annotations

import importlib
import re
from typing import Any

import click
from datastorage_common import terminal
from datastorage_common.files import as_text
from datastorage_common.terminal import printable

# What Python makes of bytes of a command line that are not UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")
# name → (module, attribute, one line of help). Loaded late: `datastorage serve` must not pay for progress bars.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "config": ("app.cli.config", "config", "Show or check the configuration."),
    "dev": ("devserver.cli", "dev", "Run everything on this machine: PostgreSQL, Valkey and the service."),
    "dlq": ("datastorage_client.cli.dlq", "dlq", "See and mend the dead letter queue."),
    "events": ("datastorage_client.cli.events", "events", "Query audit events and print them."),
    "health": ("datastorage_client.cli.health", "health", "Ask a running service how it is."),
    "import": ("datastorage_client.cli.import_", "import_", "Send records from files to the service."),
    "migrate": ("app.cli.migrate", "migrate", "Bring the database's schema up to date."),
    "token": ("app.cli.token", "token", "Make tokens for callers of the service."),
    "serve": ("app.cli.serve", "serve", "Run the service under gunicorn."),
    "workflows": ("datastorage_client.cli.workflows", "workflows", "Search the catalogue of workflows."),
}


class Words(click.types.StringParamType):
    """Any text. Bytes that are not UTF-8 are refused here: nothing that they are compared with could hold them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = super().convert(value, param, ctx)
        if _UNDECODED.search(text):
            self.fail(f"{printable(as_text(text))} is not UTF-8", param, ctx)
        return text


class LazyGroup(click.Group):
    """A click group that imports a subcommand's module when the subcommand is used."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        terminal.prepare()
        try:
            return super().main(*args, **kwargs)
        except OSError as e:
            terminal.give_up(e)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a wiring mistake, not a user's
        _take_text_only(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


def _take_text_only(command: click.Command) -> None:
    """Give every option of a command and of those below it that takes any text the type `Words`."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = Words()
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _take_text_only(below)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="datastorage")
def main() -> None:
    """Data Storage Service: audit events and workflows, kept."""


if __name__ == "__main__":
    main()
