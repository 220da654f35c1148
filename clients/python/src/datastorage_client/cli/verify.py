"""`datastorage verify`: whether the log is what it was signed to be, by HTTP, in a database, or in a file."""

from __future__ import annotations

from pathlib import Path

import click
from datastorage_common import jsonvalue
from datastorage_common.counts import counted
from datastorage_common.notes import MAX_NOTE_BYTES, Note, NoteError, parse_note

from datastorage_client.cli.errors import end
from datastorage_client.cli.hooks import hook
from datastorage_client.cli.http_client import MAX_ANSWER_BYTES, HTTPClient
from datastorage_client.cli.options import service_options
from datastorage_client.cli.progress import Meter
from datastorage_client.cli.trusted import FILE, NOT_LOOKED_AT, WRONG, check_has_keys, read_file, trust_options
from datastorage_client.cli.verify_url import Report, verify_url
from datastorage_client.problems import DataStorageError
from datastorage_client.verify import VerificationError, Verifier
from datastorage_client.verify.trust import Trust


@click.command(
    epilog="""\b
Examples:
  datastorage verify --url https://db-api --key log.pub --store /var/lib/log-seen
  datastorage verify --url https://db-api --key log.pub --since checkpoint.old --sample 100 --json
  datastorage verify --proof event.tlog-proof --event event.json --key log.pub
  datastorage verify --database --key log.pub

\b
Exit codes:
  0  everything is as it was signed
  1  something is wrong; the first is named
  2  the options are wrong
  3  it could not be looked at: no answer, or files that cannot be read or written"""
)
@service_options
@trust_options
@click.option("--since", metavar="FILE", type=FILE, help="A checkpoint kept from before: the log has to continue it.")
@click.option(
    "--store",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the last checkpoint is remembered, and complete tiles are kept, for the next run.",
)
@click.option(
    "--sample", metavar="N", type=click.IntRange(0), default=0, help="Compare N random events by their proofs."
)
@click.option("--proof", metavar="FILE", type=FILE, help="Check this proof, offline, of --event or --notification.")
@click.option("--event", metavar="FILE", type=FILE, help="The event, as the API gives it by its id.")
@click.option("--notification", metavar="FILE", type=FILE, help="The notification, as lists give it.")
@click.option("--database", is_flag=True, help="Check log and records in the database. Needs the service's package.")
@click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="With --database: YAML file of settings."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(
    url: str,
    token: str | None,
    trust: Trust,
    since: Path | None,
    store: Path | None,
    sample: int,
    proof: Path | None,
    event: Path | None,
    notification: Path | None,
    database: bool,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Check the log of all records against what was signed.

    By default everything that the service publishes: its checkpoint, every tile and entry, and the root above them.
    With --proof one record, offline. With --database everything in the database, records too.
    """
    if proof is None and (event is not None or notification is not None):
        raise click.UsageError("--event and --notification need --proof")
    if proof is not None and database:
        raise click.UsageError("--proof and --database exclude each other")
    before = None if since is None else _note("--since", since)
    if database:
        _verify_database(config_path, trust, before, as_json)
        return
    check_has_keys(trust)
    if proof is not None:
        _verify_proof(trust, proof, event, notification, as_json)
        return
    client = HTTPClient(url, token=token)
    try:
        with Meter(0, unit="entries") as meter:
            report = verify_url(client.fetch, trust, before, store, sample, meter)
    except VerificationError as e:
        _say(Report(wrong=1, first=str(e)), as_json)
    except DataStorageError as e:
        end(str(client.told(e)), NOT_LOOKED_AT)
    except OSError as e:
        end(str(e), NOT_LOOKED_AT)
    else:
        _say(report, as_json)


def _verify_database(config_path: str | None, trust: Trust, since: Note | None, as_json: bool) -> None:
    verify_database = hook("verify_database")
    if verify_database is None:
        raise click.UsageError("--database needs the service's package: the wheel datastorage brings it")
    verify_database(config_path=config_path, keys=trust.keys, policy=trust.policy, since=since, as_json=as_json)


def _verify_proof(trust: Trust, proof: Path, event: Path | None, notification: Path | None, as_json: bool) -> None:
    if (event is None) == (notification is None):
        raise click.UsageError("--proof needs either --event or --notification: the record that it is of")
    data = read_file("--proof", proof, MAX_ANSWER_BYTES)
    verifier = Verifier(trust.keys, policy=trust.policy)
    try:
        if event is not None:
            proved = verifier.check_event(read_file("--event", event, MAX_ANSWER_BYTES), data)
        else:
            assert notification is not None  # noqa: S101 - one of the two, as just checked
            proved = verifier.check_notification(read_file("--notification", notification, MAX_ANSWER_BYTES), data)
    except VerificationError as e:
        _say(Report(wrong=1, first=str(e)), as_json)
        return
    checkpoint, entry = proved.checkpoint, proved.entry
    if as_json:
        members = {"ok": True, "origin": checkpoint.origin, "size": checkpoint.size, "index": proved.index}
        click.echo(jsonvalue.readable({**members, "kind": entry.kind, "id": entry.id, "on": entry.on}))
    else:
        size = counted(checkpoint.size, "entry", "entries")
        click.echo(f"the {entry.kind} {entry.id} is entry {proved.index} of {checkpoint.origin}, of {size}")


def _say(report: Report, as_json: bool) -> None:
    """Print a report; ends the command where something is wrong."""
    if as_json:
        click.echo(jsonvalue.readable(report.members()))
    elif not report.wrong:
        for name, text in report.lines():
            click.echo(f"{name + ':':<12}{text}")
    if report.wrong:
        more = f" ({report.wrong - 1:,} more are wrong)" if report.wrong > 1 else ""
        end(f"the log is not what it was signed to be: {report.first}{more}", WRONG)


def _note(option: str, path: Path) -> Note:
    try:
        return parse_note(read_file(option, path, MAX_NOTE_BYTES))
    except NoteError as e:
        raise click.UsageError(f"{option}: {path}: {e}") from None
