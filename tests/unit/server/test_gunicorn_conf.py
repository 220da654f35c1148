"""The directory of the metrics, which gunicorn's settings prepare before anything imports prometheus_client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def ended(program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DATASTORAGE_", "PROMETHEUS_", "CONFIG_PATH"))}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env={**clean, **environ}, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("denied", [None, "/dev/shm"])
def test_heartbeats_are_where_this_user_may_write(tmp_path: Path, denied: str | None) -> None:
    """In memory, or beside the metrics where there is no memory for files, or none that may be written to."""
    program = f"""
import os, runpy
allowed = os.access
os.access = lambda path, mode: path != {denied!r} and allowed(path, mode)
print(runpy.run_path({str(ROOT / "gunicorn.conf.py")!r})["worker_tmp_dir"])
"""
    done = ended(program, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path) if denied else "/dev/shm"), done


@pytest.mark.parametrize("place", ["a-file/metrics", "a-file"])
def test_a_folder_that_cannot_be_used_is_one_clear_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").touch()
    given = tmp_path / place
    done = ended(
        f"import runpy; runpy.run_path({str(ROOT / 'gunicorn.conf.py')!r})", PROMETHEUS_MULTIPROC_DIR=str(given)
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"datastorage: PROMETHEUS_MULTIPROC_DIR ({given}) cannot be used for the metrics: ")
    assert done.stderr.count("\n") == 1
