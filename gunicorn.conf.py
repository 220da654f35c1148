"""gunicorn, set up for this service from its own configuration (CONFIG_PATH and DATASTORAGE_*)."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile

# prometheus_client reads this when it is imported, and files of dead processes must not be there. gunicorn reads
# this file again on SIGHUP; the directory is in use then, and the mark says so.
if os.environ.get("_METRICS_DIR_OF") != str(os.getpid()):
    if given := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        # The same after a restart of the container, and then full of what the last run left.
        try:
            os.makedirs(given, mode=0o700, exist_ok=True)
            for _name in os.listdir(given):
                if _name.endswith((".db", ".db.new")) or _name.startswith("unfinished-"):
                    os.unlink(os.path.join(given, _name))
        except OSError as e:
            sys.exit(
                f"datastorage: PROMETHEUS_MULTIPROC_DIR ({given}) cannot be used for the metrics: {e.strerror}; "
                "name a folder that this user may write to"
            )
        if not os.access(given, os.W_OK | os.X_OK):
            sys.exit(f"datastorage: this user may not write to PROMETHEUS_MULTIPROC_DIR ({given}); name another folder")
    else:
        try:
            _directory = tempfile.mkdtemp(prefix="datastorage-metrics-")
        except OSError:  # full, or read-only
            try:
                _directory = tempfile.mkdtemp(prefix="datastorage-metrics-", dir="/dev/shm")
            except OSError as e:
                sys.exit(
                    "datastorage: no folder for the metrics can be made in TMPDIR or /dev/shm "
                    f"({e.strerror}): name one with PROMETHEUS_MULTIPROC_DIR"
                )
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = _directory
        _owner = os.getpid()
        atexit.register(lambda: os.getpid() == _owner and shutil.rmtree(_directory, ignore_errors=True))
    os.environ["_METRICS_DIR_OF"] = str(os.getpid())

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from app.config.addresses import with_port
from app.config.cores import cpu_quota
from app.config.load import ConfigError
from app.configuration import load_settings
from app.server.balance import Shares
from app.server.room import end_until_there_is_room, is_no_room, keep_spawning
from app.server.sockets import share_ports

try:
    _settings = load_settings()
except ConfigError as e:
    for fault in e.faults:
        print(f"datastorage: {fault}", file=sys.stderr)
    sys.exit(2)

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
# gunicorn's heartbeat files: in memory where that may be written to, else where the metrics are.
_in_memory = "/dev/shm"  # noqa: S108 - the folder of the machine
worker_tmp_dir = _in_memory if os.access(_in_memory, os.W_OK | os.X_OK) else os.environ["PROMETHEUS_MULTIPROC_DIR"]
control_socket_disable = True
http_parser = "auto"
accesslog = None
errorlog = "-"
loglevel = _settings.logging.level
# Whoever the peer is, no header of a request may change its scheme or path; the client's address is our own affair.
forwarded_allow_ips = ""
secure_scheme_headers = {}
forwarder_headers = ""
sendfile = False  # needs a socket that blocks
proc_name = "datastorage"


def _pinned() -> bool:
    if _server.pin_workers != "auto":
        return _server.pin_workers == "always"
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    return cpu_quota() is None and 1 < workers <= len(cores)


_pin = _pinned() and hasattr(os, "sched_setaffinity")


# New workers may run beside old ones for a while, and a crashed one's successor beside what is left of it.
_shares = Shares(4 * workers) if workers > 1 else None


# A worker that was just forked has the master's handlers, which put a signal into a queue that it never reads: what
# reaches it before it has its own would be lost, and the master wait for it until its limit. It is held back instead,
# from before the fork until the worker can end by it.
_STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def _let_stops_through():  # type: ignore[no-untyped-def]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


# gunicorn has no hook for the master after a fork. This file is read again on SIGHUP: twice does no harm.
os.register_at_fork(after_in_parent=_let_stops_through)


def on_starting(server):  # type: ignore[no-untyped-def]
    """Say what starts, and do not end where a worker cannot be started for a while."""
    keep_spawning(server)
    server.log.info("datastorage: %d workers × %d threads%s", workers, threads, ", pinned" if _pin else "")


def pre_fork(server, worker):  # type: ignore[no-untyped-def]
    """Choose the worker's core and slot, in the master: what a worker says of itself later the master never sees."""
    if _shares is not None:
        taken = {w.slot for w in server.WORKERS.values() if w.shares is _shares}
        slot = next((slot for slot in range(len(_shares)) if slot not in taken), None)
        if slot is not None:
            worker.shares, worker.slot = _shares, slot
    if _pin:
        taken = {w.core for w in server.WORKERS.values() if hasattr(w, "core")}
        cores = sorted(os.sched_getaffinity(0))
        worker.core = next((core for core in cores if core not in taken), cores[0])
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


def post_fork(server, worker):  # type: ignore[no-untyped-def]
    """Let a crash say where it was, and give each worker its core."""
    # To standard error, for each thread: a crash in a library's C code leaves no other trace.
    faulthandler.enable()
    if _pin:
        # Threads of one interpreter lose half their speed when they run on several cores.
        os.sched_setaffinity(0, {worker.core})
        # A flush wakes many waiting threads at once. Each would interrupt the flusher on their common core, only to
        # find the interpreter taken and go back to sleep; batch threads wait until the flusher sleeps.
        # Needs no privilege, but a sandbox may refuse the call: then the worker is slower, and starts all the same.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Start the threads, pools and clients of this worker: after the fork, never before."""
    # Before the first thread: those would not let them through either.
    _let_stops_through()
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

    from app.server.shutdown import unfinished_mark

    multiprocess.mark_process_dead(worker.pid)
    if worker.shares is not None:
        worker.shares.set(worker.slot, -1)
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
    worker.close_log()


logging.captureWarnings(True)
