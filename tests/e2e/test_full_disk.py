"""The disk with the workers' metrics is full, before the start or while they run: they go on, and say so."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.telemetry.metric_files import FILE_BYTES
from tests.support import Database, GunicornService, event, wait_until

Run = Callable[[], GunicornService]
WORKERS = 2
# A worker's: counters, histograms, three kinds of gauges, and one of the exporter's.
FILES = 6
NO_ROOM = "no room in PROMETHEUS_MULTIPROC_DIR; the metrics of worker"
NO_MORE_ROOM = "no room in PROMETHEUS_MULTIPROC_DIR for new series"


class SmallDisk:
    """A disk of its own in memory that holds the files of all workers and a page."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Leave not a byte."""
        ballast = os.open(self.path / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                os.write(ballast, bytes(512))
        except OSError:
            os.close(ballast)

    def files(self) -> dict[str, int]:
        return {p.name: p.stat().st_size for p in self.path.glob("*.db")}


@contextlib.contextmanager
def mounted(path: Path, size: int) -> Iterator[SmallDisk]:
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a disk of a test's own needs the right to mount one: {made.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    # Pages: those of the files, what starting and replacing needs besides, and one.
    with mounted(tmp_path / "metrics", (WORKERS * FILES * FILE_BYTES) + 2 * 4096) as made:
        yield made


@pytest.fixture
def run(database: Database, disk: SmallDisk, tmp_path: Path) -> Iterator[Run]:
    service = GunicornService(
        {
            **database.environ,
            "DATASTORAGE_SERVER__WORKERS": str(WORKERS),
            "PROMETHEUS_MULTIPROC_DIR": str(disk.path),
        },
        tmp_path / "gunicorn.log",
    )

    def start() -> GunicornService:
        service.start()
        wait_until(lambda: len(workers(service)) == WORKERS, what="all workers")
        return service

    yield start
    if service.process is not None:
        service.kill()


def workers(service: GunicornService) -> list[int]:
    assert service.process is not None
    return sorted(p.pid for p in psutil.Process(service.process.pid).children())


def lines(service: GunicornService, text: str) -> int:
    return service.log.read_text().count(text)


def writes(service: GunicornService, count: int = 40) -> None:
    """Writes on connections of their own, which all workers get some of."""
    for _ in range(count):
        assert service.request("POST", "/api/v1/audit/events", event()).status == 201


def test_a_worker_makes_all_its_files_at_the_start_without_a_hole(run: Run, disk: SmallDisk) -> None:
    service = run()
    wait_until(lambda: len(disk.files()) == WORKERS * FILES, what="the files of all workers")
    assert set(disk.files().values()) == {FILE_BYTES}
    assert all(p.stat().st_blocks * 512 == FILE_BYTES for p in disk.path.glob("*.db"))
    assert service.stop() == 0


def test_it_starts_and_serves_on_a_disk_that_is_full(run: Run, disk: SmallDisk) -> None:
    disk.fill()
    service = run()
    wait_until(lambda: lines(service, NO_ROOM) == WORKERS, what="each has said so")
    before = workers(service)
    writes(service)
    # Those of the worker that answers alone.
    wait_until(lambda: service.metrics()["datastorage_db_up"] == 1, what="it has seen the database")
    wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] == 1000, what="its own queue")
    assert workers(service) == before
    assert disk.files() == {}
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: lines(service, NO_ROOM) == WORKERS + 1, what="its successor is up")
    writes(service)
    assert service.stop() == 0


def test_it_goes_on_when_the_disk_fills_up_while_it_runs(run: Run, disk: SmallDisk) -> None:
    service = run()
    wait_until(lambda: len(disk.files()) == WORKERS * FILES, what="the files of all workers")
    disk.fill()
    before = workers(service)
    methods = ("PUT", "POST", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "ODD")
    paths = (
        *(
            "/health",
            "/health/ready",
            "/health/live",
            "/metrics",
            "/docs",
            "/openapi.json",
            "/openapi.yaml",
            "/nowhere",
        ),
        *(f"/api/v1/audit/{name}" for name in ("events", "events/batch", "events/x", "notifications")),
        *(f"/api/v1/workflows{name}" for name in ("", "/search", "/batch", "/x", "/by-name/x/latest")),
        *("/api/v1/dlq", "/api/v1/dlq/dead-letters"),
    )

    def every_series() -> bool:
        for method, path in itertools.product(methods, paths):
            assert service.request(method, path).status
        return lines(service, NO_MORE_ROOM) > 0

    wait_until(every_series, what="a series that finds no room")
    writes(service)
    wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] == 1000 * WORKERS, what="metrics of both")
    assert set(disk.files().values()) == {FILE_BYTES}
    assert lines(service, NO_MORE_ROOM) <= WORKERS
    assert workers(service) == before
    (disk.path / "ballast").unlink()
    assert service.stop() == 0


def test_it_goes_on_when_its_log_has_no_room(database: Database, tmp_path: Path) -> None:
    with mounted(tmp_path / "log", 64 * 1024) as small:
        log = small.path / "gunicorn.log"
        service = GunicornService(
            {**database.environ, "DATASTORAGE_SERVER__WORKERS": "1", "TMPDIR": str(tmp_path)}, log
        )
        service.start()
        try:
            small.fill()
            writes(service)
            before = workers(service)
            os.kill(before[0], signal.SIGKILL)  # nor does the master need its log
            wait_until(lambda: workers(service) not in ([], before), what="another worker")
            wait_until(lambda: service.probe("/health/ready") == 200, what="ready")
            writes(service)
            wait_until(lambda: service.metrics()["datastorage_log_lines_dropped_total"], what="lost lines are counted")
            before, full = workers(service), log.stat().st_size
            (small.path / "ballast").unlink()
            writes(service, 1)
            wait_until(lambda: log.stat().st_size > full, what="lines again")
            assert workers(service) == before
            assert service.stop() == 0
        finally:
            service.kill()
