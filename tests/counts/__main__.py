"""Counts what the service does and holds it against the baseline; nothing here is timed.

    python -m tests.counts                                   # everything, under half a minute
    python -m tests.counts --only event --only start         # some scenarios
    python -m tests.counts --json counts.json                # every figure with its differences, also as JSON
    python -m tests.counts --update                          # accept what is counted now as the baseline
    python -m tests.counts --update --only search            # … of one scenario

Exit code 1 where a figure has grown by more than its tolerance (tests/counts/baseline.py). Less than the baseline
passes. Counts are of one minor version of Python; where the baseline has none of this one, nothing is held.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from datastorage_common import terminal
from rich.console import Console

from tests.counts import baseline
from tests.counts.measure import measure, servers
from tests.counts.scenarios import SCENARIOS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.counts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", choices=SCENARIOS, metavar="SCENARIO", help=f"one of {', '.join(SCENARIOS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--update", action="store_true", help="accept what is counted now")
    return parser.parse_args()


def main() -> int:
    """Count, print, and judge; the exit code."""
    asked = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    known = baseline.load()
    if known is None and not asked.update:
        console.print(f"tests/counts/baseline.json has nothing of Python {baseline.PYTHON}: {baseline.UPDATE} adds it.")
        return 0
    with servers() as made:
        counts = measure(made, asked.only or SCENARIOS)
    rows = baseline.compare(known or {}, counts)
    if asked.json:
        asked.json.write_text(json.dumps([row.as_json() for row in rows], indent=1, ensure_ascii=False) + "\n")
    if asked.update:
        baseline.save(counts)
        rows = baseline.compare(baseline.load() or {}, counts)
    console.print(baseline.table(rows))
    failed = [row for row in rows if not row.ok]
    for row in failed:
        console.print("\n" + row.explain(), markup=False, soft_wrap=True)
    if failed:
        console.print(f"\n{len(failed)} of {len(rows)} figures do not hold. If that is meant: {baseline.UPDATE}")
    return 1 if failed else 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
