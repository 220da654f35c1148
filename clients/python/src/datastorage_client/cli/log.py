"""`datastorage log mirror`: a copy of the log as files, and what a restored database lost against it."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from datastorage_common import jsonvalue
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
from datastorage_client.verify.mirror import Comparison, Mirror
from datastorage_client.verify.steps import NOTE
from datastorage_client.verify.trust import Trust

_CHECKPOINT = "/api/v1/log/checkpoint"


@click.group()
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
    """
    check_has_keys(trust)
    client = HTTPClient(url, token=token)
    try:
        if missing:
            found = Mirror(folder, trust).compare(client.fetch, client.fetch(_CHECKPOINT, NOTE))
        else:
            witnessed = "/witnessed" if trust.policy is not None else ""
            note = client.fetch(_CHECKPOINT + witnessed, NOTE)
            with Meter(trust.check(note).size, unit="entries") as meter:
                made = Mirror(folder, trust).update(client.fetch, note, meter.show)
    except ContradictionError as e:
        end(f"{e}; `datastorage log mirror {as_text(folder)} --missing` names what it lost", WRONG)
    except VerificationError as e:
        end(str(e), WRONG)
    except DataStorageError as e:
        end(str(client.told(e)), NOT_LOOKED_AT)
    except OSError as e:
        end(str(e), NOT_LOOKED_AT)
    if missing:
        _say_missing(found, as_json)
    elif as_json:
        click.echo(jsonvalue.readable({"origin": made.origin, "size": made.size, "root": made.root.hex()}))
    else:
        click.echo(printable(f"{as_text(folder)} has {counted(made.size, 'entry', 'entries')} of {made.origin}"))


def _say_missing(found: Comparison, as_json: bool) -> None:
    rows = [
        {
            "index": lost.index, "kind": lost.entry.kind, "id": lost.entry.id, "on": lost.entry.on,
            "number_used_again": lost.number_used_again,
        }
        for lost in found.lost
    ]  # fmt: skip
    if as_json:
        click.echo(jsonvalue.readable({"common": found.common, "lost": rows}))
    else:
        for row in rows:
            again = "  (its number is used again)" if row["number_used_again"] else ""
            click.echo(f"{row['index']}  {row['kind']}  {row['id']}  {row['on']}{again}")
        same = counted(found.common, "entry", "entries")
        click.echo(f"the first {same} are the same; {counted(len(rows), 'record')} of the copy missing behind them")
    if rows:
        sys.exit(WRONG)
