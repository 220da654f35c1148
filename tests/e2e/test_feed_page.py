"""The commands and consumers of docs/feed.md, as they stand, against the real service; killed, and cut off from it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from datastorage_common.notes import make_key

from tests.e2e.test_docs import blocks, run
from tests.support import ROOT, Guarded, GunicornService, event, wait_until

PAGE = ROOT / "docs" / "feed.md"
KEY = make_key("log.example/audit", b"\7" * 32)
# Handles a page as the one of the page does, and dies with its caller before that could keep where it is: once.
DEADLY = '#!/bin/sh\ncat >> pages.jsonl && echo >> pages.jsonl\n[ -e died ] || { : > died; kill -9 "$PPID"; }\n'


@pytest.fixture
def signed(run_service: Callable[..., GunicornService], tmp_path: Path) -> GunicornService:
    """A service whose feed ends where its log is signed."""
    (tmp_path / "log.key").write_text(KEY.encode() + "\n")
    (tmp_path / "log.key").chmod(0o600)
    return run_service(log__key_file=str(tmp_path / "log.key"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "consumer"
    made.mkdir()
    return made


def store(service: GunicornService, count: int, **members: Any) -> list[str]:
    """Store events; their ids."""
    answer = service.request("POST", "/api/v1/audit/events/batch", [event(**members) for _ in range(count)])
    assert answer.status == 201
    ids: list[str] = answer.json["event_ids"]
    return ids


@contextmanager
def consumer(service: GunicornService, folder: Path, *command: str) -> Iterator[Guarded]:
    """A consumer of the page; what it says goes into a file, and it is killed at the end."""
    with (folder / "said").open("ab") as said:
        process = Guarded(
            command,
            cwd=folder,
            env={**os.environ, "URL": service.url},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def python_block(service: GunicornService, folder: Path, name: str) -> tuple[str, str]:
    """The command of a consumer in Python, which is written into the folder."""
    [block] = [block for block in blocks(PAGE, "python") if block.startswith(f"# {name}\n")]
    assert "http://127.0.0.1:8080" in block
    (folder / name).write_text(block.replace("http://127.0.0.1:8080", service.url))
    return sys.executable, name


def shell_block(folder: Path) -> None:
    [block] = [block for block in blocks(PAGE, "sh") if "follow.sh" in block]
    subprocess.run(["bash", "-eu", "-c", block], cwd=folder, check=True)


def handled(folder: Path) -> list[list[str]]:
    """The ids of the events of each page that the consumer in shell has handled, of those that have any."""
    path = folder / "pages.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found = []
    for line in lines:
        with suppress(ValueError):  # the last one is being written
            found.append([item["event_id"] for item in json.loads(line)["events"]])
    return [page for page in found if page]


def all_handled(folder: Path) -> list[str]:
    return [ident for page in handled(folder) for ident in page]


def said(folder: Path) -> str:
    return (folder / "said").read_text()


def test_the_commands_of_the_page(service: GunicornService, folder: Path) -> None:
    shown, failed = run(PAGE, folder, service)
    assert failed == []
    script = "".join(blocks(PAGE, "sh"))
    promised = re.findall(r"^feed .*# (\d{3})\b", script, re.MULTILINE)
    assert len(promised) >= 6
    assert re.findall(r"^(\d{3})$", shown, re.MULTILINE) == promised
    answers = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
    [empty] = [json.loads(block) for block in blocks(PAGE, "json")]
    assert answers[1] == {**empty, "next": answers[1]["next"]}
    came = [item["correlation_id"] for item in answers[2]["events"]]
    assert came == ["session-20"]
    assert answers[4]["field_errors"].keys() == {"severity"}
    assert answers[5]["field_errors"].keys() == {"after"}


def test_a_consumer_in_shell_that_dies_before_it_has_kept_its_place(signed: GunicornService, folder: Path) -> None:
    stored = store(signed, 30)
    shell_block(folder)
    (folder / "handle").write_text(DEADLY)
    with consumer(signed, folder, "sh", "follow.sh") as first:
        assert first.wait(60) == -signal.SIGKILL
    assert [sorted(page) for page in handled(folder)] == [sorted(stored)]
    with consumer(signed, folder, "sh", "follow.sh"):
        wait_until(lambda: len(handled(folder)) > 1, what="the page again")
        more = store(signed, 5)
        wait_until(lambda: set(more) <= set(all_handled(folder)), what="what is new")
    # The page that it had handled and not kept has come again; nothing else has.
    first_page, again, *others = handled(folder)
    assert first_page == again
    assert sorted(ident for page in others for ident in page) == sorted(more)


def test_a_consumer_in_shell_goes_on_where_a_410_says(signed: GunicornService, folder: Path) -> None:
    shell_block(folder)
    store(signed, 3)
    cursor = wait_until(lambda: cursor_of(signed, 3), what="they are signed")
    (folder / "curl").write_text(GONE_ONCE.replace("CURSOR", cursor))
    (folder / "curl").chmod(0o755)
    (folder / "next").write_text("/api/v1/audit/feed?after=another\n")
    path = f"PATH={folder}:{os.environ['PATH']}"
    with consumer(signed, folder, "env", path, "sh", "follow.sh"):
        wait_until(lambda: (folder / "gone").exists(), what="the 410")
        more = store(signed, 2)
        wait_until(lambda: len(all_handled(folder)) >= 2, what="what is behind the cursor of the 410")
    assert sorted(all_handled(folder)) == sorted(more)


def cursor_of(service: GunicornService, size: int) -> str:
    """The end of the feed once so many events are in it; empty before."""
    found = service.request("GET", "/api/v1/audit/feed?limit=1000").json
    return found["next"] if len(found["events"]) == size else ""


# In the place of curl: a 410 as the service gives it, once, then curl.
GONE_ONCE = """#!/bin/sh
[ -e gone ] && exec "$(PATH=${PATH#*:} command -v curl)" "$@"
: > gone
printf 'HTTP/1.1 410 GONE\\r\\n\\r\\n' > headers
printf '%s' '{"type":"https://kubernaut.ai/problems/feed-restarted","status":410,"next":"CURSOR"}' > page.json
printf 410
"""


def lines_of(folder: Path) -> list[str]:
    return [line.split()[1] for line in said(folder).splitlines() if re.match(r"\d+ [0-9a-f-]{36}$", line)]


def test_a_consumer_in_python_through_kills_and_restarts_of_the_service(signed: GunicornService, folder: Path) -> None:
    command = python_block(signed, folder, "follow.py")

    def has(ids: list[str]) -> bool:
        """Whether it has handled these, and kept that it has."""
        end = signed.request("GET", "/api/v1/audit/feed?after=end").json["next"]
        cursor = folder / "cursor"
        return set(ids) <= set(lines_of(folder)) and cursor.exists() and cursor.read_text() == end

    first = store(signed, 20)
    with consumer(signed, folder, *command):
        wait_until(lambda: has(first), what="the first")
    # Killed: it goes on from the cursor that it has kept.
    second = store(signed, 20)
    with consumer(signed, folder, *command):
        wait_until(lambda: has(second), what="what came meanwhile")
        signed.stop()
        signed.start()
        third = store(signed, 20)
        wait_until(lambda: has(third), what="what came after a restart")
    assert sorted(lines_of(folder)) == sorted([*first, *second, *third]), said(folder)


def test_a_consumer_that_keeps_its_cursor_in_its_database_takes_each_event_once(
    signed: GunicornService, folder: Path
) -> None:
    command = python_block(signed, folder, "into_database.py")
    stored: list[str] = []

    def taken() -> list[str]:
        if not (folder / "logins.db").exists():
            return []
        with sqlite3.connect(folder / "logins.db", isolation_level=None) as database:
            there = database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'logins'").fetchone()
            return [row[0] for row in database.execute("SELECT event_id FROM logins")] if there else []

    def taken_more_than(count: int) -> Callable[[], bool]:
        return lambda: len(taken()) > count

    for _ in range(4):
        before = len(taken())
        with consumer(signed, folder, *command):
            for _ in range(5):
                store(signed, 2)
                stored += store(signed, 8, event_type="user.login")
            # Killed wherever it is then.
            wait_until(taken_more_than(before), what=f"some are taken: {said(folder)}")
    with consumer(signed, folder, *command):
        wait_until(taken_more_than(len(stored) - 1), what=f"all are taken: {said(folder)}")
    assert sorted(taken()) == sorted(stored)
    # From the beginning: records come again, and are known.
    with sqlite3.connect(folder / "logins.db") as database:
        database.execute("DELETE FROM feed")
    with consumer(signed, folder, *command):
        stored += store(signed, 1, event_type="user.login")
        wait_until(taken_more_than(len(stored) - 1), what=f"what came last: {said(folder)}")
    assert sorted(taken()) == sorted(stored)
