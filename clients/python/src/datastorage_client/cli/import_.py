"""`datastorage import`: records of other systems, from files to the service over HTTP."""

from __future__ import annotations

import itertools
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import NoReturn

import click
from datastorage_common import jsonvalue
from datastorage_common.durations import parse_duration
from datastorage_common.files import ReadError
from datastorage_common.terminal import printable
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.http_client import HTTPClient, counted
from datastorage_client.cli.options import service_options
from datastorage_client.cli.workflows import WorkflowCatalogue, report_workflows
from datastorage_client.importers import workflows as workflow_files
from datastorage_client.importers.files import FileError, Inputs
from datastorage_client.importers.send import Refusal, Sender, Tally
from datastorage_client.importers.shift import Survey, readable, stored_offset, survey, to_now, written

# Refused records that are listed for people; a file that is wrong as a whole must not bury its summary.
SHOWN_REFUSALS = 10
# Different reasons that are counted apart; the rest is counted together.
COUNTED_REASONS = 10
# Between two lines of progress where there is no terminal.
PROGRESS_EVERY_S = 5.0


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
    except (workflow_files.EmptyFolderError, ReadError) as e:
        _fail(str(e), 2)
    with Meter(len(files), unit="files") as meter:
        client = HTTPClient(url, token=token)
        client.on_wait = lambda seconds, why: meter.note(f"{str(why).splitlines()[0]}: trying again in {seconds:.1f} s")
        steps = itertools.count(1)
        try:
            workflow_files.run(files, WorkflowCatalogue(client), dry_run=dry_run, step=lambda: meter.show(next(steps)))
        except ServiceError as e:
            _fail(str(e), 1)
    report_workflows(files, dry_run=dry_run, as_json=as_json)
    left_out = any(f.outcome not in (workflow_files.CREATED, workflow_files.EXISTS) for f in files)
    sys.exit(1 if left_out else 0)


def _workflow_files(paths: Sequence[str], signal_type: str | None) -> list[workflow_files.File]:
    """All workflows of the files, each document of a file being one. Raises EmptyFolderError and ReadError."""
    found = []
    for path in workflow_files.find(paths):
        inside = workflow_files.read(path, signal_type)
        if len(inside) > 1:
            click.echo(f"{printable(inside[0].path)}: holds {len(inside)} documents, each a workflow", err=True)
        found += inside
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """How times are moved."""

    shift: timedelta
    how: str  # none, by, now, reused


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
            for tally in sender.send(inputs.records()):
                meter.show(tally.settled)
        except ServiceError as e:
            code, trouble = 1, str(e)
        except FileError as e:
            # It could be read a moment ago, so some of it may have been sent.
            code, trouble = 2, str(e)
        except KeyboardInterrupt:
            code, trouble = 130, "interrupted"
    report.summary(len(inputs), found, plan, sender.tally)
    if trouble is not None:
        left = found.count - sender.tally.settled
        # What became of the last batch may be unknown, also to a probe; the offset in words is right in any case.
        how = f" with --shift-by {written(plan.shift)} instead of --shift-to-now" if plan.how == "now" else ""
        _fail(f"{trouble}\n{left:,} of {found.count:,} records are not known to be stored; run it again{how}", code)
    sys.exit(1 if sender.tally.refused else 0)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"datastorage: {message}", err=True)
    sys.exit(code)


