"""`datastorage verify --database`: the log of a database held against its records. The command is the client's."""

from __future__ import annotations

import base64
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

import click
import orjson
import psycopg
from datastorage_client.cli.progress import Meter
from datastorage_common.counts import counted
from datastorage_common.faults import NEVER_PROVEN
from datastorage_common.notes import Note, VerifierKey
from datastorage_common.witness_policy import Policy

from app.cli.log_database import memories_of
from app.cli.log_status import Held, earlier_line, earlier_members, look_at, memory_members, tree_line
from app.clock import Clock
from app.config.settings import Settings
from app.configuration import exit_on_wrong_settings, load_settings
from app.postgres.errors import one_line
from app.postgres.sessions import Connection, Limits, connect, reading
from app.postgres.watchdog import Watchdog
from app.transparency.standing import Earlier, earlier_origins
from app.verify.check import check_log
from app.verify.checkpoints import OutsideError
from app.verify.database import database_source
from app.verify.report import Report
from app.verify.source import RememberedTree

# As `datastorage verify` has them.
WRONG, USAGE, NOT_LOOKED_AT = 1, 2, 3
# A statement reads all that is left over, whatever the size of the tables.
_LIMITS = Limits(statement=3600.0, lock=10.0)
_NOT_PROVEN = (
    *NEVER_PROVEN,
    "that there was no later checkpoint: one that was kept elsewhere (--since) does that",
)


def verify_database(
    *,
    config_path: str | None,
    keys: Sequence[VerifierKey],
    policy: Policy | None,
    since: Note | None,
    as_json: bool,
) -> None:
    """Check the log of the database of the settings, and tell what was found.

    ``keys`` come from outside, as ``since`` does, an older checkpoint. Ends the process where not all is well: with 1
    where something is wrong, with 2 where ``since`` cannot be used, with 3 where the database could not be looked at.
    """
    if not keys:
        _end("--database needs --key FILE: the keys that the checkpoints have to be signed with", USAGE)
    try:
        with _connected(config_path) as (conn, settings), memories_of(settings) as memories:
            # Before the log: whatever is remembered by now, the log has it then.
            held = look_at(memories)
            report = _check(conn, settings.database.schema, keys, policy, since, held)
            with reading(conn):
                earlier = earlier_origins(conn)
    except OutsideError as e:
        _end(str(e), USAGE)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        _end("the database has no log that can be checked yet: run `datastorage migrate`")
    except (psycopg.Error, OSError) as e:
        _end(f"{one_line(e)} (this asks PostgreSQL by database.direct_url, or else by database.url)")
    if as_json:
        click.echo(orjson.dumps(members(report, held, earlier), option=orjson.OPT_INDENT_2))
    else:
        for line in lines(report, policy is not None, held, earlier):
            click.echo(line)
    if not report.well:
        sys.exit(WRONG)


def _check(
    conn: Connection,
    schema: str,
    keys: Sequence[VerifierKey],
    policy: Policy | None,
    since: Note | None,
    held: Sequence[Held],
) -> Report:
    trees = {each.name: RememberedTree(t.origin, t.size, t.root) for each in held if (t := each.tree) is not None}
    with database_source(conn, schema) as source, contextlib.ExitStack() as stack:
        meter: Meter | None = None

        def progress(done: int, size: int) -> None:
            nonlocal meter
            if meter is None:
                meter = stack.enter_context(Meter(size, unit="entries"))
            meter.show(done)

        return check_log(source, keys, policy=policy, since=since, remembered=trees, progress=progress)


@contextlib.contextmanager
def _connected(config_path: str | None) -> Iterator[tuple[Connection, Settings]]:
    # It listens to nobody: what an open address demands of the service is not asked of it.
    with exit_on_wrong_settings():
        settings = load_settings(config_path, {**os.environ, "DATASTORAGE_SERVER__HOST": "127.0.0.1"})
    watchdog = Watchdog(Clock())
    watchdog.start()
    try:
        with connect(settings.database.as_owner(), "verify", _LIMITS, watchdog) as conn:
            yield conn, settings
    finally:
        watchdog.stop()


def _end(why: str, code: int = NOT_LOOKED_AT) -> NoReturn:
    click.echo(f"datastorage: {why}", err=True)
    sys.exit(code)


def members(report: Report, held: Sequence[Held], earlier: Sequence[Earlier]) -> dict[str, object]:
    """What was found, for machines."""
    return {
        "ok": report.well,
        "size": report.size,
        "root": report.root.hex(),
        "signed_size": report.signed_size,
        "unsigned": report.unsigned,
        "witnessed_size": report.witnessed_size,
        "since_size": report.since_size,
        "checkpoints": report.checkpoints,
        "checkpoints_of_unknown_signers": report.unknown_signers,
        "entries": dict(report.entries),
        "holds": report.holds,
        "old": report.old,
        "pending": report.pending,
        "set_aside": report.set_aside,
        "old_waiting": report.old_waiting,
        "inconsistent": report.inconsistent,
        **report.fault_members(),
        "memories": [memory_members(each) for each in held],
        "earlier": [earlier_members(each) for each in earlier],
        "not_proven": list(_NOT_PROVEN),
    }


def lines(report: Report, by_policy: bool, held: Sequence[Held], earlier: Sequence[Earlier]) -> Iterator[str]:
    """What was found, for people."""
    outside = [(f"in {each.name}", each.trouble or tree_line(each.tree, None)) for each in held]
    names = [("earlier name", earlier_line(each)) for each in earlier]
    for name, text in [*_table(report, by_policy), *outside, *names]:
        yield f"{name + ':':<14}{text}"
    for text in _NOT_PROVEN:
        yield f"{'not proven:':<14}{text}"
    if report.first is None:
        yield "all is well"
        return
    for name, text in report.fault_lines():
        yield f"{name + ':':<14}{text}"


def _table(report: Report, by_policy: bool) -> Iterator[tuple[str, str]]:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.entries.items()))
    yield "entries", f"{report.size:,}" + (f" ({kinds})" if kinds else "")
    yield "root", base64.b64encode(report.root).decode()
    signed = "nothing" if report.signed_size is None else counted(report.signed_size, "entry", "entries")
    if report.unknown_size is not None and report.unknown_size > (report.signed_size or 0):
        signed += f" by these keys; {counted(report.unknown_size, 'entry', 'entries')} by another one"
    yield "signed", signed + (f"; {report.unsigned:,} behind them are not signed yet" if report.unsigned else "")
    unknown = f", {report.unknown_signers:,} signed by none of these keys" if report.unknown_signers else ""
    yield "checkpoints", f"{report.checkpoints:,}{unknown}"
    if by_policy:
        yield "witnessed", "nothing" if report.witnessed_size is None else f"{report.witnessed_size:,} entries"
    if report.since_size is not None:
        yield "since", counted(report.since_size, "entry", "entries")
    if report.holds:
        yield "holds", f"{report.holds:,}" + ("" if report.faults.get("hold") else ", each as its acts say")
    if report.old:
        yield "old records", f"{report.old:,}: as they were when they were taken in"
    waits = [
        f"{count:,} {what}"
        for count, what in (
            (report.pending, "wait for their place"),
            (report.old_waiting, "old ones are not taken in yet"),
            (report.set_aside, "of these are set aside: no release could read their entries"),
        )
        if count
    ]
    if waits:
        yield "no place yet", ", ".join(waits)
    if report.inconsistent is not None:
        yield "service", f"has stopped to sign: {report.inconsistent}"
