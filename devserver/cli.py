"""`datastorage dev`: the command, its options, and what it says when it fails."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
from datastorage_common.files import as_text
from datastorage_common.jsonvalue import is_storable_text

from app.configuration import exit_on_wrong_settings
from app.postgres.migrations import MigrationError
from devserver.errors import DevError
from devserver.localrun import LocalRun

PORT_VARIABLES = ("PORT", "DATASTORAGE_SERVER__PORT")


class PortType(click.IntRange):
    """A port; a wrong one is told with the name of the variable that it came from, as `make run` knows no options."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            source = ctx.get_parameter_source(str(param.name)) if ctx is not None and param is not None else None
            names = PORT_VARIABLES if source is click.core.ParameterSource.ENVIRONMENT else ()
            hint = next((name for name in names if os.environ.get(name) == value), None)
            raise click.BadParameter(f"{value!r} is not a number from 1 to 65535", ctx, param, hint) from None


def _folder(ctx: click.Context, parameter: click.Parameter, value: Path) -> Path:
    # PostgreSQL's and Valkey's own files name it, as text.
    if not is_storable_text(str(value.absolute())):
        raise click.BadParameter(f"{as_text(value.absolute())} is not UTF-8: choose another folder", ctx, parameter)
    return value


@click.command(
    epilog="""\b
Examples:
  datastorage dev
  PORT=8081 DATA_DIR=/tmp/second datastorage dev
  DATABASE_URL=postgresql://owner:secret@db/datastorage REDIS_URL=redis://cache/0 datastorage dev
  DATASTORAGE_SERVER__WORKERS=1 DATASTORAGE_LOGGING__LEVEL=debug datastorage dev
"""
)
@click.option(
    "--port",
    type=PortType(1, 65535),
    envvar=PORT_VARIABLES,
    default=8080,
    show_default=True,
    help="Port of the service (or PORT).",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="DATA_DIR",
    callback=_folder,
    default=Path(".data"),
    show_default=True,
    help="Where PostgreSQL and Valkey keep their files (or DATA_DIR).",
)
def dev(port: int, data_dir: Path) -> None:
    """Run everything on this machine: PostgreSQL, Valkey and the service.

    Ctrl-C stops it all; the data stays, and the next start finds it again. PostgreSQL or Valkey that is killed is
    started again, so that an outage can be tried (kill -9). DATABASE_URL and REDIS_URL name servers
    to use instead of the embedded ones (the environment only: a command line can be read by others). Any
    DATASTORAGE_SECTION__KEY reaches the service.
    """
    try:
        with exit_on_wrong_settings():
            code = LocalRun(os.environ, port, data_dir).run()
    except (DevError, MigrationError) as e:
        click.echo(f"datastorage: {e}", err=True)
        sys.exit(1)
    sys.exit(code)
