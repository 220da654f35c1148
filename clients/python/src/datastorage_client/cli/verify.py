"""`datastorage verify`: whether the log is what it was signed to be: by HTTP, in a database, or in files."""

from __future__ import annotations

from pathlib import Path

import click
from datastorage_common import jsonvalue
from datastorage_common.counts import counted
from datastorage_common.files import ReadError, as_text
from datastorage_common.notes import MAX_NOTE_BYTES, Note, NoteError, parse_note
from datastorage_common.terminal import printable

from datastorage_client.cli.errors import end
from datastorage_client.cli.hooks import hook
from datastorage_client.cli.http_client import MAX_ANSWER_BYTES, HTTPClient
from datastorage_client.cli.options import service_options
from datastorage_client.cli.progress import Meter
from datastorage_client.cli.trusted import FILE, NOT_LOOKED_AT, USAGE, WRONG, check_has_keys, read_file, trust_options
from datastorage_client.cli.verify_file import EvidenceReport, verify_file
from datastorage_client.cli.verify_url import Report, verify_url
from datastorage_client.problems import DataStorageError
from datastorage_client.verify import (
    InclusionError,
    OtherRecordError,
    ProofFormError,
    RecordDiffersError,
    TreeError,
    VerificationError,
    Verifier,
)
from datastorage_client.verify.feed import NoFeedError
from datastorage_client.verify.trust import Trust

_NAMES = {
    "url": "--url", "since": "--since", "store": "--store", "only_new": "--only-new",
    "records": "--records", "sample": "--sample",
    "proof": "--proof", "event": "--event", "notification": "--notification", "database": "--database",
    "config_path": "--config", "token": "--token", "token_file": "--token-file", "bundle": "FILE.zip",
}  # fmt: skip
# Of two that exclude each other one would be ignored.
_EXCLUDES = {
    "bundle": (
        "proof", "event", "notification", "database", "config_path", "since", "store", "only_new", "records", "sample",
        "url", "token", "token_file",
    ),
    "proof": ("database", "since", "store", "only_new", "records", "sample", "url", "token", "token_file"),
    "database": ("event", "notification", "store", "only_new", "records", "sample", "url", "token", "token_file"),
    "event": ("notification",),
}  # fmt: skip
_NEEDS = {"event": "proof", "notification": "proof", "only_new": "store", "config_path": "database"}
# What is wrong, and how it is headed; a checkpoint's findings say it themselves.
_HEADINGS = (
    (TreeError, "tree", "the log is not what it was signed to be"),
    ((RecordDiffersError, OtherRecordError), "proof", "the record is not the one in the log"),
    (InclusionError, "proof", "the proof does not hold"),
    (VerificationError, "checkpoint", ""),
)


@click.command(
    epilog="""\b
Examples:
  datastorage verify --url https://db-api --key log.pub --store /var/lib/log-seen
  datastorage verify --url https://db-api --key log.pub --store /var/lib/log-seen --only-new
  datastorage verify --url https://db-api --key log.pub --since checkpoint.old --no-records --sample 100 --json
  datastorage verify --proof event.tlog-proof --event event.json --key log.pub
  datastorage verify --database --key log.pub
  datastorage verify evidence.zip --key log.pub

\b
Exit codes:
  0  everything is as it was signed
  1  something is wrong, and the first is named: the log, a checkpoint, a proof, or a record
  2  the options are wrong, or files that they name are not what they should be
  3  it could not be looked at: no answer, no records with --records, or files that cannot be read or written"""
)
@click.argument("bundle", metavar="[FILE.zip]", required=False, type=FILE)
@service_options
@trust_options
@click.option("--since", metavar="FILE", type=FILE, help="A checkpoint kept from before: the log has to continue it.")
@click.option(
    "--store",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the last checkpoint is remembered: the log has to continue it in the next run.",
)
@click.option(
    "--only-new",
    is_flag=True,
    help="Keep complete tiles in --store, and neither read nor compare again what it has: faster, and blind to edits.",
)
@click.option(
    "--records/--no-records",
    default=None,
    help="Compare all records, and exit with 3 if the service does not give them; or compare none. Default: compare "
    "them if the service gives them, else the last line says NOT COMPARED. Scripts should say which.",
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
    bundle: Path | None,
    url: str,
    token: str | None,
    trust: Trust,
    since: Path | None,
    store: Path | None,
    only_new: bool,
    records: bool | None,
    sample: int,
    proof: Path | None,
    event: Path | None,
    notification: Path | None,
    database: bool,
    config_path: str | None,
    as_json: bool,
) -> None:
    """Check the log of all records against what was signed.

    By default everything that the service publishes: its checkpoint, every tile and entry, the root above them, and
    every record against its entry. With --proof one record, offline. With --database everything in the database, and
    records that the log does not know. With FILE.zip an evidence bundle, offline; without --key by the key that
    it brings along, which then has to be compared.
    """
    _check_go_together()
    if bundle is not None:
        _verify_bundle(bundle, trust, as_json)
        return
    before = None if since is None else _note("--since", since)
    if database:
        _verify_database(config_path, trust, before, as_json)
        return
    check_has_keys(trust)
    if proof is not None:
        _verify_proof(trust, proof, event, notification, as_json)
        return
    if before is not None:
        _check_signed(trust, "--since", before)
    client = HTTPClient(url, token=token)
    try:
        with Meter(0, unit="entries") as meter:
            report = verify_url(client.fetch, trust, before, store, sample, meter, only_new=only_new, records=records)
    except VerificationError as e:
        _say(_wrong(e), as_json)
    except NoFeedError as e:
        end(str(e), NOT_LOOKED_AT)
    except DataStorageError as e:
        end(str(client.told(e)), NOT_LOOKED_AT)
    except OSError as e:
        end(str(e), NOT_LOOKED_AT)
    else:
        _say(report, as_json)


