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
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from datastorage_client.verify.record import event_digests, read_record

from app.http.problems import Problem
from tests.e2e.conftest import store
from tests.e2e.test_docs import blocks, run
from tests.support import ROOT, Database, Guarded, GunicornService, event, wait_until
from tests.unit.client.feed_service import FeedService, page
from tests.unit.client.feed_service import event as event_item
from tests.unit.stub_service import Canned, StubService, busy
from tests.verify_support import without_triggers

PAGE = ROOT / "docs" / "feed.md"
# Put behind what handles a page, it dies with its caller before that could keep where it is: once.
DEADLY = '[ -e died ] || { : > died; kill -9 "$PPID"; }\n'
# In the place of `sleep`: it takes no time, and is written down.
NO_SLEEP = '#!/bin/sh\necho "$1" >> slept\n'
EXACT = "123456789012345678901234567890.10"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "consumer"
    made.mkdir()
    return made


@contextmanager
def consumer(service: GunicornService | StubService, folder: Path, *command: str, **environ: str) -> Iterator[Guarded]:
    """A consumer of the page; what it says goes into a file, and it is killed at the end."""
    with (folder / "said").open("ab") as said:
        process = Guarded(
            command,
            cwd=folder,
            env={**os.environ, "URL": service.url, **environ},
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
    (folder / name).write_text(python_text(name, service.url))
    return sys.executable, name


def python_text(name: str, url: str) -> str:
    """A consumer in Python, which asks there."""
    [block] = [block for block in blocks(PAGE, "python") if block.startswith(f"# {name}\n")]
    assert "http://127.0.0.1:8080" in block or "DataStorageClient" not in block
    return block.replace("http://127.0.0.1:8080", url)


def shell_block(folder: Path) -> None:
    [block] = [block for block in blocks(PAGE, "sh") if "follow.sh" in block]
    subprocess.run(["bash", "-eu", "-c", block], cwd=folder, check=True)


def handled(folder: Path) -> list[list[str]]:
    """The ids of the events of each page that the consumer in shell has handled, whole ones all of them."""
    paths = sorted((folder / "pages").glob("*.json"))
    return [[item["event_id"] for item in json.loads(path.read_bytes())["events"]] for path in paths]


def in_front(folder: Path, name: str, text: str) -> tuple[str, str]:
    """Another program of this name, and what has to stand before a command so that it takes that."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(text)
    (folder / "bin" / name).chmod(0o755)
    return "env", f"PATH={folder / 'bin'}:{os.environ['PATH']}"


def remove(database: Database, ident: str) -> None:
    """Remove the row of an event, as somebody who owns the database can."""
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        assert conn.execute("DELETE FROM audit_events WHERE event_id = %s", (ident,)).rowcount == 1


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
    handle = (folder / "handle").read_text()
    (folder / "handle").write_text(handle + DEADLY)
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
    # What is killed while it writes leaves nothing under the name of a page.
    broken = subprocess.run(["sh", "-c", "cat() { head -c 5; kill -9 $$; }; . ./handle"], cwd=folder, input=b"{}" * 9)
    assert broken.returncode == -signal.SIGKILL
    assert [path.read_bytes() for path in (folder / "pages").glob("new.*")] == [b"{}{}{"]
    assert len(all_handled(folder)) == 2 * len(stored) + len(more)
    # Who reads the pages has each record once.
    command = python_block(signed, folder, "read_pages.py")
    read = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert sorted(read.stdout.split("\n")) == ["", *sorted(f"stored {ident}" for ident in [*stored, *more])]


def test_a_consumer_in_shell_tells_what_was_removed(signed: GunicornService, database: Database, folder: Path) -> None:
    shell_block(folder)
    stored = store(signed, 3, event_data={"removed": True})
    remove(database, stored[1])
    with consumer(signed, folder, "sh", "follow.sh"):
        wait_until(lambda: len(all_handled(folder)) == 3, what="all three")
    command = python_block(signed, folder, "read_pages.py")
    read = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    told = [f"{'removed' if ident == stored[1] else 'stored'} {ident}" for ident in stored]
    assert sorted(read.stdout.splitlines()) == sorted(told)


def test_a_consumer_in_shell_asks_for_what_its_file_says_from_where_it_is(folder: Path) -> None:
    def answer(items: list[dict[str, Any]], place: int, *, caught_up: bool, **more: str) -> Canned:
        link = f'</prefix/api/v1/audit/feed?limit=500&wait=20&after={place}>; rel="next"'
        return page(items, str(place), caught_up, Link=link, **more)

    shell_block(folder)
    path = in_front(folder, "sleep", NO_SLEEP)
    environ = {"TOKEN": "secret-token"}
    follow = folder / "follow.sh"
    with FeedService() as service:
        service.script += [
            answer([], 1, caught_up=False),
            # What a record says is no end of a page.
            answer([event_item(1)], 2, caught_up=True),
            answer([], 3, caught_up=True),
            answer([], 4, caught_up=True, Retry_After="7"),
            busy(retry_after="9"),
            refused("unauthorized", 401),
        ]
        with consumer(service, folder, *path, "sh", "follow.sh", **environ) as process:
            assert process.wait(60) == 1
        assert [query.get("after") for query in service.feed_queries()] == [None, "1", "2", "3", "4", "4"]
        assert {request.headers["Authorization"] for request in service.requests} == {"Bearer secret-token"}
        # At once where more follows, and where something came.
        assert (folder / "slept").read_text().split() == ["1", "7", "9"]
        assert "problems/unauthorized" in said(folder)
        assert len(list((folder / "pages").glob("*.json"))) == 1
        # Another filter and limit, from the cursor that was kept; without a token.
        follow.write_text(follow.read_text().replace("limit=500&wait=20", "limit=7&event_category=auth"))
        service.script += [answer([], 5, caught_up=True), refused("forbidden", 403)]
        with consumer(service, folder, *path, "sh", "follow.sh") as process:
            assert process.wait(60) == 1
        assert service.feed_queries()[-2:] == [
            {"limit": "7", "event_category": "auth", "after": "4"},
            {"limit": "7", "event_category": "auth", "after": "5"},
        ]
        assert "Authorization" not in service.requests[-1].headers


def refused(slug: str, status: int) -> Canned:
    made = Problem(slug, "no")
    assert made.kind.status == status
    return Canned(
        status, made.body("https://kubernaut.ai/problems", "/x"), (("Content-Type", "application/problem+json"),)
    )


def test_a_consumer_in_shell_without_an_address_ends_at_once(folder: Path) -> None:
    shell_block(folder)
    for environ in ({}, {"URL": ""}):
        kept = {name: value for name, value in os.environ.items() if name != "URL"}
        done = subprocess.run(
            ["sh", "follow.sh"], cwd=folder, env={**kept, **environ}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode != 0
        assert "URL" in done.stderr
        assert not (folder / "cursor").exists()


def test_a_consumer_that_begins_at_the_end_keeps_that_first(signed: GunicornService, folder: Path) -> None:
    stored = store(signed, 3)
    wait_until(lambda: cursor_of(signed, 3), what="they are signed")
    first, *_, begin = blocks(PAGE, "sh")
    asking = next(line for line in first.splitlines() if line.startswith("feed()"))
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{asking}\n{begin}"],
        cwd=folder,
        env={**os.environ, "URL": signed.url},
        check=True,
    )
    later = store(signed, 2)
    shell_block(folder)
    with consumer(signed, folder, "sh", "follow.sh"):
        wait_until(lambda: len(all_handled(folder)) >= 2, what="what came before it was started")
    assert sorted(all_handled(folder)) == sorted(later)
    assert not {*stored} & {*later}


def test_records_are_kept_as_they_were_sent_and_give_their_digests(signed: GunicornService, folder: Path) -> None:
    sent = {**event(), "event_data": {"x": "NUMBER"}}
    body = json.dumps(sent).replace('"NUMBER"', EXACT).encode()
    assert signed.request("POST", "/api/v1/audit/events", body).status == 201
    wait_until(lambda: cursor_of(signed, 1), what="it is signed")
    subprocess.run(python_block(signed, folder, "exact.py"), cwd=folder, check=True)
    [line] = (folder / "records.jsonl").read_bytes().splitlines()
    assert EXACT.encode() in line
    members = json.loads(line)
    assert len(members["salt"]) == 32
    assert members["digest"] in {digest.hex() for digest in event_digests(read_record(line))}


def test_a_consumer_in_shell_goes_on_where_a_410_says(signed: GunicornService, folder: Path) -> None:
    shell_block(folder)
    store(signed, 3)
    cursor = wait_until(lambda: cursor_of(signed, 3), what="they are signed")
    path = in_front(folder, "curl", GONE_ONCE.replace("CURSOR", cursor))
    (folder / "cursor").write_text("another\n")
    with consumer(signed, folder, *path, "sh", "follow.sh"):
        wait_until(lambda: (folder / "gone").exists(), what="the 410")
        more = store(signed, 2)
        wait_until(lambda: len(all_handled(folder)) >= 2, what="what is behind the cursor of the 410")
    assert sorted(all_handled(folder)) == sorted(more)


def cursor_of(service: GunicornService, size: int) -> str:
    """The end of the feed once so many events are in it; empty before."""
    found = service.request("GET", "/api/v1/audit/feed?limit=1000").json
    return found["next"] if len(found["events"]) == size else ""


def test_the_cursor_of_a_410_that_has_none_is_not_kept(folder: Path) -> None:
    with FeedService() as service:
        told = Problem("feed-restarted", "no", members={"next": ""})
        headers = (("Content-Type", "application/problem+json"), *told.headers.items())
        gone = Canned(410, told.body("https://kubernaut.ai/problems", "/x"), headers)
        shell_block(folder)
        (folder / "cursor").write_text("1")
        (folder / "follow.py").write_text(python_text("follow.py", service.url))
        (folder / "into_database.py").write_text(python_text("into_database.py", service.url))
        for command in (("sh", "follow.sh"), (sys.executable, "follow.py"), (sys.executable, "into_database.py")):
            service.script.append(gone)
            process = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "URL": service.url},
                capture_output=True,
                timeout=60,
                check=False,
            )
            assert (process.returncode, len(service.script)) == (1, 0), process.stderr
            assert b"feed-restarted" in process.stderr or b"FeedRestartedError" in process.stderr
        assert (folder / "cursor").read_text() == "1"
        with closing(sqlite3.connect(folder / "events.db")) as database:
            assert database.execute("SELECT cursor FROM feed").fetchall() == []


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


def test_a_consumer_in_python_tells_what_was_removed(signed: GunicornService, database: Database, folder: Path) -> None:
    first, gone, last = store(signed, 3)
    remove(database, gone)
    with consumer(signed, folder, *python_block(signed, folder, "follow.py")):
        wait_until(lambda: last in said(folder) and gone in said(folder), what=f"all: {said(folder)}")
    assert sorted(lines_of(folder)) == sorted([first, last])
    assert re.search(rf"^\d+ {gone} is not there now$", said(folder), re.MULTILINE)


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
    signed: GunicornService, database: Database, folder: Path
) -> None:
    command = python_block(signed, folder, "into_database.py")
    stored: list[str] = []

    def rows(condition: str = "") -> list[Any]:
        if not (folder / "events.db").exists():
            return []
        with sqlite3.connect(folder / "events.db", isolation_level=None) as copy:
            there = copy.execute("SELECT 1 FROM sqlite_schema WHERE name = 'events'").fetchone()
            return copy.execute(f"SELECT * FROM events {condition}").fetchall() if there else []

    def taken() -> list[str]:
        return [row[0] for row in rows()]

    def taken_more_than(count: int) -> Callable[[], bool]:
        return lambda: len(taken()) > count

    for _ in range(4):
        before = len(taken())
        with consumer(signed, folder, *command):
            for _ in range(5):
                stored += store(signed, 10, event_type="user.login")
            # Killed wherever it is then.
            wait_until(taken_more_than(before), what=f"some are taken: {said(folder)}")
    with consumer(signed, folder, *command):
        wait_until(taken_more_than(len(stored) - 1), what=f"all are taken: {said(folder)}")
    assert sorted(taken()) == sorted(stored)
    # From the beginning: records come again, and are known; two are not there any more, of one there is a copy.
    unseen, *_ = store(signed, 1, event_type="user.login")
    remove(database, stored[0])
    remove(database, unseen)
    with sqlite3.connect(folder / "events.db") as copy:
        copy.execute("DELETE FROM feed")
    with consumer(signed, folder, *command):
        stored += [unseen, *store(signed, 1, event_type="user.login")]
        wait_until(taken_more_than(len(stored) - 1), what=f"what came last: {said(folder)}")
    assert sorted(taken()) == sorted(stored)
    marked = {row[0]: row[2] for row in rows("WHERE removed")}
    assert marked == {stored[0]: "user.login", unseen: None}
