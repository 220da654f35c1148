"""Ids that the service gives out keep their order within a process when the machine's clock steps back and forth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Where Debian's package faketime has it.
LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
PROGRAM = """
import os, sys, time
import uuid_utils.compat
made, moments = [], []
for step in sys.argv[1:]:
    open(os.environ["FAKETIME_TIMESTAMP_FILE"], "w").write(step)
    moments.append(time.time())
    made += [uuid_utils.compat.uuid7() for _ in range(1000)]
assert moments != sorted(moments), "the clock did not step"
assert made == sorted(made), "an id is lower than one before it"
assert len(set(made)) == len(made)
"""


@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian package faketime)")
def test_ids_keep_their_order_over_steps_of_the_clock(tmp_path: Path) -> None:
    file = tmp_path / "offset"
    file.write_text("+0")
    environment = {"LD_PRELOAD": str(LIBRARY), "FAKETIME_NO_CACHE": "1", "FAKETIME_TIMESTAMP_FILE": str(file)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "+0", "-3h", "+5h", "-1d", "+0"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
