"""docs/follow.md with Debian's rsyslog, behind a follower that is killed at random moments."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_docs import blocks
from tests.follow_runs import events_of, follower, killed_again_and_again, writing
from tests.support import ROOT, Database, Guarded, GunicornService, shared_valkey, wait_until

KILLS = int(os.environ.get("FOLLOW_KILLS", "10"))
RSYSLOGD = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
pytestmark = pytest.mark.skipif(RSYSLOGD is None, reason="needs rsyslogd (scripts/debian-packages system)")


@pytest.fixture
def service(database: Database, tmp_path: Path) -> Iterator[GunicornService]:
    with shared_valkey() as valkey:
        environ = {"DATASTORAGE_DATABASE__URL": database.service_url, "DATASTORAGE_REDIS__URL": valkey.url(0)}
        running = GunicornService(environ, tmp_path / "gunicorn.log")
        running.start()
        yield running
        running.stop()


def configuration(folder: Path) -> Path:
    """That of the page, with all that it names in a folder of ours."""
    [block] = [b for b in blocks(ROOT / "docs" / "follow.md", "text") if b.startswith("# /etc/rsyslog.d/")]
    for there in ("/var/spool/rsyslog", "/var/log/datastorage"):
        assert there in block
        block = block.replace(there, str(folder))
    made = folder / "rsyslog.conf"
    made.write_text(block)
    return made


class Rsyslog:
    """Debian's rsyslog with that configuration alone, to be stopped and started."""

    def __init__(self, folder: Path) -> None:
        assert RSYSLOGD is not None
        self._command = [RSYSLOGD, "-n", "-f", configuration(folder), "-i", folder / "rsyslog.pid"]
        self._said = folder / "rsyslog.said"
        checked = subprocess.run([*self._command, "-N1"], capture_output=True, text=True, timeout=60, check=False)
        assert checked.returncode == 0, checked.stderr
        self.start()

    def start(self) -> None:
        with self._said.open("ab") as said:
            self.process = Guarded(self._command, stdout=said, stderr=said, cwd="/")

    def kill(self) -> None:
        """It has no time for anything."""
        assert self.process.poll() is None, self._said.read_text()
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As the machine's own is stopped."""
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(60) == 0, self._said.read_text()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.mark.timeout(900)  # for 100 kills
def test_every_event_reaches_rsyslog_over_kills_restarts_and_rotations(
    service: GunicornService, tmp_path: Path
) -> None:
    target, received = tmp_path / "audit.ndjson", tmp_path / "received.ndjson"
    target.touch()
    rsyslog = Rsyslog(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: rsyslog.stop())
        rounds = 5
        with writing(service) as acknowledged:
            for number in range(rounds):
                with target.open("ab") as out:
                    killed_again_and_again(service, tmp_path, out, KILLS // rounds, seed=number)
                if number == 1:
                    rsyslog.stop()
                    rsyslog.start()
                if number == 2:
                    rsyslog.kill()
                    rsyslog.start()
                if number == 3:
                    # As logrotate does, while no follower runs.
                    target.rename(tmp_path / "audit.ndjson.1")
        with target.open("ab") as out:
            last = follower(service, tmp_path, out)
            try:
                wait_until(
                    lambda: received.exists() and {*acknowledged} <= {*events_of(received)[0]},
                    what="rsyslog has all of them",
                    timeout=120,
                )
            finally:
                last.terminate()
            assert last.wait(60) == 0
    ids, broken = events_of(received)
    assert acknowledged
    assert {*ids} == {*acknowledged}
    assert len(broken) <= KILLS
    assert (tmp_path / "said").read_text() == ""
