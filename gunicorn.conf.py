"""gunicorn, set up for this service from its own configuration (CONFIG_PATH and DATASTORAGE_*)."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile

# prometheus_client reads this when it is imported, and files of dead processes must not be there.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    _directory = tempfile.mkdtemp(prefix="datastorage-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = _directory
    _owner = os.getpid()
    atexit.register(lambda: os.getpid() == _owner and shutil.rmtree(_directory, ignore_errors=True))

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from app.config import ConfigError, cpu_quota, load_settings

try:
    _settings = load_settings()
except ConfigError as e:
    for fault in e.faults:
        print(f"datastorage: {fault}", file=sys.stderr)
    sys.exit(2)

_server = _settings.server


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


bind = [_address(_server.host, _server.port)]
if _settings.health.port:
    bind.append(_address(_server.host, _settings.health.port))
wsgi_app = "app.wsgi:application"
worker_class = "app.worker.Worker"
logger_class = "app.worker.Log"
workers = _server.effective_workers()
threads = _server.threads
# Connections beyond the threads wait in the worker; a low cap shares keep-alive clients out over the workers.
worker_connections = max(_server.threads * 4, 128)
backlog = 2048
keepalive = _server.keepalive
# The master's limit; the worker's own starts later, after the propagation delay (contract 3, section 5).
graceful_timeout = int(_settings.shutdown.timeout)
timeout = 60
max_requests = 0
preload_app = False
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - gunicorn's heartbeat files
control_socket_disable = True
http_parser = "auto"
accesslog = None
errorlog = "-"
loglevel = _settings.logging.level
proc_name = "datastorage"


def _pinned() -> bool:
    if _server.pin_workers != "auto":
        return _server.pin_workers == "always"
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    return cpu_quota() is None and 1 < workers <= len(cores)


_pin = _pinned() and hasattr(os, "sched_setaffinity")


def on_starting(server):  # type: ignore[no-untyped-def]
    """Say what starts."""
    server.log.info("datastorage: %d workers × %d threads%s", workers, threads, ", pinned" if _pin else "")


def pre_fork(server, worker):  # type: ignore[no-untyped-def]
    """Choose the worker's core, in the master: what a worker says of itself after the fork the master never sees."""
    if _pin:
        taken = {w.core for w in server.WORKERS.values() if hasattr(w, "core")}
        cores = sorted(os.sched_getaffinity(0))
        worker.core = next((core for core in cores if core not in taken), cores[0])


def post_fork(server, worker):  # type: ignore[no-untyped-def]
    """One core a worker: threads of one interpreter lose half their speed when they run on several."""
    if _pin:
        os.sched_setaffinity(0, {worker.core})


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Start the threads, pools and clients of this worker: after the fork, never before."""
    from app import logs

    sys.setswitchinterval(_server.switch_interval)
    logs.configure(_settings.logging)
    worker.begin(_settings)


def child_exit(server, worker):  # type: ignore[no-untyped-def]
    """A worker is gone: its gauges must not count any more."""
    from prometheus_client import multiprocess

    from app.worker import unfinished_mark

    multiprocess.mark_process_dead(worker.pid)
    if server.LISTENERS:  # not shutting down: it crashed, and is replaced
        unfinished_mark(worker.pid).unlink(missing_ok=True)


def on_exit(server):  # type: ignore[no-untyped-def]
    """The service as a whole says whether anything was left behind."""
    import glob

    left = glob.glob(os.path.join(os.environ["PROMETHEUS_MULTIPROC_DIR"], "unfinished-*"))
    if left:
        pids = ", ".join(name.rsplit("-", 1)[1] for name in left)
        server.log.error("datastorage: workers %s ended before everything was flushed", pids)
        sys.exit(1)


def worker_exit(server, worker):  # type: ignore[no-untyped-def]
    """Last look at what the worker leaves behind; the flush itself came earlier."""
    worker.end()


logging.captureWarnings(True)
