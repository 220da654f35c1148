"""`datastorage serve`: the service under gunicorn."""

from __future__ import annotations

import os
import sys

import click

from app.configuration import exit_on_wrong_settings, load_settings, say_warnings
from app.resources import resource

GUNICORN_CONF = resource("gunicorn.conf.py")


@click.command(epilog="Example: DATASTORAGE_DATABASE__URL=postgresql://datastorage@db/datastorage datastorage serve")
@click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="YAML file with settings. Default: CONFIG_PATH."
)
def serve(config_path: str | None) -> None:
    """Run the service under gunicorn until SIGTERM. Settings come from the file and from DATASTORAGE_* variables."""
    if config_path is not None:
        os.environ["CONFIG_PATH"] = config_path
    with exit_on_wrong_settings():
        say_warnings(load_settings())
    arguments = [sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_CONF), "app.wsgi:application"]
    os.execv(sys.executable, arguments)  # noqa: S606 - our own interpreter, no shell
