"""The connections of a worker: what each waits for, what it holds, and how it ends. All of it in the loop."""

from __future__ import annotations

import contextlib
import selectors
import time
from functools import partial
from typing import Any

from app.config.settings import ServerSettings
from app.http.problems import Problem
from app.server.connections import ClientGoneError, Connection, RefusedError, send_now
from app.server.lingering import drain, end_our_side
from app.server.listeners import raise_descriptor_limit
from app.server.queues import Queue
from app.server.request_threads import RequestThreads
from app.server.waiting import CROWDED_SECONDS, HEAR_SECONDS, Waiting
from app.telemetry.trace import request_id_from

# Connections to the health port beyond the others' limit: probes are answered however many clients there are.
_PROBE_CONNECTIONS = 32
# Descriptors for everything that is no client: stores, logs, metrics.
_OWN_DESCRIPTORS = 96
# So many are ended at a time where no descriptor is left.
_SPARED = 4
# Of answers that clients have not read yet, all together; at twice as much no client is waited for.
MAX_UNSENT_BYTES = 32 * 1024**2


class Clients:
    """Every connection of a worker, and the bytes that are held for all of them together.

    ``connections`` are all of them, of which clients may have ``limit``; probes have places beyond that.
    """

    def __init__(
        self,
        poller: selectors.BaseSelector,
        waiting: Waiting,
        server: ServerSettings,
        cfg: Any,
        log: Any,
    ) -> None:
        self._poller = poller
        self._waiting = waiting
        self.cfg = cfg
        self.log = log
        self._base_url = server.problem_base_url
        self._answer_timeout = server.answer_timeout
        self._max_body = server.max_body_size
        self._max_held = server.max_body_bytes_in_flight
        self._hear_at = 0.0
        self._held = self._unsent = 0  # bytes of bodies, of answers
        self._threads: RequestThreads
        self.connections: set[Connection] = set()
        self.limit = self._connection_limit()

    def serve_with(self, threads: RequestThreads) -> None:
        """Give whole requests to these threads."""
        self._threads = threads

    def _connection_limit(self) -> int:
        """How many clients this worker may have at a time."""
        limit = int(self.cfg.worker_connections)
        more = _PROBE_CONNECTIONS + _OWN_DESCRIPTORS
        descriptors = raise_descriptor_limit(limit + more)
        if descriptors < limit + more:
            limit = max(8, descriptors - more)
            self.log.warning("only %d files can be open: at most %d clients at a time", descriptors, limit)
        return limit

    def has_room(self) -> bool:
        """Whether another client can be taken."""
        return len(self.connections) < self.limit

    def end_waiting(self, *, last_call: bool) -> None:
        """At the end: close idle connections and, after the last call, those that have sent nothing."""
        for conn in self._waiting.aside:
            self._listen(conn)
        for conn in self._waiting.idle:  # no answer is waited for there
            self._end_idle(conn)
        for conn in self._waiting.heads if last_call else ():
            if not conn.received:
                self._close(conn)

    def expire(self, now: float) -> None:
        """End what has waited long enough; where everything is taken, what has waited longest."""
        for queue in (self._waiting.lingering, self._waiting.unread):
            while (conn := queue.due(now)) is not None:
                self._close(conn)
        if self._waiting.aside and now >= self._hear_at:
            self._hear_one(now)
        while (conn := self._waiting.idle.due(now)) is not None:
            self._end_idle(conn)
        for queue in (self._waiting.heads, self._waiting.bodies):
            while (conn := queue.due(now)) is not None:
                self._give_up(conn)
        while (conn := self._waiting.unasked.due(now)) is not None:
            self._move(conn, None)
            self._threads.submit(conn)
        # One for each place that is needed, and at once: no client's end is waited for where others wait.
        while len(self.connections) >= self.limit and (conn := self._waiting.slowest(now)) is not None:
            self._give_up(conn)
            if conn.queue is self._waiting.lingering:
                self._close(conn)
        self._bound_unsent(MAX_UNSENT_BYTES, CROWDED_SECONDS, now)

    def _hear_one(self, now: float) -> None:
        """Listen to one that was put aside and has waited long enough."""
        if (conn := self._waiting.aside.due(now)) is not None:
            self._hear_at = now + HEAR_SECONDS
            self._listen(conn)

    def _bound_unsent(self, most: int, waited: float, now: float) -> None:
        """Where more than so many bytes wait for clients that do not read, end what has waited for longest."""
        while self._unsent > most and (conn := self._waiting.unread.oldest(waited, now)) is not None:
            self._close(conn)

    def make_room(self) -> None:
        """No descriptor is left: end a few connections that are idle or done, and those that wait for longest."""
        now = time.monotonic()
        for _ in range(_SPARED):
            if (conn := self._waiting.lingering.oldest(0.0, now)) is not None:
                self._close(conn)
            elif (conn := self._waiting.idle.oldest(CROWDED_SECONDS, now)) is not None:
                self._end_idle(conn)
            elif (conn := self._waiting.slowest(now)) is not None:
                self._give_up(conn)

    def _end_idle(self, conn: Connection) -> None:
        """Close it, unless its next request came at this very moment."""
        data = conn.receive()
        if data:
            self._advance(conn, data)
        else:
            self._close(conn)

    def _give_up(self, conn: Connection) -> None:
        if conn.queue is self._waiting.idle:
            self._end_idle(conn)
            return
        answered = conn.queue in (self._waiting.lingering, self._waiting.unread, self._waiting.aside)
        if not answered and (conn.received or conn.body is not None):
            self._refuse(conn, Problem("request-timeout", "the request took too long to arrive"))
        else:
            self._close(conn)  # it has its answer, or never began a request

    def on_connected(self, accepted: Any, client: Any, server: Any) -> None:
        """Take a connection, unless even the places for probes are all taken."""
        if len(self.connections) >= self.limit + _PROBE_CONNECTIONS:
            accepted.close()
            return
        conn = Connection(
            accepted, client, server, self.cfg, answer_seconds=self._answer_timeout, max_body=self._max_body
        )
        self.connections.add(conn)
        self._waiting.heads.add(conn, time.monotonic())
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
        if conn not in self.connections:  # closed in this turn of the loop
            return
        try:
            if conn.queue is None:
                # The next request, or the end, while a thread serves this one: it is looked at afterwards. Nearly no
                # client does that, so it costs less than to stop listening for each request.
                self._ignore(conn)
            elif conn.queue is self._waiting.lingering:
                if drain(conn):
                    self._close(conn)
            elif conn.queue is self._waiting.unread:
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
            self._move(conn, None)
            self._threads.submit(conn)
            return
        waiting = self._waiting
        queue = waiting.heads if conn.body is None else waiting.bodies if conn.asked else waiting.unasked
        if conn.queue is not queue:
            self._move(conn, queue)
        self._watch(conn)
        if self._held > self._max_held:
            self._free(conn)

    def _free(self, conn: Connection) -> None:
        """The memory for bodies is used up: one that is waited for has to go. One alone may have all of it."""
        slowest = self._waiting.bodies.oldest(CROWDED_SECONDS, time.monotonic()) or conn
        if slowest.held < self._held:
            self._refuse(slowest, Problem("buffer-full", "too many request bodies are being read - please retry"))

    def _move(self, conn: Connection, queue: Queue[Connection] | None) -> None:
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
            self._move(conn, self._waiting.lingering)
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
        self.connections.discard(conn)
        conn.close()

    def on_served(self, conn: Connection) -> None:
        """Go on with a connection that a thread is done with."""
        try:
            if conn.asked and not conn.answer.over and conn.body is not None and not conn.body.ready:
                self._on_wanted(conn)
                return
            self._drop(conn)
            if conn.unsent is None:
                self._go_on(conn)
                return
            self._unsent += len(conn.unsent)
            self._move(conn, self._waiting.unread)
            self._ignore(conn)
            conn.registered = True
            self._poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._on_event, conn))
            self._bound_unsent(2 * MAX_UNSENT_BYTES, 0.0, time.monotonic())
        except Exception:  # as in _on_event
            self.log.exception("unexpected error with a connection")
            self._close(conn)

    def _on_wanted(self, conn: Connection) -> None:
        """The application would read the body: wait for it."""
        if conn.expects_continue:
            conn.expects_continue = False
            with contextlib.suppress(ClientGoneError):  # the loop will see that
                conn.answer.go_on()
        self._move(conn, self._waiting.bodies)
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
        aside = conn.aside
        conn.next_request()
        if aside and len(self.connections) < self.limit:
            # What it sends meanwhile stays with the kernel.
            self._ignore(conn)
            conn.aside = aside
            self._move(conn, self._waiting.aside)
        else:
            self._listen(conn)

    def _listen(self, conn: Connection) -> None:
        """Hear the next request, which may be there already."""
        received, conn.received = conn.received, b""
        if received:
            self._advance(conn, received)
        else:
            self._move(conn, self._waiting.idle)
            self._watch(conn)
