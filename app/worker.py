"""The gunicorn worker: gthread, with probes apart from requests and a shutdown that flushes in time.

Connections that arrive at the health port are served by threads of their own, so that a probe is answered
also when every request thread waits for something.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import threading
import time
from concurrent import futures
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.gthread import ThreadWorker

from app import logs
from app.config import load_settings

if TYPE_CHECKING:
    from app.config import Settings
    from app.lifecycle import Services

_PROBE_THREADS = 2
# How long, for how many bytes and for how many connections at once a client's end of a connection is waited for.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 64 * 1024
_LINGER_MAX = 256


def unfinished_mark(pid: int) -> Path:
    """The file that is there while a worker runs, and stays if it ended without having flushed everything."""
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]) / f"unfinished-{pid}"


class Log(GunicornLogger):  # type: ignore[misc]
    """gunicorn's own log lines in the form of all others, so that a collector can read every line."""

    def setup(self, cfg: Any) -> None:
        """Set gunicorn's log up, then dress it like ours."""
        super().setup(cfg)
        settings = load_settings().logging
        for handler in self.error_log.handlers:
            logs.dress(handler, settings)


class Worker(ThreadWorker):  # type: ignore[misc]
    """One worker process of the service."""

    _services: Services | None = None
    _health_port = 0
    _ended = False

    def begin(self, settings: Settings) -> None:
        """Start the service's threads; called once the worker process has loaded the application."""
        self._settings = settings
        self._health_port = settings.health.port
        self._probes = futures.ThreadPoolExecutor(_PROBE_THREADS, thread_name_prefix="probe")
        services: Services = self.wsgi.extensions["datastorage"]
        self._services = services
        # The master exits 0 whatever its workers did; a mark that is still there at the end tells it otherwise.
        self._mark = unfinished_mark(os.getpid())
        self._mark.touch()
        self._lingering: dict[Any, int] = {}  # connections that we have ended and the client has not; bytes since
        services.start()

    def enqueue_req(self, conn: Any) -> None:
        """Hand a connection to the request threads, or to the probes' own if it came to the health port."""
        if self._health_port and conn.server[1] == self._health_port:
            job = self._probes.submit(self.handle, conn)
            job.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))
        else:
            super().enqueue_req(conn)

    def finish_request(self, conn: Any, job: futures.Future[Any]) -> None:
        """Keep the connection or end it; never on the time of the loop that serves all the others.

        gthread waits here, up to 2 s a connection, for a client to close its side; a handful of clients that do not
        would stop everything, probes too.
        """
        keep = not job.cancelled() and job.exception() is None and job.result()
        if keep and self.alive:
            super().finish_request(conn, job)
            return
        self.nr_conns -= 1
        try:
            # The end of our side now; what the client still sends is read for a while, since closing with bytes
            # unread would take the answer away from it.
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError, KeyError):
            conn.close()
            return
        conn.timeout = time.monotonic() + _LINGER_SECONDS
        self._lingering[conn] = 0
        if len(self._lingering) > _LINGER_MAX:
            self._end_lingering(next(iter(self._lingering)))

    def _drain(self, conn: Any, _: Any) -> None:
        try:
            got = len(conn.sock.recv(_LINGER_BYTES))
        except BlockingIOError:
            return
        except OSError:
            got = 0
        self._lingering[conn] += got
        if not got or self._lingering[conn] > _LINGER_BYTES:
            self._end_lingering(conn)

    def _end_lingering(self, conn: Any) -> None:
        del self._lingering[conn]
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        conn.close()

    def murder_pending(self) -> None:
        """Called once a turn of the loop: end what has waited long enough."""
        super().murder_pending()
        now = time.monotonic()
        while self._lingering and (oldest := next(iter(self._lingering))).timeout <= now:
            self._end_lingering(oldest)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: turn readiness off now, stop taking connections after the propagation delay.

        gunicorn's master closes its listeners at once, but the sockets that this worker inherited go on
        answering, so load balancers have the delay to notice. A second signal changes nothing.
        """
        if self._services is None:
            super().handle_exit(sig, frame)
            return
        if self._services.draining:
            return
        self._services.drain()
        # From here on every answer closes its connection, so that clients move to another instance.
        # Not by a keep-alive of 0: that would cut connections that were just told they may stay.
        self.max_keepalived = 0
        delay = self._settings.shutdown.endpoint_propagation_delay
        if delay <= 0:
            super().handle_exit(sig, frame)
            return
        timer = threading.Timer(delay, super().handle_exit, (sig, frame))
        timer.daemon = True
        timer.start()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT and SIGINT: as SIGTERM but without the delay; what is queued is still flushed."""
        if self._services is not None:
            self._services.drain()
            super().handle_exit(signal.SIGTERM, frame)
        else:
            super().handle_quit(sig, frame)

    def is_parent_alive(self) -> bool:
        """Without a master nobody would ever tell this worker to stop: it finishes and goes by itself."""
        if super().is_parent_alive():
            return True
        if self._services is not None:
            self._services.drain()
        # gthread itself would go on keeping connections, and wait for them.
        self.alive = False
        return False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections or not; at the end, idle connections are closed too, since nobody waits on them."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for idle in (self.keepalived_conns, self.pending_conns):
            while idle:
                conn = idle.popleft()
                with contextlib.suppress(OSError, KeyError, ValueError):  # gone from the poller already
                    self.poller.unregister(conn.sock)
                self.nr_conns -= 1
                conn.close()

    def run(self) -> None:
        """Serve until told to stop, finish what is in flight, then flush."""
        if self._services is not None:
            # The master waits longer than this, so the flush comes before anyone sends SIGKILL.
            self.cfg.set("graceful_timeout", int(self._settings.shutdown.request_timeout))
        super().run()
        self.end()

    def end(self) -> None:
        """Flush and close; safe to call again."""
        if self._services is None or self._ended:
            return
        self._ended = True
        started = time.monotonic()
        clean = self._services.stop()
        self.log.info("worker %d stopped after %.1f s", os.getpid(), time.monotonic() - started)
        if clean:
            self._mark.unlink(missing_ok=True)
        else:
            self.log.error("worker %d left something behind", os.getpid())
