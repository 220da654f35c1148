"""What is started in the background does not outlive what started it: by one class, and by exceptions that say why."""

from __future__ import annotations

import re

import pytest

from tests.support import ROOT

# Where subprocess' own Popen is right, and why what it starts ends by itself.
EXCEPTIONS = {
    "devserver/processes.py": "makes the guard itself, and children with one",
    "tests/counts/measure.py": "reads files to their end, or its input, which ends with us",
    "tests/e2e/test_buffered_store.py": "writes its output to us, and ends when nobody reads it",
    "tests/e2e/test_killed_runs.py": "is what is killed",
    "tests/integration/test_dev.py": "is what is killed",
    "tests/unit/client/test_store.py": "stores a few events and ends",
    "tests/unit/devserver/test_processes.py": "ends at once",
    "tests/unit/telemetry/test_log_writer.py": "writes a few lines and ends",
    "tests/unit/transparency/test_memories.py": "reads its input to the end, which ends with us",
}
FOLDERS = ("app", "bench", "clients", "devserver", "loadtests", "scripts", "tests")
FILES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in ("", ".py")
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_started_in_the_background_without_a_guard(folder: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if path.is_relative_to(ROOT / folder) and re.search(r"\bPopen\(", path.read_text(errors="replace"))
    }
    expected = {name for name in EXCEPTIONS if name.startswith(f"{folder}/")}
    assert found - {"tests/unit/cli/test_launchers.py"} == expected
