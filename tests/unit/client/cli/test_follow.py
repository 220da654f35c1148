"""`datastorage follow` against a stand-in for the service: what it prints, remembers, and refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datastorage_client.cli.follow_output import Output
from datastorage_client.cli.follow_state import State, StateError, alone

from app.http.problems import Problem
from tests.support import Guarded, wait_until
from tests.unit.client.feed_service import FeedService, act, event, notification, removed_event
from tests.unit.stub_service import Canned, busy

COMMAND = str(Path(sys.executable).parent / "datastorage")


@pytest.fixture
def feed() -> Iterator[FeedService]:
    with FeedService() as running:
        yield running


def start(feed: FeedService, folder: Path, *options: str, out: Any = subprocess.PIPE) -> Guarded:
    command = [COMMAND, "follow", "--url", feed.url, "--state", str(folder / "state.json"), *options]
    return Guarded(command, stdout=out, stderr=subprocess.PIPE)


def run(feed: FeedService, folder: Path, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, lines and words of a command that ends."""
    process = start(feed, folder, *options)
    out, err = process.communicate(timeout=60)
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["log_index"] for row in rows]


def kept(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return found


def test_it_prints_what_there_is_and_goes_on_there(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(n) for n in range(5)]
    assert run(feed, tmp_path, "--once")[:2] == (0, feed.items)
    assert kept(tmp_path)["cursor"] == "5"
    assert run(feed, tmp_path, "--once")[:2] == (0, [])
    feed.add(event(5))
    assert ids(run(feed, tmp_path, "--once")[1]) == [5]


def test_from_the_end(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(n) for n in range(5)]
    assert run(feed, tmp_path, "--once", "--from", "end")[:2] == (0, [])
    feed.add(event(5))
    assert ids(run(feed, tmp_path, "--once", "--from", "end")[1]) == [5], "the state says where, once there is one"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_by_a_signal_while_it_waits(feed: FeedService, tmp_path: Path, number: int) -> None:
    feed.items += [event(0)]
    process = start(feed, tmp_path)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["log_index"] == 0
    wait_until(lambda: (tmp_path / "state.json").exists() and feed.waiting, what="it waits for more")
    process.send_signal(number)
    assert process.wait(30) == 0
    assert kept(tmp_path)["cursor"] == "1"


def test_the_state_waits_for_the_reader_of_the_pipe(feed: FeedService, tmp_path: Path) -> None:
    """What lies in the pipe when its reader dies is nobody's."""
    feed.items += [event(n) for n in range(3)]
    process = start(feed, tmp_path)
    wait_until(lambda: feed.requests, what="it asks")
    assert process.stdout is not None
    part = os.read(process.stdout.fileno(), 10)
    assert part == b'{"kind":"a'
    assert not (tmp_path / "state.json").exists()
    process.stdout.close()
    assert process.wait(30) != 0
    assert not (tmp_path / "state.json").exists()
    assert ids(run(feed, tmp_path, "--once")[1]) == [0, 1, 2]


def test_a_reader_that_does_not_read_does_not_keep_it_from_ending(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [{**event(n), "error_message": "x" * 2000} for n in range(200)]
    process = start(feed, tmp_path)
    wait_until(lambda: feed.requests, what="it asks")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert not (tmp_path / "state.json").exists()


def test_a_line_that_was_begun_in_a_file_is_ended(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(n) for n in range(3)]
    target = tmp_path / "out"
    target.write_bytes(b'{"kind":"audit_ev')
    with target.open("ab") as out:
        assert start(feed, tmp_path, "--once", out=out).wait(60) == 0
    begun, *lines = target.read_bytes().splitlines()
    assert begun == b'{"kind":"audit_ev'
    assert [json.loads(line) for line in lines] == feed.items
    with target.open("ab") as out:
        assert start(feed, tmp_path, "--once", out=out).wait(60) == 0
    assert len(target.read_bytes().splitlines()) == 4, "and a whole one gets none"


def test_another_query_is_refused_and_the_state_stays(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(0)]
    assert run(feed, tmp_path, "--once")[0] == 0
    before = kept(tmp_path)
    for options in (["--severity", "info"], ["--format", "ocsf"], ["--kinds", "notification"], ["--salts"]):
        code, lines, said = run(feed, tmp_path, "--once", *options)
        assert (code, lines) == (2, [])
        assert "is of another query" in said
    assert kept(tmp_path) == before


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"version":1,"asked":{},"cursor":7}', b"x" * 100_000]
)
def test_what_is_no_state_is_not_overwritten(feed: FeedService, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, lines, len(said.splitlines())) == (2, [], 1), said
    assert (tmp_path / "state.json").read_bytes() == content
    assert feed.requests == []


