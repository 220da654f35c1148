"""`datastorage log`: how the log of all records stands, and closing it for records from before it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Iterator

import click
import orjson
import psycopg
from datastorage_client.cli.progress import Meter
from datastorage_common.counts import counted
from datastorage_common.times import rfc3339

from app.audit.own_events import OwnEvents
from app.audit.service_events import ServiceEvents
from app.audit.store import append
from app.clock import Clock
from app.config.settings import Settings
from app.configuration import exit_on_wrong_settings, load_settings, say_unread_variables
from app.postgres.errors import one_line
from app.postgres.sessions import Connection, Limits, connect
from app.postgres.watchdog import Watchdog
from app.transparency.acts import Act, ActRefusedError, finish_intake
from app.transparency.log_store import LogBrokenError
from app.transparency.standing import Standing, standing

# A status counts no further; the index gives about a million rows a second.
_MOST = 1_000_000
# Closing counts all old records.
_LIMITS = Limits(statement=900.0, lock=10.0)
_LOOK_EVERY_SECONDS = 1.0
# A service that runs takes some in each second: it is waited for so long, and before that a line says what is amiss.
STANDSTILL_SECONDS = 60.0
WARN_SECONDS = 10.0
_NOBODY = "an instance of this release has to run"

_config_option = click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="YAML file with settings. Default: CONFIG_PATH."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    epilog="""\b
Examples:
  datastorage log status
  datastorage log intake
  datastorage log intake --finish

\b
Exit codes:
  0  told, or done
  1  refused, nothing taken in for a minute, or no connection
  2  the options or the settings are wrong"""
)
def log() -> None:
    """Look at the log that has a place for every stored record, and close it for records from before it.

    Connects to PostgreSQL with database.direct_url (the role that owns the tables) or else as the service does, which
    need not run.
    """


@log.command(epilog="Example: datastorage log status --json")
@_config_option
@_json_option
def status(config_path: str | None, as_json: bool) -> None:
    """Say how large the log is, its root, what waits for a place in it, and how far old records are taken in.

    The root is in base64; with --json in hexadecimal digits. Keep it with the size to see later whether the log was
    changed (docs/log.md).
    """
    with _connected(config_path) as (conn, _):
        found = standing(conn, most=_MOST)
    if as_json:
        click.echo(orjson.dumps(_members(found), option=orjson.OPT_INDENT_2))
        return
    for name, text in _lines(found):
        click.echo(f"{name + ':':<13}{text}")
    if found.pending and found.lag_seconds > WARN_SECONDS:
        click.echo(f"nobody seems to give places: {_NOBODY}")


@log.command(
    epilog="""\b
Examples:
  datastorage log intake
  DATASTORAGE_DATABASE__DIRECT_URL=postgresql://owner@db/datastorage datastorage log intake --finish"""
)
@_config_option
@_json_option
@click.option(
    "--finish",
    is_flag=True,
    help="Close the log for old records, once all are taken in. As the role that owns the tables.",
)
def intake(config_path: str | None, as_json: bool, finish: bool) -> None:
    """Wait until the running service has taken all records from before the log into it, and show how far it is.

    With --finish nothing is waited for: the log gets an entry that says that it has all of them, after which no other
    record may be taken in as an old one. That cannot be undone.
    """
    with _connected(config_path) as (conn, settings):
        if finish:
            _finish(conn, settings, as_json)
            return
        found = _wait(conn)
    if as_json:
        click.echo(orjson.dumps(_members(found)["intake"], option=orjson.OPT_INDENT_2))
    else:
        click.echo(_intake_line(found))


def _finish(conn: Connection, settings: Settings, as_json: bool) -> None:
    act, now = finish_intake(conn, _record if settings.audit.record_service else None)
    if as_json:
        members = {"act_id": str(act.act_id), "acted_at": rfc3339(act.acted_at), "acted_by": act.acted_by}
        click.echo(orjson.dumps({**members, **act.details, "already": not now}, option=orjson.OPT_INDENT_2))
        return
    when = f"by {act.acted_by} at {rfc3339(act.acted_at)}"
    taken = counted(act.details["taken"], "old record")
    click.echo(f"the intake is finished, with {taken}" if now else f"the intake was finished {when}, with {taken}")


def _record(conn: Connection, act: Act) -> None:
    own = ServiceEvents(OwnEvents(Clock().now))
    append(conn, [own.intake_finished(act.act_id, act.details["taken"], act.acted_by)])


