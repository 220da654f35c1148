"""What is checked before a commit, by what is staged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.tree import ROOT

SCRIPT = ROOT / "scripts" / "check-changed"


def git(*arguments: str, cwd: Path) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With the folders of the unit tests and the modules at the top of app/, and nothing staged."""
    git("init", "-q", cwd=tmp_path)
    for path in (ROOT / "tests" / "unit").rglob("*"):
        if path.is_dir() and path.name != "__pycache__":
            (tmp_path / path.relative_to(ROOT)).mkdir(parents=True)
    (tmp_path / "tests" / "unit" / "test_breaker.py").touch()
    return tmp_path


def shown(repository: Path, *staged: str, steps: tuple[str, ...] = ()) -> list[str]:
    for name in staged:
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        git("add", "-f", name, cwd=repository)
    command = [sys.executable, str(SCRIPT), "--show", *steps]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("staged", "tests"),
    [
        ("app/audit/store.py", "tests/unit/audit"),
        ("app/dlq/scripts/move.lua", "tests/unit/dlq"),
        ("app/breaker.py", "tests/unit/test_breaker.py"),
        ("clients/python/src/datastorage_client/ids.py", "tests/unit/client"),
        ("clients/python/src/datastorage_common/files.py", "tests/unit/common"),
        ("devserver/ports.py", "tests/unit/devserver"),
        ("bench/campaign/count.py", "tests/unit/bench"),
        ("gunicorn.conf.py", "tests/unit/server"),
        ("docs/deploy.md", "tests/unit/docs"),
        ("Dockerfile", "tests/unit/deploy"),
        ("tests/unit/audit/test_store.py", "tests/unit/audit/test_store.py"),
        ("tests/unit/audit/conftest.py", "tests/unit/audit"),
    ],
)
def test_a_file_has_its_unit_tests_run(repository: Path, staged: str, tests: str) -> None:
    assert shown(repository, staged, steps=("unit",)) == [f"python -m pytest -q -n 2 --dist loadfile {tests}"]


def test_each_package_has_unit_tests_to_run() -> None:
    packages = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}
    assert packages <= {path.name for path in (ROOT / "tests" / "unit").iterdir()}


def test_python_is_checked_whole_and_tests_are_run_once(repository: Path) -> None:
    assert shown(repository, "app/audit/store.py", "tests/unit/audit/test_store.py", "LICENSE") == [
        "ruff check --force-exclude app/audit/store.py tests/unit/audit/test_store.py",
        "ruff format --check --force-exclude app/audit/store.py tests/unit/audit/test_store.py",
        "mypy",
        "lint-imports",
        "python -m pytest -q -n 2 --dist loadfile tests/unit/audit",
    ]


def test_what_has_no_checks_is_not_held_up(repository: Path) -> None:
    assert shown(repository) == []
    assert shown(repository, "LICENSE") == []


def test_a_step_that_is_not_there_is_refused(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "nope"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no step nope" in done.stderr


def test_pre_commit_runs_the_same_steps_and_nothing_from_elsewhere() -> None:
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    [steps] = re.findall(r"^    steps = \((.+)\)$", SCRIPT.read_text(), re.MULTILINE)
    assert [hook["entry"] for hook in local["hooks"]] == [
        f"scripts/check-changed {step}" for step in re.findall(r'"(\w+)"', steps)
    ]


def test_the_hook_is_installed_beside_no_other(repository: Path) -> None:
    make = ["make", "-f", str(ROOT / "Makefile"), "hooks"]
    hook = repository / ".git" / "hooks" / "pre-commit"
    for _ in range(2):
        subprocess.run(make, cwd=repository, check=True, capture_output=True)
        assert hook.read_text() == "#!/bin/sh\nexec scripts/check-changed\n"
    hook.write_text("#!/bin/sh\nexec something else\n")
    refused = subprocess.run(make, cwd=repository, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "call scripts/check-changed from it" in refused.stderr
    assert "something else" in hook.read_text()
