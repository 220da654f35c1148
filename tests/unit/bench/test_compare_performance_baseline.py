"""scripts/compare-performance-baseline: what passes, what fails, and what it says."""

from __future__ import annotations

import copy
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from bench import compare
from bench.check import update
from tests.support import ROOT

SCRIPT = ROOT / "scripts" / "compare-performance-baseline"


def measurement() -> dict[str, Any]:
    return {
        "machine": {
            "processor": "Test", "cores": 2, "memory_gb": 8, "python": "3.11", "empty_route_per_s": 4000.0,
            "copy_rows_per_s": 30000.0, "fdatasync_ms": 0.1,
        },
        "tolerance": 0.2,
        "sections": {
            "audit_write": {
                "cpu_to_asking": {"value": 2.0, "unit": "×", "kind": "ratio", "better": "lower"},
                "rate": {"value": 1500.0, "unit": "/s", "kind": "absolute", "better": "higher", "bar": 120},
                "p95_ms": {"value": 5.0, "unit": "ms", "kind": "absolute", "better": "lower", "bar": 235},
            },
            "replay": {
                "share": {"value": 0.5, "unit": "×", "kind": "ratio", "better": "higher"},
                "rate": {"value": 2500.0, "unit": "events/s", "kind": "absolute", "better": "higher"},
            },
        },
    }  # fmt: skip


def changed(section: str, figure: str, value: float | None) -> dict[str, Any]:
    made = copy.deepcopy(measurement())
    if value is None:
        del made["sections"][section][figure]
    else:
        made["sections"][section][figure]["value"] = value
    return made


def failures(*measured: dict[str, Any], baseline: dict[str, Any] | None = None, **options: Any) -> dict[str, str]:
    rows = compare.compare(baseline or measurement(), list(measured), **options)
    return {f"{row.section}.{row.figure}": row.why for row in rows if not row.ok}


@pytest.mark.parametrize(
    ("section", "figure", "value", "why"),
    [
        ("audit_write", "cpu_to_asking", 2.39, None),
        ("audit_write", "cpu_to_asking", 2.41, "worse by more than 20%"),
        ("audit_write", "cpu_to_asking", 0.1, None),
        ("replay", "share", 0.41, None),
        ("replay", "share", 0.39, "worse by more than 20%"),
        # Absolute figures: their bar alone decides.
        ("audit_write", "p95_ms", 200.0, None),
        ("audit_write", "p95_ms", 236.0, "past its bar"),
        ("audit_write", "rate", 119.0, "past its bar"),
        ("replay", "rate", 1.0, None),
        # Whatever is missing fails.
        ("audit_write", "cpu_to_asking", None, "not measured"),
        ("audit_write", "p95_ms", None, "not measured"),
        ("replay", "rate", None, "not measured"),
    ],
)
def test_one_figure(section: str, figure: str, value: float | None, why: str | None) -> None:
    wanted = {} if why is None else {f"{section}.{figure}": why}
    assert failures(changed(section, figure, value)) == wanted


def test_a_whole_section_missing() -> None:
    made = measurement()
    del made["sections"]["replay"]
    assert failures(made) == {"replay.share": "not measured", "replay.rate": "not measured"}
    assert failures(measurement(), sections=("burst",)) == {"burst.–": "the baseline has no such section"}


def test_of_several_the_best_counts() -> None:
    slow, fast = changed("audit_write", "cpu_to_asking", 3.0), changed("audit_write", "cpu_to_asking", 2.1)
    assert failures(slow, fast) == {}
    assert failures(slow, slow) != {}


def test_ratios_alone() -> None:
    assert failures(changed("audit_write", "p95_ms", 999.0), kinds=("ratio",)) == {}


def test_a_tolerance_of_its_own() -> None:
    baseline = measurement()
    baseline["sections"]["audit_write"]["cpu_to_asking"]["tolerance"] = 0.05
    assert failures(changed("audit_write", "cpu_to_asking", 2.2), baseline=baseline) == {
        "audit_write.cpu_to_asking": "worse by more than 5%"
    }


def test_another_machine_gets_twice_the_tolerance_and_is_told() -> None:
    other = changed("audit_write", "cpu_to_asking", 2.7)
    other["machine"]["processor"] = "Other"
    rows = compare.compare(measurement(), [other])
    assert all(row.ok for row in rows)
    assert "another machine" in compare.summary(rows, measurement(), [other])[0]
    other["sections"]["audit_write"]["cpu_to_asking"]["value"] = 2.9
    assert not all(row.ok for row in compare.compare(measurement(), [other]))


class Run(Protocol):
    """Runs the script in this process."""

    def __call__(self, *arguments: object) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def script(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(SCRIPT), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        code = ended.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return script


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    contents: dict[str, Any] = {
        "baseline": measurement(),
        "slower": [changed("audit_write", "cpu_to_asking", 3.0)],
        "useless": {"figures": []},
    }
    made = {name: tmp_path / f"{name}.json" for name in contents}
    for name, content in contents.items():
        made[name].write_text(json.dumps(content))
    return made


def test_the_script(files: dict[str, Path], run: Run) -> None:
    good = run("--baseline", files["baseline"], files["baseline"])
    assert (good.returncode, good.stderr) == (0, "")
    assert "All 5 figures hold." in good.stdout
    bad = run("--baseline", files["baseline"], files["slower"])
    assert bad.returncode == 1, bad
    assert "audit_write.cpu_to_asking: 3 ×, worse by more than 20%" in bad.stdout
    assert "+50%" in bad.stdout
    shown = run("--json", "--baseline", files["baseline"], files["slower"])
    assert shown.returncode == 1, shown
    report = json.loads(shown.stdout)
    assert report["ok"] is False
    assert [f["figure"] for f in report["figures"] if not f["ok"]] == ["cpu_to_asking"]
    best = run("--baseline", files["baseline"], files["slower"], files["baseline"])
    assert best.returncode == 0, best
    assert "--baseline old.json" in run("--help").stdout


def test_files_that_cannot_be_used(files: dict[str, Path], tmp_path: Path, run: Run) -> None:
    for arguments, said in (
        ((files["useless"],), "holds no sections"),
        ((tmp_path / "none.json",), "No such file"),
        ((SCRIPT,), "is not JSON"),
    ):
        done = run("--baseline", files["baseline"], *arguments)
        assert done.returncode == 2, done
        assert done.stderr.startswith("compare-performance-baseline: ")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_an_update_keeps_what_was_set_by_hand_and_adds_a_line(tmp_path: Path) -> None:
    baseline, history = tmp_path / "baseline.json", tmp_path / "history.md"
    old = measurement()
    old["sections"]["replay"]["share"]["tolerance"] = 0.4
    baseline.write_text(json.dumps(old))
    history.write_text("| date |\n")
    made = changed("audit_write", "cpu_to_asking", 1.5)
    del made["sections"]["replay"]["rate"]  # not measured this time
    update(baseline, history, made)
    kept = json.loads(baseline.read_text())
    assert kept["sections"]["audit_write"]["cpu_to_asking"]["value"] == 1.5
    assert kept["sections"]["replay"]["share"]["tolerance"] == 0.4
    assert kept["sections"]["replay"]["rate"]["value"] == 2500.0
    [_, line] = history.read_text().splitlines()
    assert "2 × Test, Python 3.11" in line
    assert "audit_write.cpu_to_asking 1.5" in line
