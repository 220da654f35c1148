"""`datastorage follow` against a stand-in for the service: what it prints, remembers, and refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datastorage_client.cli.follow import _ended_by_signals, _Follower
from datastorage_client.cli.follow_output import Output
from datastorage_client.cli.follow_state import State, StateError, alone
from datastorage_client.cli.http_client import HTTPClient

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


@pytest.mark.parametrize(
    "change",
    [
        {"moments": {"no_filter": "2026-01-05T10:00:00Z"}},
        {"moments": {"since": "2026-01-05T10:00:00Z", "until": "2026-01-05T10:00:00Z"}},
        {"moments": {}},
        {"moments": {"since": "yesterday"}},
        {"moments": {"since": None}},
        {"moments": ["since"]},
        {"moments": None},
        {"cursor": None},
        {"cursor": ["x"]},
        {"asked": []},
        {"asked": {"since": "24h", "salts": 0}},
        {"asked": {"\ud800\n\u001b[31m" * 1000: 1}},
        {"version": True},
        {"version": 1.0},
        {"version": None},
        {"more": 1},
    ],
    ids=repr,
)
def test_a_state_of_a_wrong_form_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    query, moments = {"since": "24h", "salts": False}, {"since": "2026-01-05T10:00:00Z"}
    path = tmp_path / "s"
    State(path, query, moments).keep("c")
    made = json.loads(path.read_bytes())
    assert State(path, query, {"since": "2026-01-06T10:00:00Z"}).moments == moments
    path.write_text(json.dumps({**made, **change}))
    with pytest.raises(StateError, match=r"name another file with --state|use that one, or another file") as caught:
        State(path, query, moments)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()
    path.write_text(json.dumps(made).replace('"cursor"', '"cursor": "d", "cursor"'))
    with pytest.raises(StateError):
        State(path, query, moments)


def test_a_state_with_an_unknown_moment_is_one_line(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(0)]
    assert run(feed, tmp_path, "--once")[0] == 0
    (tmp_path / "state.json").write_text(json.dumps({**kept(tmp_path), "moments": {"no_filter": "x"}}))
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, lines, len(said.splitlines())) == (2, [], 1), said
    assert "is a broken state of `datastorage follow`: name another file with --state" in said


def test_one_at_a_time(feed: FeedService, tmp_path: Path) -> None:
    process = start(feed, tmp_path)
    wait_until(lambda: feed.waiting, what="the first one waits")
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, lines) == (2, [])
    assert "another `datastorage follow` has" in said
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
    assert "RECORDS ARE MISSING" in said


def gone(slug: str, following: str, **more: Any) -> Canned:
    problem = Problem(slug, "the log is another one", members={"next": following}, **more)
    body = problem.body("https://kubernaut.ai/problems", "/api/v1/audit/feed")
    return Canned(problem.kind.status, body, (("Content-Type", "application/problem+json"),))


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


def test_where_nobody_is_it_ends_if_it_is_asked_once(tmp_path: Path) -> None:
    made = subprocess.run(
        [COMMAND, "follow", "--url", "http://127.0.0.1:1", "--state", str(tmp_path / "s"), "--once"],
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
    state = State(tmp_path / "s", {"kinds": "audit_event"}, {})
    assert state.cursor is None
    state.keep("c")
    assert State(tmp_path / "s", {"kinds": "audit_event"}, {}).cursor == "c"
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_a_state_behind_a_link_stays_there(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "s")
    with alone(tmp_path / "link") as path:
        State(path, {}, {}).keep("c")
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(StateError, match="another"), alone(tmp_path / "link"), alone(tmp_path / "there" / "s"):
        pass


def test_a_time_that_counts_from_now_stays_what_it_was(feed: FeedService, tmp_path: Path) -> None:
    """Else what came while nobody followed would be too old for the next run."""
    feed.items += [event(0)]
    for _ in range(2):
        assert run(feed, tmp_path, "--once", "--since", "24h")[0] == 0
    first, *others = [query["since"] for query in feed.feed_queries()]
    assert set(others) == {first} != {"24h"}
    assert run(feed, tmp_path, "--once", "--since", "25h")[0] == 2


def test_a_first_outage_is_waited_out(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        process = Guarded(
            [COMMAND, "follow", "--url", f"http://127.0.0.1:{port}", "--state", tmp_path / "state.json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        assert b"is asked again" in process.stderr.readline()
        with FeedService([event(0)], port) as feed:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == feed.items[0]
            process.terminate()
            assert process.wait(30) == 0


def test_a_log_that_is_another_again_and_again_is_not_asked_without_a_pause(
    feed: FeedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return self.is_set()

    monkeypatch.setattr("datastorage_client.cli.follow.Backoff", lambda: SimpleNamespace(wait=lambda n: 1000.0 * n))
    feed.items += [event(n) for n in range(3)]
    feed.script += [gone("feed-restarted", "1"), gone("feed-restarted", "2")]
    stop = Stop()
    state = State(tmp_path / "s", {}, {})
    follower = _Follower(HTTPClient(feed.url), {}, state, stop, accept_gap=False, once=True)
    assert next(follower.pages("beginning")).next == "3"
    assert [wait for wait in waits if wait >= 1000.0] == [1000.0, 2000.0]


def test_a_log_that_does_not_say_where_it_goes_on_ends_it(feed: FeedService, tmp_path: Path) -> None:
    feed.script += [gone("feed-restarted", "not a cursor")]
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, lines) == (1, [])
    assert "the log is another one" in said


def test_a_cursor_of_another_service(feed: FeedService, tmp_path: Path) -> None:
    feed.script += [gone("validation-error", "", field_errors={"after": "is no cursor of this service"})]
    code, lines, said = run(feed, tmp_path, "--once")
    assert (code, lines) == (2, [])
    assert "--state: is no cursor" in said


def test_a_record_is_one_line_whatever_stands_between_its_members(feed: FeedService, tmp_path: Path) -> None:
    body = {"events": [event(0), event(1)], "next": "2", "caught_up": True}
    feed.script += [Canned(200, json.dumps(body, indent=2).encode(), (("Content-Type", "application/json"),))]
    code, lines, _ = run(feed, tmp_path, "--once")
    assert (code, lines) == (0, body["events"])


def test_an_output_without_room(feed: FeedService, tmp_path: Path) -> None:
    feed.items += [event(0)]
    with open("/dev/full", "wb") as full:
        process = start(feed, tmp_path, "--once", out=full)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(60) == 1
    assert said == b"datastorage: the output cannot be written: No space left on device\n"
    assert not (tmp_path / "state.json").exists()


def test_an_output_that_is_closed(feed: FeedService, tmp_path: Path) -> None:
    command = f'exec "$0" follow --url {feed.url} --state "$1" --once >&-'
    done = subprocess.run(["sh", "-c", command, COMMAND, tmp_path / "s"], capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"standard output is closed" in done.stderr
    assert feed.requests == []


def test_a_pipe_with_a_name_begins_with_an_empty_line(tmp_path: Path) -> None:
    """Its reader may have got half a line of a follower that was killed."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    try:
        Output(writer, threading.Event()).begin()
        assert os.read(reader, 100) == b"\n"
    finally:
        os.close(reader)
        os.close(writer)
    one, other = os.pipe()
    try:
        os.set_blocking(one, False)
        Output(other, threading.Event()).begin()
        with pytest.raises(BlockingIOError):
            os.read(one, 100)
    finally:
        os.close(one)
        os.close(other)