class Meter:
    """Progress on standard error: a bar on a terminal, elsewhere a line now and then."""

    def __init__(self, total: int, *, unit: str = "records") -> None:
        self._total = total
        self._unit = unit
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console)
            self._task = self._bar.add_task(unit, total=total)
        self._said = time.monotonic()

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int) -> None:
        """So many are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif time.monotonic() - self._said >= PROGRESS_EVERY_S:
            self._said = time.monotonic()
            click.echo(f"{done:,} of {self._total:,} {self._unit}", err=True)

    def note(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        else:
            click.echo(text, err=True)


class Report:
    """What the command says about the outcome: text for people, or JSON lines."""

    def __init__(self, meter: Meter, as_json: bool) -> None:
        self._meter = meter
        self._as_json = as_json
        self._refused = 0
        self._reasons: Counter[str] = Counter()
        self._hints: set[str] = set()
        self._takes = "7 days"  # by default

    def refused(self, refusal: Refusal) -> None:
        """Tell of a refused record as it happens, so that memory does not grow with their number."""
        self._refused += 1
        for reason in refusal.reasons:
            if found := re.search(r"too old \(must be within ([0-9.]+ (?:days|hours|minutes|seconds))", reason):
                self._takes = found[1]
            # What stands in parentheses differs from record to record: times, ages, lengths.
            kind = re.sub(r" \(.*\)", "", reason, flags=re.DOTALL)
            known = kind in self._reasons or len(self._reasons) < COUNTED_REASONS
            self._reasons[kind if known else "other reasons"] += 1
            self._hints |= {
                hint for hint in ("timestamp is too old", "timestamp is in the future", "conflict") if hint in reason
            }
            if "stored with different content" in reason:
                self._hints.add("conflict")
        if self._as_json:
            line = {
                "kind": "refused",
                "position": refusal.position,
                "event_id": refusal.event_id,
                "reasons": list(refusal.reasons),
            }
            click.echo(jsonvalue.compact(line))
        elif self._refused <= SHOWN_REFUSALS:
            where = refusal.position + (f" ({refusal.event_id})" if refusal.event_id else "")
            self._meter.note(printable(f"refused {where}: {'; '.join(refusal.reasons)}"))
        elif self._refused == SHOWN_REFUSALS + 1:
            self._meter.note("more were refused; --json lists all")

    def summary(self, files: int, found: Survey, plan: Plan, tally: Tally) -> None:
        """The last word on standard output, with hints on standard error."""
        if self._as_json:
            click.echo(jsonvalue.compact({**_summary(files, found, plan, tally), "reasons": dict(self._reasons)}))
        else:
            click.echo(
                f"{counted(found.count, 'record')} of {counted(files, 'file')}: "
                f"{tally.stored:,} stored, {tally.existing:,} already there, "
                f"{tally.accepted:,} accepted for later, {tally.refused:,} refused"
            )
            for reason, times in self._reasons.most_common():
                click.echo(printable(f"  {times:,} × {reason}"))
            if plan.how != "none":
                again = ", as by an earlier import" if plan.how == "reused" else ""
                click.echo(f"times moved by {readable(plan.shift)} (--shift-by {written(plan.shift)}){again}")
            if tally.derived_ids:
                have = "has" if tally.derived_ids == 1 else "have"
                who = counted(tally.derived_ids, "record")
                click.echo(f"{who} {have} no UUID as eventID; the event_id is derived from it")
        for hint in self._hint_texts(found, plan, tally):
            click.echo(f"hint: {hint}", err=True)

    def _hint_texts(self, found: Survey, plan: Plan, tally: Tally) -> Iterator[str]:
        if "timestamp is too old" in self._hints:
            yield _too_old(found, plan, tally, self._takes)
        if "timestamp is in the future" in self._hints:
            yield (
                "these records are newer than those of the earlier import, and moved like them they lie ahead of now; "
                "they can be imported when their time has come"
                if plan.how == "reused"
                else "events may lie at most minutes ahead of now: --shift-to-now puts the newest at now"
            )
        if "conflict" in self._hints:
            yield (
                "an event with the same id and date is stored with other content: was this record imported with "
                "another --category or moved by another time?"
            )
        if tally.accepted and plan.how == "now":
            yield (
                "accepted records are not in the store yet; should the import have to run again before they are, "
                f"give --shift-by {written(plan.shift)} instead of --shift-to-now"
            )


def _too_old(found: Survey, plan: Plan, tally: Tally, takes: str) -> str:
    """What to do about records that are older than the service takes; ``takes``: how long back, in its words.

    Never to move records by another time once some are kept: those would be stored a second time.
    """
    kept = tally.stored + tally.existing + tally.accepted
    how_much = "audit.max_event_age of the service sets how much it takes"
    if found.newest is not None and found.oldest is not None:
        span = found.newest - found.oldest
        number, unit = takes.split()
        if span > timedelta(seconds=parse_duration(number + unit[0])):
            return (
                f"the records span {readable(span)[1:]}, more than the service takes back from now ({takes}), so that "
                f"the oldest cannot be imported however they are moved; {how_much}"
            )
    if plan.how == "reused":
        return (
            f"an earlier import moved these records, and so moved they are by now older than the service takes ({takes}"
            f"); what it stored is still there. {how_much}"
        )
    if kept:
        return (
            f"the service takes events of {takes} back from now, and refused what is older; moved by another time, the "
            f"{counted(kept, 'record')} that it has would be stored twice. {how_much}"
        )
    return (
        f"the service takes events of {takes} back from now: --shift-to-now moves the newest record to now, or all as "
        "an earlier import did"
    )


def _summary(files: int, found: Survey, plan: Plan, tally: Tally) -> dict[str, object]:
    return {
        "kind": "summary",
        "files": files,
        "records": found.count,
        "stored": tally.stored,
        "already_stored": tally.existing,
        "accepted": tally.accepted,
        "refused": tally.refused,
        "not_sent": found.count - tally.settled,
        "derived_ids": tally.derived_ids,
        "shift": None if plan.how == "none" else written(plan.shift),
        "shift_reused": plan.how == "reused",
    }
