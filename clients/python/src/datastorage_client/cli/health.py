"""`datastorage health`: asks a running service how it is, for people and for container engines."""

from __future__ import annotations

import sys

import click
from datastorage_common.terminal import printable

from datastorage_client.cli.errors import DEFAULT_URL, ServiceError, UnreachableError
from datastorage_client.cli.hooks import hook
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import check_url

# The service answers a probe within a second, also while a store behind it hangs.
_TIMEOUT_SECONDS = 2.0
_SHOWN_BYTES = 2000


@click.command(
    epilog="Examples: datastorage health; datastorage health --live; datastorage health --url http://db-api:8080"
)
@click.option("--live", "path", flag_value="/health/live", help="Only whether the service runs.")
@click.option("--ready", "path", flag_value="/health/ready", help="Whether it can keep a write (the default).")
@click.option(
    "--report", "path", flag_value="/health", help="The report for people: both stores, and what is degraded."
)
@click.option(
    "--url",
    envvar="DATASTORAGE_URL",
    show_envvar=True,
    callback=lambda ctx, parameter, value: check_url(ctx, parameter, value) if value else None,
    help="Where the service is. Default: on this machine, at the port of the configuration.",
)
@click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="YAML file with settings. Default: CONFIG_PATH."
)
def health(path: str | None, url: str | None, config_path: str | None) -> None:
    """Print the answer of a probe; exit 0 if it is 200, else 1.

    Without --url the service on this machine is asked, at health.port if there is one, so that an image needs no
    other program for its health check.
    """
    where, path = url or _local(config_path), path or "/health/ready"
    try:
        client = HTTPClient(where, connect_timeout_s=_TIMEOUT_SECONDS, read_timeout_s=_TIMEOUT_SECONDS)
        status, text = client.probe(path, _SHOWN_BYTES)
    except UnreachableError as e:
        hint = "" if e.connected else "; start the service, or say where it is with --url or DATASTORAGE_URL"
        click.echo(printable(f"datastorage: no answer from {where}{path} ({e.reason}){hint}"), err=True)
        sys.exit(1)
    except ServiceError as e:
        click.echo(f"datastorage: {e}", err=True)
        sys.exit(1)
    click.echo(printable(text.strip()))
    sys.exit(0 if status == 200 else 1)


def _local(config_path: str | None) -> str:
    # Only the service's package can read its settings.
    configured = hook("local_url")
    return DEFAULT_URL if configured is None else str(configured(config_path))
