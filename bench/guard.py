"""Ratios that stay the same on a busy machine, one or more for each section of the baseline; under a minute.

Absolute times say little on a machine that others use, so each figure is taken against a reference that suffers the
same: the reference and what is measured alternate in short rounds, and the median of the rounds counts. Two kinds:

- **processor time**: seconds that the service's workers have used for a request, by the kernel's account, against the
  same for a bare Flask route that asks PostgreSQL for ten rows. Waiting for others is not in it. What shares the
  processor's caches with others costs more of it in some hours than in others, and it is the more the more code and
  data a request touches: an empty route feels little of that, one with a decoder, a pool and a query what ours feel.
- **latency of a lone request**: of hundreds the quickest few, against those of that bare route, or, for a write, of an
  empty route of the same app and a plain insert of the same row. Others may hold up most requests; they make none
  quicker than it is.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable

from bench.client import WrongAnswerError
from bench.harness import Bench, psql
from bench.load import load
from bench.machine import fdatasync_ms
from bench.pair import ASKING, Pair
from bench.requests import batches, singles
from bench.sections import BATCH, NOTHING, SECTIONS


def measure(bench: Bench, sections: Iterable[str] = SECTIONS, application: str = "app.wsgi:application") -> None:
    """Take the ratios of these sections into ``bench.figures``. Raises WrongAnswerError.

    ``application`` is what stands in for the service: a test puts a slower one there.
    """
    with (
        bench.service(application) as durable,
        bench.service("bench.empty_app:inside") as empty,
        bench.service("bench.empty_app:bare") as bare,
    ):
        # Nothing is measured cold.
        load(durable.port, lambda n: singles(f"warm-{n}"), connections=16, seconds=0.5)
        load(empty.port, lambda n: itertools.repeat(NOTHING), connections=16, seconds=0.5)
        load(bare.port, lambda n: itertools.repeat(ASKING), connections=16, seconds=0.5)
        for section in sections:
            bench.empty_tables()
            bench.database.query("TRUNCATE remediation_workflow_catalog")
            SECTIONS[section](Pair(bench, durable, empty, bare))


def machine(bench: Bench) -> dict[str, float]:
    """What this machine does: requests/s of the empty route, rows/s of one `psql \\copy`, ms of one fdatasync."""
    with bench.service("bench.empty_app:inside") as empty:
        done = load(empty.port, lambda n: itertools.repeat(NOTHING), connections=64, warm=0.3, seconds=1.0)
    bench.empty_tables()
    with bench.service() as service:
        load(service.port, lambda n: batches(f"copy-{n}", 10, BATCH), connections=4)
    copied = bench.folder / "machine.copy"
    psql(bench.database, f"\\copy (SELECT * FROM audit_events) TO '{copied}'")
    rows = bench.database.count()
    if rows != 20 * BATCH:
        raise WrongAnswerError(f"{20 * BATCH} events answered 201, {rows} in the table")
    bench.empty_tables()
    text = psql(bench.database, "\\timing on", f"\\copy audit_events FROM '{copied}'")
    with contextlib.suppress(FileNotFoundError):
        copied.unlink()
    milliseconds = float(text.split("Time: ")[1].split(" ms")[0])
    return {
        "empty_route_per_s": round(done.answers / 1.0, 1),
        "copy_rows_per_s": round(1000 * rows / milliseconds, 1),
        "fdatasync_ms": round(fdatasync_ms(str(bench.folder)), 4),
    }
