"""The connection of `datastorage log`, and what its commands say in one line where they fail."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

import click
import psycopg
from datastorage_common.files import ReadError
from datastorage_common.notes import NoteError, VerifierKey

from app.audit.own_events import OwnEvents
from app.audit.service_events import ServiceEvents
from app.clock import Clock
from app.config.log import LogSettings
from app.config.log_keys import load_keys
from app.config.settings import Settings
from app.configuration import exit_on_wrong_settings, load_settings, say_warnings
from app.dlq.endpoint import Endpoint
from app.postgres.errors import one_line
from app.postgres.sessions import Connection, Limits, connect
from app.postgres.watchdog import Watchdog
from app.transparency.acts import ActRefusedError
from app.transparency.log_store import LogBrokenError
from app.transparency.memories import Memory, make_memories

# Closing counts all old records.
_LIMITS = Limits(statement=900.0, lock=10.0)

config_option = click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="YAML file with settings. Default: CONFIG_PATH."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings_of(config_path: str | None) -> Settings:
    """The settings; ends the command with exit code 2 where they are wrong."""
    # It listens to nobody: what an open address demands of the service is not asked of it.
    with exit_on_wrong_settings():
        settings = load_settings(config_path, {**os.environ, "DATASTORAGE_SERVER__HOST": "127.0.0.1"})
    say_warnings(settings)
    return settings


@contextlib.contextmanager
def connected(config_path: str | None) -> Iterator[tuple[Connection, Settings]]:
    """A connection as the owner of the tables, or as the service; ends the command with one line if it fails."""
    settings = settings_of(config_path)
    watchdog = Watchdog(Clock())
    watchdog.start()
    name = ""
    try:
        with connect(settings.database.as_owner(), "log", _LIMITS, watchdog) as conn:
            name = conn.info.dbname
            yield conn, settings
    except ActRefusedError as e:
        end(str(e))
    except LogBrokenError as e:
        end(f"the log's tables contradict each other: {e}")
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        end(
            f"the database {name} has no log in its schema {settings.database.schema} yet: run `datastorage migrate`, "
            "or set database.url and database.schema to where the log is"
        )
    except psycopg.errors.InsufficientPrivilege as e:
        end(f"{one_line(e)}: database.direct_url is the address of the role that owns the tables")
    except (psycopg.OperationalError, OSError) as e:
        end(f"{one_line(e)} (this asks PostgreSQL, not the service: by database.direct_url, or else by database.url)")
    except psycopg.Error as e:
        end(one_line(e))
    finally:
        watchdog.stop()


@contextlib.contextmanager
def memories_of(settings: Settings) -> Iterator[list[Memory]]:
    """The memories that are set up, in their order."""
    memories = make_memories(settings.log, Endpoint(settings.redis) if settings.redis.configured else None)
    try:
        yield memories
    finally:
        for memory in memories:
            memory.close()


def keys_of(settings: LogSettings) -> list[VerifierKey]:
    """The verifier keys of `log.key_file`; none where it cannot be read here."""
    try:
        return [key.verifier for key in load_keys(settings)]
    except (ReadError, NoteError):
        return []


def own_events() -> ServiceEvents:
    """Makes the events about what a command did."""
    return ServiceEvents(OwnEvents(Clock().now))


def end(why: str) -> NoReturn:
    """End the command with a line."""
    click.echo(f"datastorage: {why}", err=True)
    sys.exit(1)
