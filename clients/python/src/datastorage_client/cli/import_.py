"""`datastorage import`: records of other systems, from files to the service over HTTP."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import click
from datastorage_common.counts import counted
from datastorage_common.durations import parse_duration
from datastorage_common.files import ReadError
from datastorage_common.terminal import printable

from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.import_report import Plan, Report
from datastorage_client.cli.importers import workflows as catalogue
from datastorage_client.cli.importers.files import FileError, Inputs
from datastorage_client.cli.importers.send import Sender
from datastorage_client.cli.importers.shift import Survey, stored_offset, survey, to_now, written
from datastorage_client.cli.importers.workflow_files import EmptyFolderError, find
from datastorage_client.cli.options import service_options
from datastorage_client.cli.progress import Meter
from datastorage_client.cli.workflows import WorkflowCatalogue, report_workflows


@click.group(name="import", no_args_is_help=True)
def import_() -> None:
    """Send records from files to the service."""


def _duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    try:
        size = timedelta(seconds=parse_duration(value.removeprefix("-")))
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is not a duration such as 90m, 12h, 1d12h or -30s", ctx, parameter
        ) from None
    return -size if value.startswith("-") else size


@import_.command(
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage import cloudtrail trail.json.gz
  datastorage import cloudtrail --shift-to-now loadtests/corpus/cloudtrail.jsonl.gz
  datastorage import cloudtrail --shift-by 30d logs/*.json.gz --json | jq 'select(.kind == "refused")'

\b
Exit codes:
  0  every record is stored, was there already, or is accepted for later
  1  records were refused, or the service cannot be reached
  2  wrong options, or a file that cannot be read (nothing was sent)""",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False))
@service_options
@click.option("--batch", "batch_size", type=click.IntRange(1), default=500, show_default=True, help="Events a request.")
@click.option(
    "--shift-to-now",
    is_flag=True,
    help="Move all times so that the newest record is now; a second run moves them as the first one did.",
)
@click.option(
    "--shift-by", metavar="DURATION", callback=_duration, help="Move all times by so much, such as 3d12h or -90m."
)
@click.option("--category", default="gateway", show_default=True, help="event_category of the events.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines: one for each refused record, then a summary.")
def cloudtrail(
    files: tuple[str, ...],
    url: str,
    token: str | None,
    batch_size: int,
    shift_to_now: bool,
    shift_by: timedelta | None,
    category: str,
    as_json: bool,
) -> None:
    """Send AWS CloudTrail records as audit events.

    FILE is JSON lines, a JSON array or CloudTrail's {"Records": [...]}, gzipped or not. Each record becomes the
    event_data of an event, unchanged; docs/import-cloudtrail.md says where the other members come from. Records
    keep their eventID, so sending a file again stores nothing twice. The service takes events of the last 7 days
    only: move older ones with --shift-to-now.

    A token needs the scope audit:write; with --shift-to-now, which looks for an earlier import, audit:read too.
    """
    if shift_to_now and shift_by is not None:
        raise click.UsageError("--shift-to-now and --shift-by exclude each other")
    inputs = Inputs(files)
    try:
        found = survey(inputs.records())
    except FileError as e:
        _fail(str(e), 2)
    client = HTTPClient(url, token=token)
    try:
        plan = _plan(found, client, shift_to_now, shift_by)
    except ServiceError as e:
        _fail(str(e), 1)
    _run(inputs, found, plan, client, batch_size, category, as_json)


@import_.command(
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage import workflows loadtests/corpus/workflows
  datastorage import workflows --signal-type PodRestart --dry-run *.yaml

\b
Exit codes:
  0  every file is in the catalogue, or would be
  1  files are left out, or the service cannot be reached
  2  wrong options, a file that cannot be read, or a folder without one (nothing was sent)""",
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True))
@service_options
@click.option("--signal-type", metavar="TYPE", help="The signal of the files that name none.")
@click.option("--dry-run", is_flag=True, help="Say what would become of each file, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines: one for each file.")
def workflows(
    paths: tuple[str, ...], url: str, token: str | None, signal_type: str | None, dry_run: bool, as_json: bool
) -> None:
    """Put workflow files into the catalogue.

    PATH is a YAML file or a folder of them. What the catalogue has already is left out, and so are files whose name
    and version an earlier one has; the rest is created as one. docs/workflows.md says which member comes from where.

    A token needs the scopes workflows:read, by which the command sees what is there, and workflows:write.
    """
    try:
        files = _workflow_files(paths, signal_type)
    except (EmptyFolderError, ReadError) as e:
        _fail(str(e), 2)
    with Meter(len(files), unit="files") as meter:
        client = HTTPClient(url, token=token)
        client.on_wait = lambda seconds, why: meter.note(f"{str(why).splitlines()[0]}: trying again in {seconds:.1f} s")
        steps = itertools.count(1)
        try:
            catalogue.run(files, WorkflowCatalogue(client), dry_run=dry_run, step=lambda: meter.show(next(steps)))
        except ServiceError as e:
            _fail(str(e), 1)
    report_workflows(files, dry_run=dry_run, as_json=as_json)
    left_out = any(f.outcome not in (catalogue.CREATED, catalogue.EXISTS) for f in files)
    sys.exit(1 if left_out else 0)


def _workflow_files(paths: Sequence[str], signal_type: str | None) -> list[catalogue.File]:
    """All workflows of the files, each document of a file being one. Raises EmptyFolderError and ReadError."""
    found = []
    for path in find(paths):
        inside = catalogue.read(path, signal_type)
        if len(inside) > 1:
            click.echo(f"{printable(inside[0].path)}: holds {len(inside)} documents, each a workflow", err=True)
        found += inside
    return found


def _plan(found: Survey, client: HTTPClient, shift_to_now: bool, shift_by: timedelta | None) -> Plan:
    if shift_by is not None:
        return Plan(shift_by, "by")
    if not shift_to_now or found.newest is None:
        return Plan(timedelta(0), "none")
    earlier = stored_offset(found.probes, client)
    if earlier is not None:
        return Plan(earlier, "reused")
    return Plan(to_now(found.newest, datetime.now(UTC)), "now")


def _run(
    inputs: Inputs,
    found: Survey,
    plan: Plan,
    client: HTTPClient,
    batch_size: int,
    category: str,
    as_json: bool,
) -> NoReturn:
    with Meter(found.count) as meter:
        report = Report(meter, as_json)
        sender = Sender(client, category=category, shift=plan.shift, batch_size=batch_size, on_refusal=report.refused)
        client.on_wait = lambda seconds, why: meter.note(f"{str(why).splitlines()[0]}: trying again in {seconds:.1f} s")
        code, trouble = 0, None
        try:
            for counts in sender.send(inputs.records()):
                meter.show(counts.settled)
        except ServiceError as e:
            code, trouble = 1, str(e)
        except FileError as e:
            # It could be read a moment ago, so some of it may have been sent.
            code, trouble = 2, str(e)
        except KeyboardInterrupt:
            code, trouble = 130, "interrupted"
    report.summary(len(inputs), found, plan, sender.counts)
    if trouble is not None:
        left = found.count - sender.counts.settled
        # What became of the last batch may be unknown, also to a probe; the offset in words is right in any case.
        how = f" with --shift-by {written(plan.shift)} instead of --shift-to-now" if plan.how == "now" else ""
        _fail(
            f"{trouble}\n{left:,} of {counted(found.count, 'record')} not known to be stored; run it again{how}", code
        )
    sys.exit(1 if sender.counts.refused else 0)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"datastorage: {message}", err=True)
    sys.exit(code)
