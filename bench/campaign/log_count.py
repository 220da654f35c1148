"""The count of the log at the end: against the tables, and against what was seen of it before."""

from __future__ import annotations

from bench.campaign.report import Report
from bench.campaign.root_watch import RootWatch
from bench.campaign.signing import NoteWatch
from bench.campaign.stage import Stage
from tests.log_check import check_log
from tests.signing_support import notes_in


def count_log(stage: Stage, watch: RootWatch, notes: NoteWatch, report: Report) -> None:
    """Fill in what the log is, and what is wrong with it.

    That each stored record has exactly one entry is found here; that each acknowledged one is stored, by `count`.
    """
    with stage.connect(statement_timeout="0") as conn:
        watch.look(conn)
        stored = [str(note).encode() for (note,) in conn.execute("SELECT note FROM log_checkpoints")]
        [why] = conn.execute("SELECT inconsistent FROM log_head").fetchall()
    found = check_log(stage.database.superuser_url)
    report.log_size = found.size
    report.log_takeovers = watch.epoch
    report.log_looks = len(watch.roots)
    report.log_faults = found.faults + watch.contradictions(found.tree)
    report.log_faults += stage.signing.contradictions(found.tree, stored, notes.served)
    if why != (None,):
        report.log_faults.append(f"the log is inconsistent: {why[0]}")
    report.log_notes = len(notes_in(stage.signing.made))
    report.log_checkpoints = len(stored)
    report.log_served = len(notes.served)
    if found.pending:
        report.log_faults.append(f"{found.pending} records still wait for a place")
    if found.size != found.records:
        report.log_faults.append(f"{found.size} entries for {found.records} records")
