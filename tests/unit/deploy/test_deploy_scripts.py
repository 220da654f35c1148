"""The scripts around the image and the chart: they parse, and say what they lack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

SCRIPTS = ROOT / "scripts"


def bare_path(folder: Path) -> str:
    """A search path with a shell and next to nothing else."""
    for tool in ("bash", "sh", "env", "dirname", "id", "cat", "sed", "mkdir"):
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return str(folder)


def run(name: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPTS / name), *arguments], env=environ, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("name", ["containers-without-engine", "test-image", "test-kind"])
def test_they_parse(name: str) -> None:
    read = subprocess.run(["bash", "-n", str(SCRIPTS / name)], capture_output=True, text=True, timeout=120, check=False)
    assert read.returncode == 0, read.stderr


def test_kind_is_skipped_aloud_where_it_is_missing(tmp_path: Path) -> None:
    path = bare_path(tmp_path)
    skipped = run("test-kind", PATH=path)
    assert (skipped.returncode, skipped.stderr) == (0, "test-kind: SKIPPED: kind is not installed\n")
    assert run("test-kind", PATH=path, REQUIRE="1").returncode == 1


def test_no_engine_is_told_with_what_to_do(tmp_path: Path) -> None:
    found = run("container-engine", PATH=bare_path(tmp_path), CONTAINERS_STATE=str(tmp_path / "none"))
    assert found.returncode == 1, found
    assert "install podman, or see scripts/containers-without-engine --help" in found.stderr
    assert run("container-engine", PATH=str(tmp_path), ENGINE="podman --remote").stdout == "podman --remote\n"


def test_help_changes_nothing(tmp_path: Path) -> None:
    shown = run("containers-without-engine", "--help", PATH=bare_path(tmp_path), CONTAINERS_STATE=str(tmp_path / "s"))
    assert shown.returncode == 0, shown
    assert "Examples: scripts/containers-without-engine setup && make image" in shown.stdout
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "name", ["build-image", "test-image", "test-kind", "lock", "container-engine", "../deploy/compose/prepare"]
)
def test_help_of_shell_scripts_needs_and_makes_nothing(name: str, tmp_path: Path) -> None:
    """With a search path that has no engine, openssl, uv or kind on it."""
    secrets = ROOT / "deploy" / "compose" / "secrets"
    before = secrets.exists()
    path = bare_path(tmp_path)
    for option in ("--help", "-h"):
        shown = run(name, option, PATH=path)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert f"/{Path(name).name}" in shown.stdout
    assert secrets.exists() == before


@pytest.mark.parametrize("name", ["render-chart", "compare-performance-baseline"])
def test_help_of_scripts_needs_no_virtual_environment(name: str, tmp_path: Path) -> None:
    def without_packages(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", str(SCRIPTS / name), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    shown = without_packages("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"usage: {name}")
    refused = without_packages(*(["now.json"] if name == "compare-performance-baseline" else []))
    assert refused.returncode in (1, 2)
    assert refused.stderr.count("\n") == 1
    assert "run it with .venv/bin/python" in refused.stderr or "make manifests" in refused.stderr


def prepare(folder: Path, path: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """deploy/compose/prepare in a folder of its own; what it said, and where its secrets would be."""
    shutil.copy(ROOT / "deploy" / "compose" / "prepare", folder / "prepare")
    done = subprocess.run(
        [str(folder / "prepare")], env={"PATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    return done, folder / "secrets"


def test_prepare_without_an_engine_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    path = bare_path(tmp_path / "bin")
    (tmp_path / "bin" / "openssl").symlink_to("/bin/true")
    done, secrets = prepare(tmp_path, path)
    assert done.returncode == 1, done
    assert done.stderr == "prepare: docker is missing: install it, or name another with ENGINE\n"
    assert not secrets.exists()


def test_prepare_leaves_no_empty_token_behind(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    path = bare_path(tools)
    for tool, source in (("openssl", "echo 0123"), ("docker", "exit 125"), ("rm", 'exec /bin/rm "$@"')):
        (tools / tool).write_text(f"#!/bin/sh\n{source}\n")
        (tools / tool).chmod(0o755)
    done, secrets = prepare(tmp_path, path)
    assert done.returncode == 1, done
    assert "prepare: no token was made: build the image" in done.stderr
    assert {p.name for p in secrets.iterdir()} == {"superuser", "owner", "service", "valkey", "grafana"}