def _check_go_together() -> None:
    """Raises a usage error, which names both, for options of which one would be ignored."""
    source = click.get_current_context().get_parameter_source
    given = {name for name in _NAMES if source(name) is click.core.ParameterSource.COMMANDLINE}
    for name, others in _EXCLUDES.items():
        for other in others:
            if {name, other} <= given:
                raise click.UsageError(f"{_NAMES[name]} and {_NAMES[other]} exclude each other")
    for name, needed in _NEEDS.items():
        if name in given and needed not in given:
            raise click.UsageError(f"{_NAMES[name]} needs {_NAMES[needed]}")


def _verify_bundle(bundle: Path, trust: Trust, as_json: bool) -> None:
    try:
        with Meter(0) as meter:
            report = verify_file(bundle, trust, meter)
    except ReadError as e:
        raise click.UsageError(str(e)) from None
    except OSError as e:
        end(str(e), NOT_LOOKED_AT)
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
    option, path = ("--event", event) if event is not None else ("--notification", notification)
    assert path is not None  # noqa: S101 - one of the two, as just checked
    record = read_file(option, path, MAX_ANSWER_BYTES)
    verifier = Verifier(trust.keys, policy=trust.policy)
    try:
        proved = (verifier.check_event if event is not None else verifier.check_notification)(record, data)
    except OtherRecordError as e:
        _say(_wrong(e), as_json)
        return
    except ProofFormError as e:
        end(f"{as_text(proof)} with {as_text(path)}: {e}", USAGE)
    except VerificationError as e:
        _say(_wrong(e), as_json)
        return
    checkpoint, entry = proved.checkpoint, proved.entry
    if as_json:
        members = {"ok": True, "origin": checkpoint.origin, "size": checkpoint.size, "index": proved.index}
        click.echo(jsonvalue.readable({**members, "kind": entry.kind, "id": entry.id, "on": entry.on}))
    else:
        size = counted(checkpoint.size, "entry", "entries")
        click.echo(f"the {entry.kind} {entry.id} is entry {proved.index} of {checkpoint.origin}, of {size}")


def _wrong(error: VerificationError) -> Report:
    kind, heading = next((kind, heading) for errors, kind, heading in _HEADINGS if isinstance(error, errors))
    report = Report(heading=heading)
    report.found.add(kind, str(error))
    return report


def _say(report: Report | EvidenceReport, as_json: bool) -> None:
    """Print a report; ends the command where something is wrong."""
    if as_json:
        click.echo(jsonvalue.readable(report.members()))
    else:
        for name, text in report.lines():
            click.echo(printable(f"{name + ':':<14}{text}"))
    if not report.found.well:
        end(report.wrong(), WRONG)
    if isinstance(report, Report) and (left_out := report.left_out()) is not None:
        click.echo(left_out, err=True)


def _check_signed(trust: Trust, option: str, note: Note) -> None:
    try:
        trust.signed(note.encode())
    except VerificationError as e:
        raise click.UsageError(f"{option}: {e}") from None


def _note(option: str, path: Path) -> Note:
    try:
        return parse_note(read_file(option, path, MAX_NOTE_BYTES))
    except NoteError as e:
        raise click.UsageError(f"{option}: {path}: {e}") from None