@pytest.mark.parametrize(("there", "begins"), [(b"abc", b"\n"), (b"ab\n", b""), (b"\nxx", b"\n"), (b"", b"")])
def test_a_file_that_is_not_appended_to(tmp_path: Path, there: bytes, begins: bytes) -> None:
    path = tmp_path / "out"
    path.write_bytes(there)
    with path.open("r+b", buffering=0) as file:
        file.seek(0, os.SEEK_END)
        output = Output(file.fileno(), threading.Event())
        output.begin()
        assert output.write([b"x"])
    assert path.read_bytes() == there + begins + b"x\n"


def test_what_a_socket_has_is_not_taken_yet() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stop = threading.Event()
        output = Output(ours.fileno(), stop)
        stop.set()
        assert not output.write([b"x"]), "nobody has read it"
        assert theirs.recv(10) == b"x\n"
        assert output._taken()


def test_a_reader_that_takes_all_that_is_written_gets_the_page_to_its_end() -> None:
    """Also where the end is asked for meanwhile: half a line is of no use."""
    one, other = os.pipe()
    stop = threading.Event()
    stop.set()
    taken = bytearray()

    def read() -> None:
        while part := os.read(one, 65536):
            taken.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    Output(other, stop)._write(b"x" * 300_000)
    os.close(other)
    reader.join(60)
    os.close(one)
    assert len(taken) == 300_000


def test_signals_that_come_while_the_event_is_looked_at() -> None:
    """The lock that is in an event is no lock for a handler, which may interrupt the one who has it."""
    stop = threading.Event()
    with _ended_by_signals(stop), stop._cond:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0)
    assert stop.wait(60)


def test_an_output_that_is_no_file_and_no_pipe() -> None:
    with open(os.devnull, "wb") as nowhere:
        output = Output(nowhere.fileno(), threading.Event())
        output.begin()
        assert output.write([b"x"])
