"""The gunicorn worker: one loop that waits for all clients, and threads that serve requests which are whole.

It is of gthread's kind, made from what gunicorn offers to workers of one's own (`gunicorn.workers.base.Worker`): its
process, signals and heartbeat, its parser of heads, and its WSGI answers. What the loop adds is that a slow client
costs its connection and never a thread: heads and bodies are gathered here, and what a client does not read of an
answer at once is sent from here. Probes have threads of their own, so that one is answered also when every request
thread waits for something.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.http import wsgi
from gunicorn.workers import base

from app.http.problems import Problem
from app.server.balance import Shares
from app.server.bodies import Content
from app.server.connections import BodyWantedError, ClientGoneError, Connection, NotYet, RefusedError, send_now
from app.server.lingering import LINGER_SECONDS, Queue, drain, end_our_side
from app.server.listeners import Listeners, raise_descriptor_limit
from app.server.shutdown import LAST_CALL_SECONDS, Shutdown
from app.telemetry import logs
from app.telemetry.log_writer import LineWriter
from app.telemetry.trace import request_id_from

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.services import Services

_PROBE_THREADS = 2
# Connections to the health port beyond the others' limit: probes are answered however many clients there are.
_PROBE_CONNECTIONS = 32
# Descriptors for everything that is no client: stores, logs, metrics.
_OWN_DESCRIPTORS = 96
# How often deadlines are looked at while there are short ones, and else.
_TURN_SECONDS = 0.25
_IDLE_TURN_SECONDS = 1.0
# A body that does not come along with its head has so long before the application is asked whether it wants it: whoever
# is not let in is answered then, whatever he still means to send.
_ASK_SECONDS = 0.05
# Where connections or the memory for bodies or answers are all taken, whoever has kept its place waiting for longest
# goes.
_CROWDED_SECONDS = 0.5
# So many are ended at a time where no descriptor is left.
_SPARED = 4
# No thread can be started: one line says it for so long.
_SAID_SECONDS = 10.0
# Of answers that clients have not read yet, all together; at twice as much nobody is waited for.
_MAX_UNSENT_BYTES = 32 * 1024**2


class Worker(base.Worker):  # type: ignore[misc]
    """One worker process of the service."""

    # Set in the master by gunicorn.conf.py where there are several workers.
    shares: Shares | None = None
    slot = 0

    _shutdown: Shutdown | None = None
    _line_writer: LineWriter | None = None

    # --- its life ---------------------------------------------------------------------------------------------

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
        if not self.alive:  # told to stop meanwhile
            return
        services: Services = self.wsgi.extensions["datastorage"]
        server = settings.server
        self._base_url = server.problem_base_url
        self._answer_timeout = server.answer_timeout
        self._max_body = server.max_body_size
        self._max_held = server.max_body_bytes_in_flight
        self._health_port = settings.health.port
        self._probes = ThreadPoolExecutor(_PROBE_THREADS, thread_name_prefix="probe")
        self._threads = ThreadPoolExecutor(self.cfg.threads, thread_name_prefix="request")
        for pool in (self._probes, self._threads):
            pool.submit(int)  # a thread is there from the beginning, whoever has taken all others later

        self._poller = selectors.DefaultSelector()
        self._served: deque[Connection] = deque()
        self._woken = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._poller.register(self._wake_read, selectors.EVENT_READ, self._on_woken)

        self._limit = self._connection_limit()
        self._connections: set[Connection] = set()
        self._idle = Queue(self.cfg.keepalive)
        self._heads = Queue(server.header_timeout)
        self._unasked = Queue(_ASK_SECONDS)  # for a body that nobody has asked for yet
        self._bodies = Queue(server.body_timeout)
        self._unread = Queue(server.answer_timeout)
        self._lingering = Queue(LINGER_SECONDS)
        self._held = self._unsent = 0  # bytes of bodies, of answers
        self._next_beat = self._say_no_thread_from = 0.0
        self._listeners = Listeners(
            self._poller,
            self.sockets,
            self._health_port,
            self._on_connected,
            self._others_first,
            self._make_room,
        )
        self._shutdown = Shutdown(settings.shutdown, services, self.log)
        if not self.alive:  # told so since it was looked at, when there was nothing yet to be told
            self._shutdown.begin(wait=False)
        services.start()

    def run(self) -> None:
        """Serve until told to stop, finish what is in flight, then flush."""
        if self._shutdown is None:
            return
        if not self.alive:  # told to stop while it began
            self._stop(wait=False)
        now = time.monotonic()
        while not self._shutdown.due(now):
            self._listeners.accept(enabled=self._has_room())
            self._turn(now, self._shutdown.stops_at)
            self._expire(now := time.monotonic())
        self._finish(now)
        self.end()

    def end(self) -> None:
        """Flush and close; safe to call again."""
        if self._shutdown is not None:
            self._shutdown.end()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: readiness off now, no connections after the propagation delay. A second one changes nothing."""
        self._stop(wait=True)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT and SIGINT: as SIGTERM but without the delay; what is queued is still flushed."""
        self._stop(wait=False)

    def _stop(self, *, wait: bool) -> None:
        self.alive = False
        if self._shutdown is not None:
            self._shutdown.begin(wait=wait)
            self._wake()

    def _finish(self, now: float) -> None:
        """Take whoever has connected already, answer what has begun, and close the rest."""
        assert self._shutdown is not None  # noqa: S101 - it has been asked for
        until = now + self._shutdown.request_timeout
        last_call = now + LAST_CALL_SECONDS
        closed = False
        self._turn(now, now)  # what has arrived already
        while True:
            closed = closed or self._listeners.close(self._has_room, self.ppid)
            for conn in self._idle:  # nobody waits on them
                self._end_idle(conn)
            for conn in self._heads if now >= last_call else ():
                if not conn.received:
                    self._close(conn)
            if now >= until or (closed and not self._connections):
                break
            self._turn(now, until)
            self._expire(now := time.monotonic())
        self._threads.shutdown(wait=False)
        self._probes.shutdown(wait=False)
        self._listeners.end()
        if self.shares is not None:
            self.shares.set(self.slot, -1)

    # --- the loop ---------------------------------------------------------------------------------------------

    def _turn(self, now: float, until: float | None) -> None:
        """Wait for something to do, for a while or to that moment at the most, and do it."""
        if now >= self._next_beat:
            self._beat(now)
        short = self._heads or self._bodies or self._lingering or self._unread
        seconds = _ASK_SECONDS if self._unasked else _TURN_SECONDS if short else _IDLE_TURN_SECONDS
        for limit in (self._listeners.turn(now), None if until is None else until - now):
            if limit is not None:
                seconds = min(seconds, max(0.0, limit))
        if self.shares is not None:
            taking = self._listeners.accepting and self.alive
            self.shares.set(self.slot, len(self._connections) if taking else -1)
        for key, events in self._poller.select(seconds):
            key.data(events)

    def _beat(self, now: float) -> None:
        """Once a second: tell the master that this worker is well, and look whether there is one."""
        self._next_beat = now + 1
        self.notify()
        if self.ppid != os.getppid() and self.alive:
            # Nobody else would ever tell this worker to stop.
            self.log.info("worker %d has no master any more", os.getpid())
            self._stop(wait=False)

    def _wake(self) -> None:
        """Let the loop look at what threads and signals have left for it."""
        if not self._woken:
            self._woken = True
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_write, b"\0")

    def _on_woken(self, _: int) -> None:
        os.read(self._wake_read, 64)
        self._woken = False
        while self._served:
            conn = self._served.popleft()
            try:
                self._on_served(conn)
            except Exception:  # as in _on_event
                self.log.exception("unexpected error with a connection")
                self._close(conn)

    def _expire(self, now: float) -> None:
        """End what has waited long enough; where everything is taken, what has waited longest."""
        for queue in (self._lingering, self._unread):
            while (conn := queue.due(now)) is not None:
                self._close(conn)
        while (conn := self._idle.due(now)) is not None:
            self._end_idle(conn)
        for queue in (self._heads, self._bodies):
            while (conn := queue.due(now)) is not None:
                self._give_up(conn)
        while (conn := self._unasked.due(now)) is not None:
            self._give_to_thread(conn)
        # One for each place that is needed, and at once: nobody's end of a connection is waited for where others wait.
        while len(self._connections) >= self._limit and (conn := self._slowest(now)) is not None:
            self._give_up(conn)
            if conn.queue is self._lingering:
                self._close(conn)
        self._bound_unsent(_MAX_UNSENT_BYTES, _CROWDED_SECONDS, now)

    def _slowest(self, now: float) -> Connection | None:
        """Of the connections that keep their places waiting, one that does so for longest; an idle one if need be."""
        queues = (self._lingering, self._heads, self._bodies, self._unread, self._idle)
        found = (queue.oldest(_CROWDED_SECONDS, now) for queue in queues)
        return next((conn for conn in found if conn is not None), None)

    def _bound_unsent(self, most: int, waited: float, now: float) -> None:
        """Where more than so many bytes wait for clients that do not read them, end who has waited for longest."""
        while self._unsent > most and (conn := self._unread.oldest(waited, now)) is not None:
            self._close(conn)

    def _make_room(self) -> None:
        """No descriptor is left: end a few connections that nobody misses, and those that wait for longest."""
        now = time.monotonic()
        for _ in range(_SPARED):
            if (conn := self._lingering.oldest(0.0, now)) is not None:
                self._close(conn)
            elif (conn := self._idle.oldest(_CROWDED_SECONDS, now)) is not None:
                self._end_idle(conn)
            elif (conn := self._slowest(now)) is not None:
                self._give_up(conn)

    def _end_idle(self, conn: Connection) -> None:
        """Close it, unless its next request came at this very moment."""
        data = conn.receive()
        if data:
            self._advance(conn, data)
        else:
            self._close(conn)

    def _give_up(self, conn: Connection) -> None:
        if conn.queue is self._idle:
            self._end_idle(conn)
            return
        answered = conn.queue in (self._lingering, self._unread)
        if not answered and (conn.received or conn.body is not None):
            self._refuse(conn, Problem("request-timeout", "the request took too long to arrive"))
        else:
            self._close(conn)  # it has its answer, or never began a request

    # --- connections ------------------------------------------------------------------------------------------

    def _connection_limit(self) -> int:
        """How many clients this worker may have at a time."""
        limit = int(self.cfg.worker_connections)
        more = _PROBE_CONNECTIONS + _OWN_DESCRIPTORS
        descriptors = raise_descriptor_limit(limit + more)
        if descriptors < limit + more:
            limit = max(8, descriptors - more)
            self.log.warning("only %d files can be open: at most %d clients at a time", descriptors, limit)
        return limit

    def _has_room(self) -> bool:
        return len(self._connections) < self._limit

    def _others_first(self) -> bool:
        if self.shares is None or not self.alive:
            return False
        self.shares.set(self.slot, len(self._connections))
        return self.shares.others_first(self.slot)

    def _on_connected(self, accepted: Any, client: Any, server: Any) -> None:
        if len(self._connections) >= self._limit + _PROBE_CONNECTIONS:
            accepted.close()
            return
        conn = Connection(
            accepted, client, server, self.cfg, answer_seconds=self._answer_timeout, max_body=self._max_body
        )
        self._connections.add(conn)
        self._heads.add(conn, time.monotonic())
        self._watch(conn)

    def _watch(self, conn: Connection) -> None:
        """Hear of what the client sends."""
        if not conn.registered:
            conn.registered = True
            self._poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_event, conn))

    def _ignore(self, conn: Connection) -> None:
        if conn.registered:
            conn.registered = False
            self._poller.unregister(conn.sock)

    def _on_event(self, conn: Connection, _: int) -> None:
        if conn not in self._connections:  # closed in this turn of the loop
            return
        try:
            if conn.queue is None:
                # The next request, or the end, while a thread serves this one: it is looked at afterwards. Nearly no
                # client does that, so it costs less than to stop listening for each request.
                self._ignore(conn)
            elif conn.queue is self._lingering:
                if drain(conn):
                    self._close(conn)
            elif conn.queue is self._unread:
                self._send_rest(conn)
            else:
                self._receive(conn)
        except Exception:
            self.log.exception("unexpected error with a connection")
            if conn.queue is not None:
                self._close(conn)

    def _receive(self, conn: Connection) -> None:
        data = conn.receive()
        if data is None:
            return
        if data:
            self._advance(conn, data)
        elif (refused := conn.ended_early()) is not None:
            self._refuse(conn, refused.problem)
        else:
            self._close(conn)

    def _advance(self, conn: Connection, data: bytes) -> None:
        """Add what has arrived; the request goes to a thread when it is whole."""
        held = conn.held
        try:
            ready = conn.take(data)
        except RefusedError as e:
            self._held += conn.held - held
            self._refuse(conn, e.problem)
            return
        self._held += conn.held - held
        if ready or conn.expects_continue:
            self._give_to_thread(conn)
            return
        queue = self._heads if conn.body is None else self._bodies if conn.asked else self._unasked
        if conn.queue is not queue:
            self._move(conn, queue)
        self._watch(conn)
        if self._held > self._max_held:
            self._free(conn)

    def _give_to_thread(self, conn: Connection) -> None:
        self._move(conn, None)
        probe = self._health_port and conn.server[1] == self._health_port
        try:
            (self._probes if probe else self._threads).submit(self._serve, conn)
        except RuntimeError as e:  # it waits for a thread that is there already
            if time.monotonic() >= self._say_no_thread_from:
                self._say_no_thread_from = time.monotonic() + _SAID_SECONDS
                self.log.warning("requests wait for the threads that are there: %s", e)

    def _free(self, conn: Connection) -> None:
        """The memory for bodies is used up: one that is waited for has to go. One alone may have all of it."""
        slowest = self._bodies.oldest(_CROWDED_SECONDS, time.monotonic()) or conn
        if slowest.held < self._held:
            self._refuse(slowest, Problem("buffer-full", "too many request bodies are being read - please retry"))

    def _move(self, conn: Connection, queue: Queue | None) -> None:
        if conn.queue is not None:
            conn.queue.remove(conn)
        if queue is not None:
            queue.add(conn, time.monotonic())

    def _refuse(self, conn: Connection, problem: Problem) -> None:
        """Answer what never became a request that the application could see, and end the connection."""
        request = conn.request
        # Nothing can be told of a head that was not understood.
        path, name = ("", "") if request is None else (request.path, request_id_from(request.header("X-REQUEST-ID")))
        client = conn.client[0] if conn.client else "-"
        self.log.warning("refused a request %s from %s: %s", name or "-", client, problem.detail)
        with contextlib.suppress(ClientGoneError):
            conn.answer.refuse(problem, self._base_url, path, name)
        self._part(conn)

    def _part(self, conn: Connection) -> None:
        """End our side now; what the client still sends is read for a while and thrown away."""
        if end_our_side(conn):
            self._move(conn, self._lingering)
            self._drop(conn)
            self._watch(conn)
        else:
            self._close(conn)

    def _drop(self, conn: Connection) -> None:
        """Give back the memory that its request took."""
        self._held -= conn.held
        conn.body = conn.request = None

    def _close(self, conn: Connection) -> None:
        self._ignore(conn)
        self._move(conn, None)
        self._drop(conn)
        if conn.unsent is not None:
            self._unsent -= len(conn.unsent)
            conn.unsent = None
        self._connections.discard(conn)
        conn.close()

    # --- requests ---------------------------------------------------------------------------------------------

    def _serve(self, conn: Connection) -> None:
        """Answer the request, in a thread. Nothing here reads from the client.

        A request whose body has not come yet is asked for as well: what the application answers without reading it is
        the answer, and where it begins to read, it is asked again when the body is there.
        """
        try:
            conn.keep = self._respond(conn)
        except BodyWantedError:
            conn.asked = conn.answer.withdraw()
            if not conn.asked:
                self.log.error("the application began its answer before it read the body: the connection ends")
        except ClientGoneError:
            pass
        except Exception:
            self.log.exception("unexpected error while serving a request")
            with contextlib.suppress(ClientGoneError):
                conn.answer.refuse(Problem("internal-error", "an unexpected error occurred"), self._base_url)
        finally:
            self._served.append(conn)
            self._wake()

    def _respond(self, conn: Connection) -> bool:
        """Let the application answer; True if the answer said that the connection stays."""
        request, body, answer = conn.request, conn.body, conn.answer
        assert request is not None  # noqa: S101 - whole, or it would not be here
        assert body is not None  # noqa: S101
        request.body = Content(body.content()) if body.ready else NotYet()
        response, environ = wsgi.create(request, answer, conn.client, conn.server, self.cfg)
        environ["wsgi.multithread"] = True
        parts = self.wsgi(environ, response.start_response)
        # Looked at as late as can be, just before the head is written: the answer takes a while, and a client that was
        # told that the connection stays may send its next request into the end.
        if not self.alive or len(self._idle) >= self._limit - self.cfg.threads or not self.cfg.keepalive:
            request.force_close()
        try:
            for part in parts:
                response.write(part)
            response.close()
        finally:
            if hasattr(parts, "close"):
                parts.close()
        declared = None if request.method == "HEAD" or response.status_code in (204, 304) else response.response_length
        whole = declared is None or response.sent == declared
        if not whole:
            # What came next would be taken for the rest of this one.
            self.log.error("an answer was %d bytes long and said %d: the connection ends", response.sent, declared)
        conn.unsent = answer.finish() or None
        return whole and not response.should_close()

    def _on_served(self, conn: Connection) -> None:
        if conn.asked and not conn.answer.over and conn.body is not None and not conn.body.ready:
            self._on_wanted(conn)
            return
        self._drop(conn)
        if conn.unsent is None:
            self._go_on(conn)
            return
        self._unsent += len(conn.unsent)
        self._move(conn, self._unread)
        self._ignore(conn)
        conn.registered = True
        self._poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._on_event, conn))
        self._bound_unsent(2 * _MAX_UNSENT_BYTES, 0.0, time.monotonic())

    def _on_wanted(self, conn: Connection) -> None:
        """The application would read the body: wait for it."""
        if conn.expects_continue:
            conn.expects_continue = False
            with contextlib.suppress(ClientGoneError):  # the loop will see that
                conn.answer.go_on()
        self._move(conn, self._bodies)
        self._watch(conn)

    def _send_rest(self, conn: Connection) -> None:
        assert conn.unsent is not None  # noqa: S101 - or it would not wait for this
        try:
            sent = send_now(conn.sock, conn.unsent)
        except ClientGoneError:
            self._close(conn)
            return
        self._unsent -= sent
        conn.unsent = conn.unsent[sent:]
        if not conn.unsent:
            conn.unsent = None
            self._ignore(conn)
            self._move(conn, None)
            self._go_on(conn)

    def _go_on(self, conn: Connection) -> None:
        """The answer is sent: wait for the next request, or end the connection if the answer said so."""
        if not conn.keep:
            self._part(conn)
            return
        conn.next_request()
        received, conn.received = conn.received, b""
        if received:
            self._advance(conn, received)
        else:
            self._move(conn, self._idle)
            self._watch(conn)
