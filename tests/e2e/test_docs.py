"""The commands of README.md, docs/integrate.md and docs/workflows.md, run as they stand against the real service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support import ROOT, Database, GunicornService

README = ROOT / "README.md"
INTEGRATE = ROOT / "docs" / "integrate.md"
WORKFLOWS = ROOT / "docs" / "workflows.md"
# What these do has tests of its own: `make run` in test_local_run.py, and this is a part of `make test`.
ELSEWHERE = ("make ", "pip install ")
_TELL = "set -E; trap 'echo \"FAILED $BASH_COMMAND\" >&2' ERR\n"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def run(page: Path, folder: Path, service: GunicornService) -> tuple[str, list[str]]:
    """What the page's commands print, one block after the other in one shell; and those that failed."""
    script = "\n".join(block for block in blocks(page, "sh") if not block.startswith(ELSEWHERE))
    assert "http://127.0.0.1:8080" in script
    done = subprocess.run(
        ["bash", "-uo", "pipefail", "-c", _TELL + script.replace("http://127.0.0.1:8080", service.url)],
        cwd=folder,
        env={
            **os.environ,
            "DATASTORAGE_URL": service.url,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "150",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout, re.findall(r"^FAILED (.*)$", done.stderr, re.MULTILINE)


def test_the_readme_from_the_first_event_to_the_first_search(service: GunicornService) -> None:
    shown, failed = run(README, ROOT, service)
    # Its exit code says that two files of the set collide, as the page does.
    assert [command.split()[:3] for command in failed] == [["datastorage", "import", "workflows"]]
    [answer] = blocks(README, "json")
    assert re.search(re.escape(answer.strip()).replace("…", '[^"]+').replace(r":\ ", ":").replace(r",\ ", ","), shown)
    assert '{"method": "password"}' in shown
    assert "my-first-event" in shown
    assert "2,274" in shown
    assert "Increases memory limits for pods" in shown.rpartition("25 files")[2]


def test_a_service_integrates_with_curl(service: GunicornService, tmp_path: Path) -> None:
    shown, failed = run(INTEGRATE, tmp_path, service)
    assert failed == []
    promised = re.findall(r"# (\d{3})\b", "".join(blocks(INTEGRATE, "sh")))
    assert len(promised) >= 8
    assert re.findall(r"^(\d{3})$", shown, re.MULTILINE) == promised
    assert '"event_action":"is required"' in shown
    traced = service.request("GET", "/api/v1/audit/events?correlation_id=session-10").json["data"]
    assert {row["trace_id"] for row in traced} == {None, "4bf92f3577b34da6a3ce929d0e0e4736"}


def test_the_catalogue_with_curl(service: GunicornService) -> None:
    shown, failed = run(WORKFLOWS, ROOT, service)
    assert [command.split()[:3] for command in failed] == [["datastorage", "import", "workflows"]]
    promised = re.findall(r"# (\d{3})\b", "".join(blocks(WORKFLOWS, "sh")))
    assert len(promised) >= 8
    assert re.findall(r"^(\d{3})$", shown, re.MULTILINE) == promised
    [found] = re.findall(r'^{"workflows":.*}$', shown, re.MULTILINE)
    [explained] = blocks(WORKFLOWS, "json")
    [result] = json.loads(found)["workflows"]
    assert (result["final_score"], result["score_breakdown"]) == (0.505, json.loads(explained)["score_breakdown"])


def test_queries_for_dashboards(database: Database) -> None:
    try:
        for block in blocks(INTEGRATE, "sql"):
            database.query(block)
        table = r"^\| `(audit_events|notification_audit)` \| (.*) \|$"
        promised = re.findall(table, INTEGRATE.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(promised) == 2
        for name, columns in promised:
            there = {
                row[0]
                for row in database.query(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", name
                )
            }
            assert set(re.findall(r"`(\w+)`", columns)) == there
        with psycopg.connect(database.superuser_url) as conn:
            conn.execute("SET ROLE reports")
            [query] = [block for block in blocks(INTEGRATE, "sql") if block.startswith("SELECT")]
            assert conn.execute(query).fetchall() == []
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("DELETE FROM audit_events")
    finally:
        database.query("DROP OWNED BY reports")
        database.query("DROP ROLE reports")