def test_one_at_a_time(feed: FeedService, tmp_path: Path) -> None:
    process = start(feed, tmp_path)
    wait_until(lambda: feed.waiting, what="the first one waits")
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, lines) == (2, [])
    assert "another `datastorage follow` has it" in said
    process.terminate()
    assert process.wait(30) == 0
    assert run(feed, tmp_path, "--once")[0] == 0


def test_a_log_under_another_name_is_followed_on(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(n) for n in range(3)]
    feed.script.append(gone("feed-restarted", "1"))
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, ids(lines)) == (0, [1, 2])
    assert "records may come again" in said


def test_records_that_are_missing_end_it_unless_that_is_accepted(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(n) for n in range(3)]
    feed.script.append(gone("feed-expired", "2"))
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, lines) == (1, [])
    assert "--accept-gap" in said
    feed.script.append(gone("feed-expired", "2"))
    code, lines, said = run(feed, tmp_path, "--once", "--accept-gap")
    assert (code, ids(lines)) == (0, [2])
    assert "records are missing here" in said


def gone(slug: str, following: str) -> Canned:
    problem = Problem(slug, "the log is another one", members={"next": following})
    body = problem.body("https://kubernaut.ai/problems", "/api/v1/audit/feed")
    return Canned(410, body, (("Content-Type", "application/problem+json"),))


def test_an_outage_is_waited_out_once_it_was_there(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(0)]
    process = start(feed, tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    feed.script += [busy("service-unavailable")] * 3
    feed.stop()
    feed.add(event(1))
    assert json.loads(process.stdout.readline())["log_index"] == 1
    process.terminate()
    assert process.wait(30) == 0
    assert process.stderr is not None
    assert b"is asked again" in process.stderr.read()


def test_where_nobody_is_it_ends(tmp_path: Path) -> None:
    made = subprocess.run(
        [COMMAND, "follow", "--url", "http://127.0.0.1:1", "--state", str(tmp_path / "s")],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert (made.returncode, made.stdout) == (1, b"")
    assert b"no service answers" in made.stderr


@pytest.mark.parametrize("form", ["cloudevents", "ocsf"])
def test_other_forms(feed: FeedService, tmp_path: Path, form: str) -> None:
    feed.items += [event(0), removed_event(1), notification(2)]
    code, lines, _ = run(feed, tmp_path, "--once", "--format", form, "--kinds", "audit_event,notification")
    assert (code, len(lines)) == (0, 2)
    if form == "cloudevents":
        assert [line["source"] for line in lines] == [feed.url] * 2
        assert [line["data"] for line in lines] == [feed.items[0], feed.items[2]]


def test_tombstones_and_acts_are_lines(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(0), removed_event(1), act(2)]
    assert run(feed, tmp_path, "--once", "--kinds", "audit_event,act")[1] == feed.items
    assert feed.feed_queries()[0]["kinds"] == "audit_event,act"


@pytest.mark.parametrize(
    "options",
    [
        ["--kinds", "event"], ["--kinds", "act", "--format", "ocsf"], ["--salts", "--format", "cloudevents"],
        ["--source", "x"], ["--format", "xml"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_options(feed: FeedService, tmp_path: Path, options: list[str]) -> None:
    assert run(feed, tmp_path, *options)[0] == 2
    assert feed.requests == []


def test_a_folder_that_cannot_be_written(feed: FeedService, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = subprocess.run(
        [COMMAND, "follow", "--url", feed.url, "--state", str(tmp_path / "file" / "state"), "--once"],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 2
    assert len(made.stderr.splitlines()) == 1
    assert feed.requests == []


def test_who_has_the_state(tmp_path: Path) -> None:
    with alone(tmp_path / "s"), pytest.raises(StateError, match="another"), alone(tmp_path / "s"):
        pass
    state = State(tmp_path / "s", {"kinds": "audit_event"})
    assert state.cursor is None
    state.keep("c")
    assert State(tmp_path / "s", {"kinds": "audit_event"}).cursor == "c"


def test_an_output_that_is_no_file_and_no_pipe() -> None:
    with open(os.devnull, "wb") as nowhere:
        output = Output(nowhere.fileno(), threading.Event())
        output.begin()
        assert output.write([b"x"])
