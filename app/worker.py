"""The gunicorn worker: gthread, with limits on slow clients, probes apart from requests and a shutdown that flushes.

The loop gathers the head of each request and gives a connection to a thread only then (`app.connections`).
Connections that arrive at the health port are served by threads of their own, so that a probe is answered
also when every request thread waits for something.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
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
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from app import logs
from app.config import load_settings
from app.connections import ClientSocket, Connection, Shares, held_by, take_no_newcomers
from app.problems import CONTENT_TYPE, Problem

if TYPE_CHECKING:
    from app.config import Settings
    from app.lifecycle import Services

_PROBE_THREADS = 2
# How long, for how many bytes and for how many connections at once a client's end of a connection is waited for.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 16 * 1024**2  # a client that sends too large a body reads the answer only when it is through
_DRAIN_BYTES = 64 * 1024
_LINGER_MAX = 256
# How often deadlines are looked at while there are any.
_TURN_SECONDS = 0.25
# Connections to the health port beyond the others' limit: probes are answered however many clients there are.
_PROBE_CONNECTIONS = 32
# A connection that is full of others' slow heads is not kept waiting for them: the oldest goes after so long.
_CROWDED_SECONDS = 0.5
# How long another worker with fewer connections may take to accept the next one before this one does. Each time that
# it does not, this one takes twice as many before it waits again, up to a limit and for a while: the other is busy.
_YIELD_SECONDS = 0.005
_MOST_IN_A_ROW = 64
ROW_SECONDS = 0.1
# In a shutdown: how long a connection that has not sent anything may still begin to.
_LAST_CALL_SECONDS = 1.0
# In a shutdown: how long a connection that a client has begun may take to be made: a round trip of a long way, or of a
# short one where both ends wait for a processor.
_LAST_HANDSHAKE_SECONDS = 0.25


def unfinished_mark(pid: int) -> Path:
    """The file that is there while a worker runs, and stays if it ended without having flushed everything."""
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]) / f"unfinished-{pid}"


def _problem_of(error: Exception) -> Problem:
    """What the client of a request that gunicorn refused is told."""
    if isinstance(error, errors.LimitRequestHeaders | errors.LimitRequestLine):
        return Problem("request-headers-too-large", "the request line and headers are too large")
    if isinstance(error, errors.ExpectationFailed):
        return Problem("expectation-failed", "the only expectation that can be met is 100-continue")
    if isinstance(error, errors.UnsupportedTransferCoding):
        return Problem("unsupported-transfer-coding", "the only transfer coding is chunked")
    if isinstance(error, errors.ParseException):
        return Problem("invalid_request", "the request could not be understood")
    return Problem("internal-error", "an unexpected error occurred")


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

    # Set in the master by gunicorn.conf.py where there are several workers.
    shares: Shares | None = None
    slot = 0

    _services: Services | None = None
    _line_writer: logs.LineWriter | None = None
    _health_port = 0
    _ended = False
    _served = True  # False where it was told to stop before it could

    def open_log(self, settings: Settings) -> None:
        """Let one thread write what this process logs, gunicorn's lines too, so that they come in their order."""
        self._line_writer = self.wsgi.extensions["datastorage"].request_log.writer
        self._line_writer.start()
        self.log.error_log.handlers[:] = [logs.configure(settings.logging, self._line_writer)]

    def close_log(self) -> None:
        """Write what waits; what is logged after this is written at once."""
        if self._line_writer is not None:
            self._line_writer.stop()

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
        self._heads: dict[Connection, None] = {}  # waiting for a head to be complete, in the order of their deadlines
        self._lingering: dict[Connection, int] = {}  # that we have ended and the client has not; bytes since
        self._listening: set[socket.socket] = set()
        self._yielding: dict[socket.socket, float] = {}  # left to other workers until then
        self._in_a_row = self._left_of_row = 0  # to be taken after others had their time
        self._row_ends = 0.0
        services.start()

    def accept(self, listener: socket.socket) -> None:
        """Take one connection; the loop waits for the head of its first request."""
        if self._let_others(listener):
            return
        try:
            accepted, client = listener.accept()
        except OSError as e:
            if e.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        if self.nr_conns >= self.worker_connections + _PROBE_CONNECTIONS:
            accepted.close()
            return
        sock = ClientSocket.of(accepted, self._settings.server.answer_timeout)
        self.nr_conns += 1
        self._await_head(Connection(self.cfg, sock, client, listener.getsockname()))

    def _let_others(self, listener: socket.socket) -> bool:
        """Leave a connection to a worker that has fewer; keep-alive binds a client to its worker for long.

        Whoever is awake accepts, so one worker can get most of a row of connections while another sleeps.
        """
        if self.shares is None or not self.alive or self._is_probes(listener):
            return False
        self.shares.set(self.slot, self.nr_conns)
        if not self.shares.others_first(self.slot):
            return False
        now = time.monotonic()
        if self._left_of_row > 0 and now < self._row_ends:
            self._left_of_row -= 1
            return False
        self._yielding[listener] = now + _YIELD_SECONDS
        self.poller.unregister(listener)
        self._listening.remove(listener)
        return True

    def _take_back(self) -> None:
        """Listen again where others have had their time; whoever still waits there is this worker's."""
        now = time.monotonic()
        for listener in [each for each, until in self._yielding.items() if until <= now]:
            del self._yielding[listener]
            if not self._accepting:
                continue
            self.poller.register(listener, selectors.EVENT_READ, self.accept)
            self._listening.add(listener)
            waiting = select.poll()
            waiting.register(listener.fileno(), select.POLLIN)
            self._in_a_row = min(2 * self._in_a_row or 1, _MOST_IN_A_ROW) if waiting.poll(0) else 0
            self._left_of_row, self._row_ends = self._in_a_row, now + ROW_SECONDS

    def _is_probes(self, listener: socket.socket) -> bool:
        return bool(self._health_port) and listener.getsockname()[1] == self._health_port

    def _await_head(self, conn: Connection) -> None:
        conn.deadline = time.monotonic() + self._settings.server.header_timeout
        self._heads[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_head, conn))

    def _on_head(self, conn: Connection, _: Any) -> None:
        data = conn.sock.receive_now()
        if data is None:
            return
        if not data or conn.add(data):
            del self._heads[conn]
            self.poller.unregister(conn.sock)
            self._on_complete(conn, gone=not data)

    def on_client_socket_readable(self, conn: Connection, client: ClientSocket) -> None:
        """The next request begins on a connection that was idle."""
        data = client.receive_now()
        if data is None:
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        if not data or conn.add(data):
            self._on_complete(conn, gone=not data)
        else:
            self._await_head(conn)

    def _on_complete(self, conn: Connection, *, gone: bool) -> None:
        if gone:
            self.nr_conns -= 1
            conn.close()
        elif conn.too_long():
            self._refuse(conn, Problem("request-headers-too-large", "the request line and headers are too large"))
        else:
            self.enqueue_req(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Hand a connection to the request threads, or to the probes' own if it came to the health port."""
        if self._health_port and conn.server[1] == self._health_port:
            job = self._probes.submit(self.handle, conn)
            job.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))
        else:
            super().enqueue_req(conn)

    def handle(self, conn: Connection) -> bool:
        """Serve the request whose head is complete, in a thread; True if the connection can stay."""
        request = None
        try:
            try:
                request = conn.next_request()
            except TimeoutError:
                # The parser wants more where the loop saw the end: whatever that is, it is no request.
                raise errors.InvalidRequestLine("incomplete") from None
            conn.sock.receive_until = time.monotonic() + self._settings.server.body_timeout
            conn.sock.request = request
            return bool(self._keepalive_after(conn, self.handle_request(request, conn)))
        except (StopIteration, errors.NoMoreData):
            return False  # the client has left, or the answer was cut short and the log says why
        except OSError as e:
            # Without a number it is the parser's: a body in chunks that are none.
            if not isinstance(e, TimeoutError | ConnectionError) and e.errno not in (None, errno.ENOTCONN):
                self.log.exception("socket error while serving a request")
            return False
        except Exception as e:  # noqa: BLE001 - bad requests and whatever else: it becomes an answer and a line
            self.handle_error(request, conn.sock, conn.client, e)
            return False
        finally:
            conn.sock.request = None

    def handle_error(self, req: Any, client: ClientSocket, addr: Any, exc: Exception) -> None:
        """Answer a request that could not be understood, or that failed outside the application, with a problem."""
        problem = _problem_of(exc)
        if problem.kind.status == 500:
            self.log.error("unexpected error while serving a request", exc_info=exc)
        else:
            self.log.warning("bad request from %s: %s", addr[0] if addr else "-", type(exc).__name__)
        with contextlib.suppress(OSError):  # it has left
            client.sendall(self._last_words(problem))

    def _last_words(self, problem: Problem) -> bytes:
        # There is no path that could be told: the request was not understood.
        body = problem.body(self._settings.server.problem_base_url, "")
        head = (
            f"HTTP/1.1 {problem.kind.status} {problem.kind.title}\r\nConnection: close\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("ascii") + body

    def _refuse(self, conn: Connection, problem: Problem) -> None:
        """Answer from the loop, as far as that needs no waiting, and end the connection."""
        with contextlib.suppress(OSError):
            conn.sock.send(self._last_words(problem))
        self._part(conn)

    def finish_request(self, conn: Any, job: futures.Future[Any]) -> None:
        """Keep the connection or end it; never on the time of the loop that serves all the others.

        gthread waits here, up to 2 s a connection, for a client to close its side; a handful of clients that do not
        would stop everything, probes too.
        """
        if not job.cancelled() and job.exception() is None and job.result() and self.alive:
            if conn.take_pipelined():
                self._on_complete(conn, gone=False)
            elif conn.head:
                self._await_head(conn)
            else:
                conn.set_timeout()
                self.keepalived_conns.append(conn)
                reader = partial(self.on_client_socket_readable, conn)
                self.poller.register(conn.sock, selectors.EVENT_READ, reader)
        else:
            self._part(conn)

    def _part(self, conn: Connection) -> None:
        """End our side now; what the client still sends is read for a while.

        Closing with bytes unread would take the answer away from it.
        """
        self.nr_conns -= 1
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, ValueError, KeyError):
            conn.close()
            return
        conn.timeout = time.monotonic() + _LINGER_SECONDS
        self._lingering[conn] = 0
        if len(self._lingering) > _LINGER_MAX:
            self._end_lingering(next(iter(self._lingering)))

    def _drain(self, conn: Connection, _: Any) -> None:
        if conn not in self._lingering:  # ended by an event before this one, of the same turn
            return
        data = conn.sock.receive_now(_DRAIN_BYTES)
        if data is None:
            return
        self._lingering[conn] += len(data)
        if not data or self._lingering[conn] > _LINGER_BYTES:
            self._end_lingering(conn)

    def _end_lingering(self, conn: Connection) -> None:
        del self._lingering[conn]
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        conn.close()

    def murder_pending(self) -> None:
        """Called once a turn of the loop: end what has waited long enough."""
        now = time.monotonic()
        while self._lingering and (oldest := next(iter(self._lingering))).timeout <= now:
            self._end_lingering(oldest)
        while self._heads and (slowest := next(iter(self._heads))).deadline <= now:
            self._give_up(slowest)
        # Whoever comes with a whole request gets the place of the one that has kept its place waiting for longest.
        began = now - _CROWDED_SECONDS + self._settings.server.header_timeout
        while (
            self.nr_conns >= self.worker_connections
            and self._heads
            and (slowest := next(iter(self._heads))).deadline <= began
        ):
            self._give_up(slowest)

    def _give_up(self, conn: Connection) -> None:
        del self._heads[conn]
        self.poller.unregister(conn.sock)
        if conn.head:
            self._refuse(conn, Problem("request-timeout", "the request took too long to arrive"))
        else:
            # It never began a request, so there is nothing to answer.
            self.nr_conns -= 1
            conn.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One turn of the loop; a short one while somebody has a deadline."""
        if self._heads or self._lingering:
            timeout = min(timeout, _TURN_SECONDS)
        if self._yielding:
            timeout = min(timeout, _YIELD_SECONDS)
        super().wait_for_and_dispatch_events(timeout)
        if self._yielding:
            self._take_back()
        if self.shares is not None:
            self.shares.set(self.slot, self.nr_conns if self.alive and self._accepting else -1)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: turn readiness off now, stop taking connections after the propagation delay.

        gunicorn's master closes its listeners at once, but the sockets that this worker inherited go on
        answering, so load balancers have the delay to notice. A second signal changes nothing.
        """
        if self._services is None:
            self._served = False
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
        """Take new connections or not, except that probes are taken to the end.

        At the end, idle connections are closed, since nobody waits on them; one that is new may be about to send.
        """
        if not enabled and not self.alive:
            self._close_listeners()
        for listener in self.sockets:
            wanted = enabled or (self._is_probes(listener) and self.alive)
            if wanted and listener not in self._listening:
                listener.setblocking(False)
                self.poller.register(listener, selectors.EVENT_READ, self.accept)
                self._listening.add(listener)
                self._yielding.pop(listener, None)
            elif not wanted and listener in self._listening:
                self.poller.unregister(listener)
                self._listening.remove(listener)
        self._accepting = enabled
        if enabled or self.alive:
            return
        while self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            with contextlib.suppress(OSError, KeyError, ValueError):  # gone from the poller already
                self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            conn.close()
        last_call = time.monotonic() + _LAST_CALL_SECONDS
        for conn in [conn for conn in self._heads if not conn.head]:
            # In front, since it is due before those that have begun.
            conn.deadline = min(conn.deadline, last_call)
        self._heads = dict.fromkeys(sorted(self._heads, key=lambda conn: conn.deadline))

    def _close_listeners(self) -> None:
        """Take whoever has connected already, then close: what waits in a listener when it is closed is reset.

        A proxy may repeat a request whose connection was refused, not one that it has sent.
        """
        listeners = {s.fileno(): s for s in self.sockets if not self._is_probes(s)}
        self._yielding.clear()
        waiting = select.poll()
        for fileno, listener in listeners.items():
            waiting.register(fileno, select.POLLIN)
            if listener in self._listening:
                self.poller.unregister(listener)
                self._listening.remove(listener)
        # Only when the whole service ends: a master that keeps the listeners gives them to the next worker. One that
        # was told to stop while it was starting leaves them to the others, who may still have their delay.
        last = self._served and all(not held_by(self.ppid, s) and take_no_newcomers(s) for s in listeners.values())
        now = time.monotonic()
        handshakes_until = now + (_LAST_HANDSHAKE_SECONDS if last else 0)
        until = now + self._settings.shutdown.request_timeout
        while self._served and now < until:
            connected = [listeners[fileno] for fileno, _ in waiting.poll(0)]
            if not connected and now >= handshakes_until:
                break
            if connected and self.nr_conns < self.worker_connections:
                for listener in connected:
                    self.accept(listener)
            else:
                self.notify()
                self.wait_for_and_dispatch_events(0.01)
                self.murder_pending()
            now = time.monotonic()
        for listener in listeners.values():
            listener.close()
            self.sockets.remove(listener)
        # What this took is part of the time that requests have.
        self.cfg.set("graceful_timeout", max(0, int(until - now)))

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
