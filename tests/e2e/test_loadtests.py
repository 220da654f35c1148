"""Load scenarios end to end: locust in several processes, the report, and a run that must fail."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import ROOT, Database, GunicornService


def loadtest(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)


@pytest.mark.nightly
def test_a_scenario(run_service: Callable[..., GunicornService], database: Database, tmp_path: Path) -> None:
    service = run_service()
    done = loadtest("sustained_writes", "--base-url", service.url, "--seconds", 2, "--reports", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "sustained_writes.json").read_text())
    # Half a second each of 10, 50, 120 and 1,000 a second; every one of them was due and sent.
    assert [(row["requests"], row["failures"]) for row in report["requests"]] == [(5, 0), (25, 0), (60, 0), (500, 0)]
    assert report["acknowledged_events"] == {"201": 590}
    assert report["client"]["processes"] == 2
    assert database.count() == 590
    assert "POST events at 120/s" in done.stdout
    assert "<html" in (tmp_path / "sustained_writes.html").read_text()


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A service that is very fast at saying no."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200)  # it is well

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(400)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_fast_400_is_no_success(refusing: str, tmp_path: Path) -> None:
    arguments = ("batch_ingest", "--base-url", refusing, "--seconds", 1, "--processes", 1, "--reports", tmp_path)
    done = loadtest(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads((tmp_path / "batch_ingest.json").read_text())
    [row] = report["requests"]
    assert row["requests"] == row["failures"] > 0
    assert any("expected 201, got 400" in problem for problem in report["problems"])
    assert report["acknowledged_events"] == {}
