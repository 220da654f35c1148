"""The directory of the metrics, which gunicorn's settings prepare before anything imports prometheus_client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

TWICE = "import runpy, pathlib, os; {before}; conf = {conf!r}; runpy.run_path(conf); {between}; runpy.run_path(conf)"


def load(between: str = "pass", *, before: str = "pass", **environ: str) -> None:
    """Read the file as gunicorn does, and again as it does on SIGHUP."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DATASTORAGE_", "PROMETHEUS_", "CONFIG_PATH"))}
    program = TWICE.format(conf=str(ROOT / "gunicorn.conf.py"), between=between, before=before)
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env={**clean, **environ}, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended


def test_a_given_directory_is_emptied_of_what_the_last_run_left(tmp_path: Path) -> None:
    given = tmp_path / "metrics"
    given.mkdir()
    for name in ("counter_7.db", "unfinished-7", "somebody-elses"):
        (given / name).touch()
    load(PROMETHEUS_MULTIPROC_DIR=str(given))
    assert [p.name for p in given.iterdir()] == ["somebody-elses"]


def test_a_directory_is_made_and_reading_the_file_again_leaves_the_files_in_use(tmp_path: Path) -> None:
    load(
        "pathlib.Path(os.environ['PROMETHEUS_MULTIPROC_DIR'], 'counter_8.db').touch()",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "new"),
    )
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["counter_8.db"]


def test_without_a_place_for_temporary_files_the_directory_is_in_memory() -> None:
    between = "made = os.environ['PROMETHEUS_MULTIPROC_DIR']; assert made.startswith('/dev/shm/'), made"
    load(between, before="import tempfile; tempfile.tempdir = '/nowhere'")
