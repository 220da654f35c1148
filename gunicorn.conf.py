"""gunicorn, set up for this service from its own configuration (CONFIG_PATH and DATASTORAGE_*)."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from app.server import metrics_directory

# Before anything imports prometheus_client.
metrics_directory.prepare()

from app.config.addresses import with_port
from app.configuration import exit_on_wrong_settings
from app.http.environ import MAX_REQUEST_LINE
from app.inherited import read_for_workers, refresh
from app.instance import Run
from app.server import pinning, stop_signals
from app.server.balance import Shares
from app.server.room import end_until_there_is_room, is_no_room, keep_spawning
from app.server.shutdown import unfinished_mark, unfinished_workers
from app.server.sockets import share_ports
from app.server.turns import at_each_turn

with exit_on_wrong_settings():
    _settings = read_for_workers()

_server = _settings.server

bind = [with_port(host, port) for port in (_server.port, _settings.health.port) if port for host in _server.hosts()]
share_ports(_server.hosts())
wsgi_app = "app.wsgi:application"
worker_class = "app.server.worker.Worker"
logger_class = "app.server.log.Log"
workers = _server.effective_workers()
threads = _server.threads
# Connections beyond the threads wait in the worker; a low cap shares keep-alive clients out over the workers.
worker_connections = max(_server.threads * 4, 128)
backlog = 2048
keepalive = _server.keepalive
# The master's limit; the worker's own starts later, after the propagation delay (docs/decisions/graceful-shutdown.md).
graceful_timeout = int(_settings.shutdown.timeout)
timeout = 60
max_requests = 0
preload_app = False
worker_tmp_dir = metrics_directory.for_heartbeats()
control_socket_disable = True
http_parser = "auto"
limit_request_line = MAX_REQUEST_LINE
accesslog = None
errorlog = "-"
loglevel = _settings.logging.level
# Whatever the peer is, no header of a request may change its scheme or path; the client's address is our own affair.
forwarded_allow_ips = ""
secure_scheme_headers = {}
forwarder_headers = ""
sendfile = False  # needs a socket that blocks
proc_name = "datastorage"

_pin = pinning.wanted(_server.pin_workers, workers)
# New workers may run beside old ones for a while, and a crashed one's successor beside what is left of it.
_shares = Shares(4 * workers) if workers > 1 else None
_run = Run()
stop_signals.let_through_after_fork()


def on_starting(server):  # type: ignore[no-untyped-def]
    """Say what starts, keep what workers inherit fresh, and do not end where one cannot be started for a while."""
    keep_spawning(server)
    at_each_turn(server, refresh)
    server.log.info("datastorage: %d workers × %d threads%s", workers, threads, ", pinned" if _pin else "")
    if not _settings.redis.configured:
        server.log.warning("datastorage: no Redis is set up: while PostgreSQL is away, writes are refused")


def pre_fork(server, worker):  # type: ignore[no-untyped-def]
    """Choose the worker's core and slot, in the master: what a worker says of itself later the master never sees."""
    worker.run_of = _run
    if _shares is not None:
        slot = _shares.free_slot(w.slot for w in server.WORKERS.values() if w.shares is _shares)
        if slot is not None:
            worker.shares, worker.slot = _shares, slot
    if _pin:
        worker.core = pinning.free_core(w.core for w in server.WORKERS.values() if hasattr(w, "core"))
    stop_signals.hold_back()


def post_fork(server, worker):  # type: ignore[no-untyped-def]
    """Let a crash say where it was, and give each worker its core."""
    # To standard error, for each thread: a crash in a library's C code leaves no other trace.
    faulthandler.enable()
    if _pin:
        pinning.pin(worker.core)


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Start the threads, pools and clients of this worker: after the fork, never before."""
    stop_signals.let_through()
    if not worker.alive:
        sys.exit(0)  # told to stop before there was anything to finish
    sys.setswitchinterval(_server.switch_interval)
    try:
        _begin(worker)
    except (OSError, RuntimeError, MemoryError) as e:
        if not is_no_room(e):
            raise
        end_until_there_is_room(worker, e)
    # What is there now stays: the collector need not look at it again and again. A batch is parsed into thousands of
    # objects that no cycle holds, so it looks less often than every 700 of them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def _begin(worker):  # type: ignore[no-untyped-def]
    worker.open_log(_settings)
    from app.telemetry import metric_files

    if metric_files.alone:
        worker.log.warning(
            "datastorage: no room in PROMETHEUS_MULTIPROC_DIR; the metrics of worker %d are in memory: "
            "a scrape that it answers shows them alone, and others' scrapes do not show them",
            os.getpid(),
        )
    worker.begin(_settings)


def child_exit(server, worker):  # type: ignore[no-untyped-def]
    """A worker is gone: its gauges must not count any more."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
    if worker.shares is not None:
        worker.shares.set(worker.slot, -1)
    if server.LISTENERS:  # not shutting down: it crashed, and is replaced
        unfinished_mark(worker.pid).unlink(missing_ok=True)


def on_exit(server):  # type: ignore[no-untyped-def]
    """The service as a whole says whether anything was left behind."""
    if left := unfinished_workers():
        server.log.error("datastorage: workers %s ended before everything was flushed", ", ".join(left))
        sys.exit(1)


def worker_exit(server, worker):  # type: ignore[no-untyped-def]
    """Last look at what the worker leaves behind; the flush itself came earlier."""
    worker.end()
    worker.close_log()


logging.captureWarnings(True)
