"""Addresses that would be read wrongly stop every way of starting: exit code 2, the key named, no secret shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

SECRET = "hunter2"
WAYS = {
    "config check": ["-m", "datastorage_client.cli.main", "config", "check"],
    "config show": ["-m", "datastorage_client.cli.main", "config", "show"],
    "migrate": ["-m", "datastorage_client.cli.main", "migrate"],
    "serve": ["-m", "datastorage_client.cli.main", "serve"],
    "dev": ["-m", "datastorage_client.cli.main", "dev"],
    "gunicorn": ["-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "app.wsgi:application"],
    "the application alone": ["-c", "import app.wsgi"],
}
WRONG = {
    "redis.url": f"redis://:a/{SECRET}@cache:6379/0?decode_responses=true",
    "database.url": f"postgresql://me:5432/{SECRET}@db/store",
    "database.read_url": f"postgresql://me:{SECRET}@db:70000/store",
    "database.direct_url": f"postgresql://me:{SECRET}@db/store?client_encoding={SECRET}",
}


def start(way: str, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DATASTORAGE_", "PROMETHEUS_", "CONFIG_PATH"))}
    return subprocess.run(
        [sys.executable, *WAYS[way]],
        cwd=ROOT,
        env={**clean, "TMPDIR": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("way", [way for way in WAYS if way != "the application alone"])
def test_no_way_of_starting_takes_them(way: str, tmp_path: Path) -> None:
    names = {f"DATASTORAGE_{key.replace('.', '__').upper()}": url for key, url in WRONG.items()}
    ended = start(way, tmp_path, **names)
    assert ended.returncode == 2, ended
    for key in WRONG:
        assert f"{key} " in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data").exists()


def test_the_local_run_looks_at_its_own_variables(tmp_path: Path) -> None:
    ended = start("dev", tmp_path, DATABASE_URL=WRONG["database.url"], REDIS_URL=WRONG["redis.url"])
    assert ended.returncode == 2, ended
    assert {line.split()[1] for line in ended.stderr.splitlines()} == {"database.url", "redis.url"}
    assert SECRET not in ended.stdout + ended.stderr


def test_a_traceback_shows_no_secret_either(tmp_path: Path) -> None:
    names = {f"DATASTORAGE_{key.replace('.', '__').upper()}": url for key, url in WRONG.items()}
    ended = start("the application alone", tmp_path, **names)
    assert "ConfigError" in ended.stderr
    assert SECRET not in ended.stderr
