"""docs/follow.md with Debian's rsyslog: the follower is killed at random moments, and rsyslog has every event."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.test_docs import blocks
from tests.support import ROOT, Database, Guarded, GunicornService, event, wait_until

PAGE = ROOT / "docs" / "follow.md"
COMMAND = str(Path(sys.executable).parent / "datastorage")
# Times that the follower is killed.
KILLS = int(os.environ.get("FOLLOW_KILLS", "10"))
RSYSLOGD = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = pytest.mark.skipif(RSYSLOGD is None, reason="Debian's rsyslog is not installed")


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Iterator[GunicornService]:
    running = GunicornService({"DATASTORAGE_DATABASE__URL": database.service_url}, tmp_path / "gunicorn.log")
    running.start()
    yield running
    running.stop()


@contextmanager
def rsyslog(folder: Path) -> Iterator[None]:
    """rsyslog with the configuration of the page, but for its folders."""
    [text] = [block for block in blocks(PAGE, "text") if "imfile" in block]
    for path in ("/var/log/datastorage", "/var/spool/rsyslog"):
        assert path in text
        text = text.replace(path, str(folder))
    configuration = folder / "rsyslog.conf"
    configuration.write_text(text)
    assert RSYSLOGD is not None
    with (folder / "rsyslog.log").open("wb") as said:
        process = Guarded(
            [RSYSLOGD, "-n", "-f", str(configuration), "-i", str(folder / "rsyslog.pid")], stdout=said, stderr=said
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def ids(path: Path) -> set[str]:
    """The events in a file of lines; a line that a kill has cut off is none."""
    found = set()
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.add(json.loads(line)["event_id"])
        except ValueError:
            continue
    return found


def test_a_follower_that_is_killed_loses_nothing(service: GunicornService, tmp_path: Path) -> None:
    stored: list[str] = []
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.wait(0.02):
            # Now and then one that is longer than rsyslog takes by default.
            data = {"number": number, "text": "é" * (20_000 if number % 50 == 0 else 20)}
            answer = service.request("POST", "/api/v1/audit/events", event(event_data=data))
            assert answer.status == 201
            stored.append(answer.json["event_id"])
            number += 1

    target, chance = tmp_path / "audit.ndjson", random.Random(3)
    follow = [COMMAND, "follow", "--url", service.url, "--state", str(tmp_path / "state")]
    target.touch()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        with rsyslog(tmp_path):
            for _ in range(KILLS):
                size = target.stat().st_size
                with target.open("ab") as out:
                    follower = Guarded(follow, stdout=out, stderr=subprocess.DEVNULL)
                wait_until(lambda size=size: target.stat().st_size > size, what="it writes")
                over.wait(chance.random() / 2)
                follower.kill()
                follower.wait()
            over.set()
            writer.join()
            with target.open("ab") as out:
                last = Guarded(follow, stdout=out, stderr=subprocess.DEVNULL)
            wait_until(lambda: set(stored) <= ids(target), what="everything is in the file")
            last.terminate()
            assert last.wait(30) == 0
            wait_until(lambda: set(stored) <= ids(tmp_path / "received.ndjson"), what="rsyslog has everything")
    finally:
        over.set()
        writer.join()
    assert len(stored) > KILLS
