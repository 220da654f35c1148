"""The service behind PgBouncer in transaction mode: the parts of the integration suite that say most, through it.

`make test-pgbouncer` runs the whole suite that way.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.pooler import BINARY
from tests.support import ROOT

# Writes and batches, queries, the catalogue's transactions, outages and replay, partitions and roles.
FILES = ("events_contract", "batch_contract", "queries_contract", "workflows_contract", "dlq", "storage")


@pytest.mark.skipif(BINARY is None, reason="PgBouncer is not installed (Debian package pgbouncer)")
@pytest.mark.timeout(900)
def test_the_integration_suite_through_pgbouncer() -> None:
    files = [f"tests/integration/test_{name}.py" for name in FILES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        env={**os.environ, "POOLER": "pgbouncer"},
        capture_output=True,
        text=True,
        timeout=880,
    )
    assert done.returncode == 0, done.stdout[-5000:]
