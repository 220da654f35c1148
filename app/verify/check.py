"""A whole log, from its first entry to its last, held against records, tree and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from datastorage_common.notes import Note, VerifierKey
from datastorage_common.witness_policy import Policy

from app.transparency.edge import WIDTH
from app.transparency.entries import readable
from app.verify.bundles import BundleCheck
from app.verify.checkpoints import CheckpointCheck
from app.verify.holds import check_holds
from app.verify.leftovers import Leftovers
from app.verify.remembered import RememberedCheck
from app.verify.report import Report
from app.verify.source import RememberedTree, Source, Totals
from app.verify.tree import TreeCheck

# So many bundles at a time: 4096 entries, a megabyte or two of what is kept of their records.
_BUNDLES = 16


def check_log(
    source: Source,
    keys: Sequence[VerifierKey],
    *,
    policy: Policy | None = None,
    since: Note | None = None,
    remembered: Mapping[str, RememberedTree] | None = None,
    progress: Callable[[int, int], None] = lambda done, size: None,
) -> Report:
    """Check all of it. ``since``: an older checkpoint; ``progress`` is told of entries, done and in all.

    ``remembered``: what memories hold, by their names, read before the source was made.

    Raises checkpoints.OutsideError where that cannot be used, and what the source raises.
    """
    report = Report()
    for text in source.disguised():
        report.add("table", f"{text}: what it shows need not be what is stored")
    totals = source.totals()
    memories = RememberedCheck(report, remembered or {}, totals.origin)
    checkpoints = CheckpointCheck(source, report, keys, policy, since, memories)
    report.size = _size(source, totals)
    report.inconsistent, report.set_aside = totals.inconsistent, totals.set_aside
    if totals.inconsistent is not None:
        report.add("inconsistent", f"the service has stopped to sign: {totals.inconsistent}")
    bundles = BundleCheck(source, report, report.size)
    tree = TreeCheck(source, report)
    checkpoints.begin()
    end = -(-report.size // WIDTH)
    for number in range(0, end, _BUNDLES):
        numbers = range(number, min(number + _BUNDLES, end))
        leaves = bundles.check(numbers)
        tree.grow(leaves)
        checkpoints.grow(leaves)
        progress(min(numbers.stop * WIDTH, report.size), report.size)
    tree.end(totals)
    _head(report, totals, bundles)
    leftovers = Leftovers(source, report, bundles)
    leftovers.check(totals)
    check_holds(source.holds(), source.acts_without_hold(), report)
    _intake(report, totals, bundles.finished | leftovers.waiting_acts())
    checkpoints.end()
    return report


def _size(source: Source, totals: Totals) -> int:
    """How many entries there are, by the last bundle or the last tile: the head may be wrong as well."""
    last, size = totals.bundles - 1, 0
    if last >= 0 and (kept := source.bundles([last]).get(last)) is not None:
        entries, why = readable(kept.data)
        size = last * WIDTH + (max(len(entries), kept.width) if why else len(entries))
    _, tiles = totals.tiles.get(0, (0, 0))
    if tiles and (tile := source.tiles([(0, tiles - 1)]).get((0, tiles - 1))) is not None:
        size = max(size, (tiles - 1) * WIDTH + tile.width)
    return size


def _head(report: Report, totals: Totals, bundles: BundleCheck) -> None:
    """What single rows say of the whole."""
    if totals.head != report.size:
        report.add("head", f"the head says {totals.head} entries, and there are {report.size}")
    if totals.places > report.size:
        report.add("place", f"log_places has {totals.places} places, for {report.size} entries")
    if totals.salts > bundles.salts:
        report.add("salt", f"log_salts has {totals.salts - bundles.salts} salts of no entry")
    if totals.bundle_rows > (end := -(-report.size // WIDTH)):
        report.add("bundle", f"log_bundles has {totals.bundle_rows} rows, of {end}")


def _intake(report: Report, totals: Totals, finished: set[UUID]) -> None:
    """What is said of the old records."""
    if totals.taken != report.old:
        report.add("intake", f"log_intake says {totals.taken} old records, and there are {report.old} entries of such")
    if totals.finished_by is None:
        if finished:
            report.add("intake", "log_intake does not say that the intake is finished, and the log does")
        return
    if totals.finished_by not in finished:
        report.add("intake", "log_intake names an act that closed the log, and it has no such entry")
    elif totals.taken_by_act != str(report.old):
        text = f"the act that closed the log says {totals.taken_by_act} old records, and there are {report.old}"
        report.add("intake", text)
