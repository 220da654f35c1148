"""The folder of the metrics; what gunicorn.conf.py makes of it is in test_gunicorn_conf.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.server import metrics_directory


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder made in tmp_path, of a process that has prepared none before."""
    # Set, so that monkeypatch puts back what was there before.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setenv("_METRICS_DIR_OF", "")
    monkeypatch.setattr(metrics_directory.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(metrics_directory.atexit, "register", lambda *_: None)
    metrics_directory.prepare()
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def test_a_folder_of_its_own_goes_with_the_process_that_made_it(made: Path, tmp_path: Path) -> None:
    assert made.parent == tmp_path
    metrics_directory._remove(str(made), os.getpid() + 1)
    assert made.is_dir(), "a worker leaves it"
    metrics_directory._remove(str(made), os.getpid())
    assert not made.exists()


def test_a_folder_is_prepared_once_in_a_process(made: Path) -> None:
    (made / "counter_1.db").touch()
    metrics_directory.prepare()
    assert (made / "counter_1.db").exists()


def test_without_any_place_for_a_folder_there_is_one_clear_line(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setenv("_METRICS_DIR_OF", "")
    monkeypatch.setattr(metrics_directory.tempfile, "mkdtemp", refuse)
    with pytest.raises(SystemExit) as ended:
        metrics_directory.prepare()
    assert str(ended.value) == (
        "datastorage: no folder for the metrics can be made in TMPDIR or /dev/shm (No space left on device): "
        "name one with PROMETHEUS_MULTIPROC_DIR"
    )
