"""The threads that serve requests which are whole: they ask the application and write its answer."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gunicorn.http import wsgi

from app.http.environ import KEPT, PUT_ASIDE
from app.http.problems import Problem
from app.server.bodies import Content
from app.server.connections import BodyWantedError, ClientGoneError, Connection, NotYet
from app.server.handover import Handover
from app.server.queues import Queue
from app.server.shutdown import Shutdown

_PROBE_THREADS = 2
# No thread can be started: one line says it for so long.
_SAID_SECONDS = 10.0


class RequestThreads:
    """A pool for requests, and one for probes: those are answered also when every request thread waits for something.

    ``idle`` are the connections that wait for their next request: there may be ``max_idle`` of them. What comes to the
    port ``probe_port`` is a probe; 0: there is none.
    """

    def __init__(
        self,
        application: Any,
        cfg: Any,
        log: Any,
        handover: Handover,
        shutdown: Shutdown,
        *,
        idle: Queue[Connection],
        max_idle: int,
        probe_port: int,
        problem_base_url: str,
    ) -> None:
        self._application = application
        self.cfg = cfg
        self.log = log
        self._handover = handover
        self._shutdown = shutdown
        self._idle = idle
        self._max_idle = max_idle
        self._probe_port = probe_port
        self._base_url = problem_base_url
        self._say_no_thread_from = 0.0
        self._probes = ThreadPoolExecutor(_PROBE_THREADS, thread_name_prefix="probe")
        self._requests = ThreadPoolExecutor(cfg.threads, thread_name_prefix="request")
        for pool in (self._probes, self._requests):
            pool.submit(int)  # a thread is there from the beginning, when later no other can be started

    def submit(self, conn: Connection) -> None:
        """Serve the request of a connection in a thread, and hand the connection back to the loop."""
        probe = self._probe_port and conn.server[1] == self._probe_port
        try:
            (self._probes if probe else self._requests).submit(self._serve, conn)
        except RuntimeError as e:  # it waits for a thread that is there already
            if time.monotonic() >= self._say_no_thread_from:
                self._say_no_thread_from = time.monotonic() + _SAID_SECONDS
                self.log.warning("requests wait for the threads that are there: %s", e)

    def end(self) -> None:
        """Take no more; what runs is not waited for."""
        self._requests.shutdown(wait=False)
        self._probes.shutdown(wait=False)

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
        except Problem as e:
            # Of an answer that comes in parts. Where some of it was sent, its end is missing, which tells.
            conn.answer.refuse(e, self._base_url)
        except Exception:
            self.log.exception("unexpected error while serving a request")
            with contextlib.suppress(ClientGoneError):
                conn.answer.refuse(Problem("internal-error", "an unexpected error occurred"), self._base_url)
        finally:
            self._handover.put(conn)

    def _respond(self, conn: Connection) -> bool:
        """Let the application answer; True if the answer said that the connection stays."""
        request, body, answer = conn.request, conn.body, conn.answer
        assert request is not None  # noqa: S101 - whole, or it would not be here
        assert body is not None  # noqa: S101
        request.body = Content(body.content()) if body.ready else NotYet()
        response, environ = wsgi.create(request, answer, conn.client, conn.server, self.cfg)
        environ["wsgi.multithread"] = True
        if conn.asked or not body.ready:
            request.kept = environ[KEPT] = request.kept or {}
        parts = self._application(environ, response.start_response)
        conn.aside = environ.get(PUT_ASIDE, 0.0)
        # Looked at as late as can be, just before the head is written: the answer takes a while, and a client that was
        # told that the connection stays may send its next request into the end.
        if self._shutdown.stops_at is not None or len(self._idle) >= self._max_idle or not self.cfg.keepalive:
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
            self.log.error("an answer had the length %d and said %d: the connection ends", response.sent, declared)
        conn.unsent = answer.finish() or None
        return whole and not response.should_close()
