"""`datastorage log mirror`: a copy of the log as files, and what a restored database lost against it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click
from datastorage_common import jsonvalue
from datastorage_common.checkpoints import Checkpoint
from datastorage_common.counts import counted
from datastorage_common.files import as_text
from datastorage_common.terminal import printable

from datastorage_client.cli.errors import end
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import service_options
from datastorage_client.cli.progress import Meter
from datastorage_client.cli.trusted import NOT_LOOKED_AT, WRONG, check_has_keys, trust_options
from datastorage_client.problems import DataStorageError
from datastorage_client.verify.errors import ContradictionError, VerificationError
from datastorage_client.verify.memory import OnDisk
from datastorage_client.verify.mirror import MOST_ASKED, Comparison, Lost, Mirror
from datastorage_client.verify.trust import Trust

_OTHERS = (
    "the other commands of `log` (status, intake, keygen, key, remember, new-origin) come with the service's package: "
    "the wheel datastorage"
)


class ClientsCommands(click.Group):
    """Those of the client alone. Where the service's package is installed, its group has all of them."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            raise click.UsageError(f"{e.message.rstrip('.')}; {_OTHERS}", ctx) from None


@click.group(cls=ClientsCommands, epilog=f"Here is the client alone: {_OTHERS}.")
def log() -> None:
    """Keep a copy of the log of all records, outside its database."""


@log.command(
    epilog="""\b
Examples:
  datastorage log mirror /var/lib/log-copy --url https://db-api --key log.pub
  datastorage log mirror /var/lib/log-copy --url https://db-api --key log.pub --missing --json

\b
Exit codes:
  0  the copy is up to date; with --missing: the log has all that the copy has
  1  the log contradicts the copy or itself, or has lost records
  2  the options are wrong
  3  the log could not be looked at: no answer, or files that cannot be read or written"""
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@service_options
@trust_options
@click.option("--missing", is_flag=True, help="Change nothing; list the records that the copy has and the log has not.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def mirror(folder: Path, url: str, token: str | None, trust: Trust, missing: bool, as_json: bool) -> None:
    """Copy checkpoint, tiles and entries of the log into DIR, each file checked before it is written.

    Files are named as c2sp.org/tlog-tiles has them. What is there is not fetched again, and a run that was stopped goes
    on with the next one. Entries hold ids, days and hashes, nothing of what was recorded.

    --missing asks for up to 10,000 missing events by their ids: those that are stored, and wait for a place in the log,
    are listed apart.
    """
    check_has_keys(trust)
    client = HTTPClient(url, token=token)
    copy = Mirror(folder, trust)
    try:
        if missing:
            found = copy.compare(client.fetch)
        else:
            note, newest = copy.newest(client.fetch)
            before = copy.held()
            with Meter(newest.size, unit="entries") as meter:
                made = copy.update(client.fetch, note, meter.show)
    except ContradictionError as e:
        end(f"{e}; `{_missing_command(folder, url)}` names what it lost", WRONG)
    except VerificationError as e:
        end(str(e), WRONG)
    except DataStorageError as e:
        end(str(client.told(e)), NOT_LOOKED_AT)
    except OSError as e:
        end(str(e), NOT_LOOKED_AT)
    if missing:
        _say_missing(found, as_json)
    else:
        _say_made(folder, None if before is None or before[1].origin == made.origin else before[1], made, as_json)


def _missing_command(folder: Path, url: str) -> str:
    """As it can be run as it stands: with where the service is, and the keys."""
    params = click.get_current_context().params
    words = ["datastorage", "log", "mirror", as_text(folder), "--url", url]
    for path in params["key_files"]:
        words += ["--key", as_text(path)]
    for option, name in (("--witness-policy", "policy_file"), ("--token-file", "token_file")):
        if params[name] is not None:
            words += [option, as_text(params[name])]
    return shlex.join([*words, "--missing"])


def _say_made(folder: Path, renamed: Checkpoint | None, made: Checkpoint, as_json: bool) -> None:
    """``renamed``: the last checkpoint of the log's old name."""
    if as_json:
        told: dict[str, object] = {"origin": made.origin, "size": made.size, "root": made.root.hex()}
        told["renamed_from"] = None if renamed is None else {"origin": renamed.origin, "size": renamed.size}
        click.echo(jsonvalue.readable(told))
        return
    if renamed is not None:
        size, kept = counted(renamed.size, "entry", "entries"), as_text(OnDisk(folder).path(renamed.origin))
        goes_on = f"the log was {renamed.origin}, of {size}, and is {made.origin} now, which continues it"
        click.echo(printable(f"{goes_on}; the checkpoint of the old name is kept in {kept}"))
    click.echo(printable(f"{as_text(folder)} has {counted(made.size, 'entry', 'entries')} of {made.origin}"))


def _say_missing(found: Comparison, as_json: bool) -> None:
    if as_json:
        lost, waiting = map(_row, found.lost), map(_row, found.waiting)
        told = {"common": found.common, "lost": [*lost], "waiting": [*waiting], "not_asked": found.not_asked}
        click.echo(jsonvalue.readable(told))
    else:
        for each in found.lost:
            _say_entry(each, "  (its number is used again)" if each.number_used_again else "")
        for each in found.waiting:
            _say_entry(each, "  (stored, waits for a place)")
        same = counted(found.common, "entry", "entries")
        lines = [f"the first {same} are the same; {counted(len(found.lost), 'record')} of the copy missing behind them"]
        if found.waiting:
            lines.append(f"{counted(len(found.waiting), 'event')} stored that the log has no place for yet")
        if found.not_asked:
            lines.append(f"{counted(found.not_asked, 'event')} not asked for by id, behind the first {MOST_ASKED:,}")
        click.echo("; ".join(lines))
    if found.lost:
        sys.exit(WRONG)


def _row(lost: Lost) -> dict[str, object]:
    entry = lost.entry
    members = {"index": lost.index, "kind": entry.kind, "id": entry.id, "on": entry.on}
    return {**members, "number_used_again": lost.number_used_again}


def _say_entry(lost: Lost, what: str) -> None:
    entry = lost.entry
    click.echo(f"{lost.index}  {entry.kind}  {entry.id}  {entry.on}{what}")