def _wait(conn: Connection) -> Standing:
    found = standing(conn)
    moved, warned = time.monotonic(), False
    with contextlib.ExitStack() as stack:
        meter: Meter | None = None
        while not found.intake.done:
            if found.intake.left is None:
                raise ActRefusedError("the index of old events is not whole yet: run `datastorage migrate` to its end")
            if meter is None:
                total = found.intake.taken + found.intake.left
                meter = stack.enter_context(Meter(total, unit="old records"))
                meter.note(f"{counted(found.intake.left, 'old record')} left")
            meter.show(found.intake.taken)
            time.sleep(_LOOK_EVERY_SECONDS)
            before = found
            # What is left is counted once.
            found = standing(conn, most=1)
            if found.intake.taken > before.intake.taken:
                moved = time.monotonic()
                warned = False
                continue
            still = time.monotonic() - moved
            if not warned and still > WARN_SECONDS:
                warned = True
                meter.note(f"no old record was taken in for {WARN_SECONDS:g} s: {_NOBODY}")
            if still > STANDSTILL_SECONDS:
                raise ActRefusedError(f"no old record was taken in for {STANDSTILL_SECONDS:g} s: {_NOBODY}")
        if meter is not None:
            meter.show(found.intake.taken)
    return found


def _members(found: Standing) -> dict[str, object]:
    members = dataclasses.asdict(found)
    members["root"] = found.root.hex()
    moment = found.intake.finished_at
    members["intake"]["finished_at"] = rfc3339(moment) if moment is not None else None
    return members


def _lines(found: Standing) -> Iterator[tuple[str, str]]:
    yield "size", counted(found.size, "entry", "entries")
    yield "root", base64.b64encode(found.root).decode()
    waits = f", the first for {found.lag_seconds:.1f} s" if found.pending else ""
    yield "pending", counted(found.pending, "record") + waits
    nobody = f"nobody has given places yet: {_NOBODY}"
    yield "epoch", f"{found.epoch}, last given by worker {found.holder}" if found.holder is not None else nobody
    yield "old records", _intake_line(found)


def _intake_line(found: Standing) -> str:
    intake = found.intake
    taken = f"{intake.taken:,} taken in"
    if intake.finished_by is not None and intake.finished_at is not None:
        return f"{taken}; finished by {intake.finished_as} at {rfc3339(intake.finished_at)}"
    if intake.done and not intake.taken:
        return "none"
    if intake.done:
        return f"{taken}, none left; not finished (`datastorage log intake --finish`)"
    if intake.left is None:
        return f"{taken}; the others wait for their index (`datastorage migrate`)"
    return f"{taken}, {'at least ' if intake.more_left else ''}{intake.left:,} left"


@contextlib.contextmanager
def _connected(config_path: str | None) -> Iterator[tuple[Connection, Settings]]:
    """A connection as the owner of the tables, or as the service; ends the command with one line if it fails."""
    # It listens to nobody: what an open address demands of the service is not asked of it.
    with exit_on_wrong_settings():
        settings = load_settings(config_path, {**os.environ, "DATASTORAGE_SERVER__HOST": "127.0.0.1"})
    say_unread_variables(settings)
    watchdog = Watchdog(Clock())
    watchdog.start()
    name = ""
    try:
        with connect(settings.database.as_owner(), "log", _LIMITS, watchdog) as conn:
            name = conn.info.dbname
            yield conn, settings
    except ActRefusedError as e:
        _end(str(e))
    except LogBrokenError as e:
        _end(f"the log's tables contradict each other: {e}")
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        _end(
            f"the database {name} has no log in its schema {settings.database.schema} yet: run `datastorage migrate`, "
            "or set database.url and database.schema to where the log is"
        )
    except psycopg.errors.InsufficientPrivilege as e:
        _end(f"{one_line(e)}: database.direct_url is the address of the role that owns the tables")
    except (psycopg.OperationalError, OSError) as e:
        _end(f"{one_line(e)} (this asks PostgreSQL, not the service: by database.direct_url, or else by database.url)")
    except psycopg.Error as e:
        _end(one_line(e))
    finally:
        watchdog.stop()


def _end(why: str) -> None:
    click.echo(f"datastorage: {why}", err=True)
    sys.exit(1)
