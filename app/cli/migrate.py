"""`datastorage migrate`: brings the schema up to date."""

from __future__ import annotations

import os
import sys

import click

from app.audit.own_events import OwnEvents
from app.audit.service_events import ServiceEvents
from app.audit.store import append
from app.clock import Clock
from app.configuration import exit_on_wrong_settings, load_settings, say_warnings
from app.postgres.migrations import MigrationError
from app.postgres.migrations import migrate as run
from app.postgres.sessions import Connection


@click.command(epilog="Example: DATASTORAGE_DATABASE__DIRECT_URL=postgresql://owner@db/datastorage datastorage migrate")
@click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="YAML file with settings. Default: CONFIG_PATH."
)
def migrate(config_path: str | None) -> None:
    """Apply the migrations that the database lacks, and give the service's role its rights.

    Connects with database.direct_url (the role that owns the tables) or else as the service does. Safe to run
    again, and from several places at once. The service may go on writing: for a lock this waits a moment only and
    tries again, for up to five minutes, and indexes are made month by month beside the writes. That may take long on
    large tables; what was stopped halfway is taken up where it was by the next run.
    """
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        click.echo(line)

    try:
        # It listens to nobody: what an open address demands of the service is not asked of it.
        with exit_on_wrong_settings():
            settings = load_settings(config_path, {**os.environ, "DATASTORAGE_SERVER__HOST": "127.0.0.1"})
        say_warnings(settings)
        d = settings.database
        record = record_migrations if settings.audit.record_service else None
        run(d.migration_conninfo(), service_role=d.service_role(), schema=d.schema, say=say, record=record)
    except MigrationError as e:
        click.echo(f"datastorage: {e}", err=True)
        sys.exit(1)
    if not lines:
        click.echo("the schema is up to date")


def record_migrations(conn: Connection, names: list[str]) -> None:
    """Store that the migrations were applied, as the role that applied them."""
    append(conn, [ServiceEvents(OwnEvents(Clock().now)).migrated(names, conn.info.user)])
