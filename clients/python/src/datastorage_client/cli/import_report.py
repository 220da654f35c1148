"""What `datastorage import cloudtrail` says about the outcome."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import click
from datastorage_common import jsonvalue
from datastorage_common.counts import counted
from datastorage_common.durations import parse_duration
from datastorage_common.terminal import printable

from datastorage_client.cli.importers.send import ImportCounts, RejectedRecord
from datastorage_client.cli.importers.shift import Survey, readable, written
from datastorage_client.cli.progress import Meter

# Refused records that are listed for people; a file that is wrong as a whole must not bury its summary.
SHOWN_REFUSALS = 10
# Different reasons that are counted apart; the rest is counted together.
COUNTED_REASONS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """How times are moved."""

    shift: timedelta
    how: str  # none, by, now, reused


class Report:
    """What the command says about the outcome: text for people, or JSON lines."""

    def __init__(self, meter: Meter, as_json: bool) -> None:
        self._meter = meter
        self._as_json = as_json
        self._refused = 0
        self._reasons: Counter[str] = Counter()
        self._hints: set[str] = set()
        self._takes = "7 days"  # by default

    def refused(self, refusal: RejectedRecord) -> None:
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

    def summary(self, files: int, found: Survey, plan: Plan, counts: ImportCounts) -> None:
        """The last word on standard output, with hints on standard error."""
        if self._as_json:
            click.echo(jsonvalue.compact({**_summary(files, found, plan, counts), "reasons": dict(self._reasons)}))
        else:
            click.echo(
                f"{counted(found.count, 'record')} of {counted(files, 'file')}: "
                f"{counts.stored:,} stored, {counts.existing:,} already there, "
                f"{counts.accepted:,} accepted for later, {counts.refused:,} refused"
            )
            for reason, times in self._reasons.most_common():
                click.echo(printable(f"  {times:,} × {reason}"))
            if plan.how != "none":
                again = ", as by an earlier import" if plan.how == "reused" else ""
                click.echo(f"times moved by {readable(plan.shift)} (--shift-by {written(plan.shift)}){again}")
            if counts.derived_ids:
                have = "has" if counts.derived_ids == 1 else "have"
                who = counted(counts.derived_ids, "record")
                click.echo(f"{who} {have} no UUID as eventID; the event_id is derived from it")
        for hint in self._hint_texts(found, plan, counts):
            click.echo(f"hint: {hint}", err=True)

    def _hint_texts(self, found: Survey, plan: Plan, counts: ImportCounts) -> Iterator[str]:
        if "timestamp is too old" in self._hints:
            yield _too_old(found, plan, counts, self._takes)
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
        if counts.accepted and plan.how == "now":
            yield (
                "accepted records are not in the store yet; should the import have to run again before they are, "
                f"give --shift-by {written(plan.shift)} instead of --shift-to-now"
            )


def _too_old(found: Survey, plan: Plan, counts: ImportCounts, takes: str) -> str:
    """What to do about records that are older than the service takes; ``takes``: how long back, in its words.

    Never to move records by another time once some are kept: those would be stored a second time.
    """
    kept = counts.stored + counts.existing + counts.accepted
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


def _summary(files: int, found: Survey, plan: Plan, counts: ImportCounts) -> dict[str, object]:
    return {
        "kind": "summary",
        "files": files,
        "records": found.count,
        "stored": counts.stored,
        "already_stored": counts.existing,
        "accepted": counts.accepted,
        "refused": counts.refused,
        "not_sent": found.count - counts.settled,
        "derived_ids": counts.derived_ids,
        "shift": None if plan.how == "none" else written(plan.shift),
        "shift_reused": plan.how == "reused",
    }
