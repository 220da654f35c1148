"""`datastorage log`: how the log of all records stands, and closing it for records from before it."""

from __future__ import annotations

import contextlib
import time

import click
import orjson
from datastorage_client.cli.progress import Meter
from datastorage_common.counts import counted
from datastorage_common.times import rfc3339

from app.audit.store import append
from app.cli.log_database import config_option, connected, json_option, keys_of, memories_of, own_events
from app.cli.log_keys import key, keygen
from app.cli.log_origin import new_origin, remember
from app.cli.log_status import NOBODY, intake_line, lines, look_at, members, policy_of
from app.config.settings import Settings
from app.postgres.sessions import Connection
from app.transparency.acts import Act, ActRefusedError, finish_intake
from app.transparency.standing import Standing, standing

# A status counts no further; the index gives about a million rows a second.
_MOST = 1_000_000
_LOOK_EVERY_SECONDS = 1.0
# A service that runs takes some in each second: it is waited for so long, and before that a line says what is amiss.
STANDSTILL_SECONDS = 60.0
WARN_SECONDS = 10.0


@click.group(
    epilog="""\b
Examples:
  datastorage log status
  datastorage log intake
  datastorage log intake --finish
  datastorage log keygen audit.example.com/log --out log.key
  datastorage log remember

\b
Exit codes:
  0  told, or done
  1  refused, nothing taken in for a minute, or no connection
  2  the options or the settings are wrong
  3  mirror alone, as verify has it: the log could not be looked at"""
)
def log() -> None:
    """Look at the log that has a place for every stored record, close it for old ones, and see to its signing.

    Most connect to PostgreSQL with database.direct_url (the role that owns the tables) or else as the service does,
    which need not run. key and keygen read and write files alone; mirror asks a running service by HTTP.
    """


@log.command(epilog="Example: datastorage log status --json")
@config_option
@json_option
def status(config_path: str | None, as_json: bool) -> None:
    """Say how large the log is, what waits for a place in it, how far old records are taken in, and what is signed.

    Beside that what each memory outside PostgreSQL holds, and how far witnesses have come. The root is in base64; with
    --json in hexadecimal digits. Keep it with the size to see later whether the log was changed (docs/log.md).
    """
    with connected(config_path) as (conn, settings), memories_of(settings) as memories:
        found = standing(conn, most=_MOST, keys=keys_of(settings.log))
        held = look_at(memories)
        policy = policy_of(settings.log.witness_policy)
    if as_json:
        click.echo(orjson.dumps(members(found, held, policy), option=orjson.OPT_INDENT_2))
        return
    for name, text in lines(found, held, policy):
        click.echo(f"{name + ':':<13}{text}")
    if found.pending and found.lag_seconds > WARN_SECONDS:
        stands = "no place is given while the log is inconsistent (docs/log.md)"
        click.echo(stands if found.signed.inconsistent else f"nobody seems to give places: {NOBODY}")


@log.command(
    epilog="""\b
Examples:
  datastorage log intake
  DATASTORAGE_DATABASE__DIRECT_URL=postgresql://owner@db/datastorage datastorage log intake --finish"""
)
@config_option
@json_option
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
    with connected(config_path) as (conn, settings):
        if finish:
            _finish(conn, settings, as_json)
            return
        found = _wait(conn)
    if as_json:
        click.echo(orjson.dumps(members(found)["intake"], option=orjson.OPT_INDENT_2))
    else:
        click.echo(intake_line(found))


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
    append(conn, [own_events().intake_finished(act.act_id, act.details["taken"], act.acted_by)])


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
                meter.note(f"no old record was taken in for {WARN_SECONDS:g} s: {NOBODY}")
            if still > STANDSTILL_SECONDS:
                raise ActRefusedError(f"no old record was taken in for {STANDSTILL_SECONDS:g} s: {NOBODY}")
        if meter is not None:
            meter.show(found.intake.taken)
    return found


for command in (keygen, key, remember, new_origin):
    log.add_command(command)
