"""The count of the log at the end: against the tables, and against what was seen of it before."""

from __future__ import annotations

from bench.campaign.report import Report
from bench.campaign.root_watch import RootWatch
from bench.campaign.stage import Stage
from tests.log_check import check_log


def count_log(stage: Stage, watch: RootWatch, report: Report) -> None:
    """Fill in what the log is, and what is wrong with it.

    That each stored record has exactly one entry is found here; that each acknowledged one is stored, by `count`.
    """
    with stage.connect(statement_timeout="0") as conn:
        watch.look(conn)
    found = check_log(stage.database.superuser_url)
    report.log_size = found.size
    report.log_takeovers = watch.epoch
    report.log_looks = len(watch.roots)
    report.log_faults = found.faults + watch.contradictions(found.tree)
    if found.pending:
        report.log_faults.append(f"{found.pending} records still wait for a place")
    if found.size != found.records:
        report.log_faults.append(f"{found.size} entries for {found.records} records")
