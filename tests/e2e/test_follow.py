"""`datastorage follow` beside the real service: killed at random moments, and readers of its pipe that are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.follow_runs import events_of, follower, killed_again_and_again, writing
from tests.support import Guarded, GunicornService, event, wait_until

KILLS = int(os.environ.get("FOLLOW_KILLS", "10")) // 2


def test_every_event_is_in_the_file_of_who_is_killed_again_and_again(
    run_service: Callable[..., GunicornService], tmp_path: Path
) -> None:
    service = run_service()
    target = tmp_path / "audit.ndjson"
    with target.open("ab") as out:
        with writing(service) as acknowledged:
            killed_again_and_again(service, tmp_path, out, KILLS, seed=1)
        last = follower(service, tmp_path, out)
        try:
            wait_until(lambda: {*acknowledged} <= {*events_of(target)[0]}, what="all of them are there")
        finally:
            last.terminate()
        assert last.wait(60) == 0
    ids, broken = events_of(target)
    assert acknowledged
    assert {*ids} == {*acknowledged}
    # A kill leaves one at the most.
    assert len(broken) <= KILLS
    assert run_again(service, tmp_path) == b""


def run_again(service: GunicornService, folder: Path, *options: str) -> bytes:
    """What comes behind the state."""
    process = follower(service, folder, subprocess.PIPE, "--once", *options)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out


# Takes a byte or some from its input, appends the lines that are whole to a file, and dies when it has so many bytes.
READER = """
import os, signal, sys
most, target = int(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
got, rest = 0, b""
while got < most and (part := os.read(0, min(8192, most - got))):
    got += len(part)
    rest += part
    whole, found, rest = (rest).rpartition(b"\\n")
    os.write(target, whole + found)
if got == most:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_reader_of_a_pipe_had_not_taken_comes_again(
    run_service: Callable[..., GunicornService], tmp_path: Path
) -> None:
    service = run_service()
    target = tmp_path / "audit.ndjson"
    rng = random.Random(2)
    with writing(service) as acknowledged:
        for _ in range(KILLS):
            # What is acknowledged comes a moment later: a reader that got all there was did not die.
            most = rng.randrange(1, 20_000)
            wait_until(lambda most=most: piped(service, tmp_path, target, most=most) == 1, what="a reader that dies")

    def everything() -> bool:
        assert piped(service, tmp_path, target, most=10**12) == 0
        return {*acknowledged} <= {*events_of(target)[0]}

    wait_until(everything, what="all of them are there")
    assert acknowledged
    assert events_of(target)[1] == []


def piped(service: GunicornService, folder: Path, target: Path, *, most: int) -> int:
    """The exit code of a follower whose reader dies when it has so many bytes."""
    one, other = os.pipe()
    try:
        reader = Guarded([sys.executable, "-c", READER, str(most), target], stdin=one)
        process = follower(service, folder, other, "--once")
    finally:
        os.close(one)
        os.close(other)
    code = process.wait(120)
    reader.wait(60)
    return code


def test_a_signal_ends_it_with_the_state_of_what_was_written(service: GunicornService, tmp_path: Path) -> None:
    target = tmp_path / "audit.ndjson"
    correlation = f"c-{tmp_path.name}"
    with target.open("ab") as out:
        for number, how in enumerate((signal.SIGTERM, signal.SIGINT)):
            process = follower(service, tmp_path, out, "--correlation-id", correlation)
            batch = [event(correlation_id=correlation) for _ in range(20)]
            assert service.request("POST", "/api/v1/audit/events/batch", batch).status == 201
            wait_until(lambda number=number: len(events_of(target)[0]) == 20 * (number + 1), what="they are written")
            process.send_signal(how)
            assert process.wait(60) == 0
    ids, broken = events_of(target)
    assert (len({*ids}), len(ids), broken) == (40, 40, [])
    assert run_again(service, tmp_path, "--correlation-id", correlation) == b""
    assert (tmp_path / "said").read_text() == ""


def test_an_outage_of_the_service_is_said_once_and_waited_out(
    run_service: Callable[..., GunicornService], tmp_path: Path
) -> None:
    service = run_service()
    target = tmp_path / "audit.ndjson"
    with target.open("ab") as out:
        process = follower(service, tmp_path, out)
        try:
            assert service.request("POST", "/api/v1/audit/events", event()).status == 201
            wait_until(lambda: len(events_of(target)[0]) == 1, what="the first")
            service.stop()
            wait_until(lambda: "is asked again" in (tmp_path / "said").read_text(), what="it says so")
            service.start()
            assert service.request("POST", "/api/v1/audit/events", event()).status == 201
            wait_until(lambda: len(events_of(target)[0]) == 2, what="the second")
        finally:
            process.terminate()
        assert process.wait(60) == 0
    said = (tmp_path / "said").read_text().splitlines()
    assert len(said) == 2, said
    assert said[1] == "datastorage: the feed answers again"
