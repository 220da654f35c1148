"""The gunicorn worker: its process, its signals, and the one loop that waits for all clients.

It is of gthread's kind, made from what gunicorn offers to workers of one's own (`gunicorn.workers.base.Worker`): its
process, signals and heartbeat, its parser of heads, and its WSGI answers. What the loop adds is that a slow client
costs its connection and never a thread: heads and bodies are gathered there, and what a client does not read of an
answer at once is sent from there.
"""

from __future__ import annotations

import os
import selectors
import time
from types import FrameType
from typing import TYPE_CHECKING

from gunicorn.workers import base

from app.instance import Run
from app.server.balance import Shares
from app.server.clients import Clients
from app.server.handover import Handover
from app.server.listeners import Listeners
from app.server.request_threads import RequestThreads
from app.server.shutdown import LAST_CALL_SECONDS, Shutdown
from app.server.waiting import ASK_SECONDS, HEAR_SECONDS, Waiting
from app.telemetry import logs
from app.telemetry.log_writer import LineWriter

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.services import Services

# How often deadlines are looked at while there are short ones, and else.
_TURN_SECONDS = 0.25
_IDLE_TURN_SECONDS = 1.0


class Worker(base.Worker):  # type: ignore[misc]
    """One worker process of the service."""

    # Set in the master by gunicorn.conf.py where there are several workers.
    shares: Shares | None = None
    slot = 0
    run_of: Run | None = None

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
        server, health_port = settings.server, settings.health.port
        shutdown = Shutdown(settings.shutdown, services, self.log)
        self._next_beat = 0.0
        self._poller = selectors.DefaultSelector()
        self._waiting = Waiting(server, self.cfg.keepalive)
        self._clients = Clients(self._poller, self._waiting, server, self.cfg, self.log)
        self._handover = Handover(self._poller, self._clients.on_served)
        self._threads = RequestThreads(
            self.wsgi,
            self.cfg,
            self.log,
            self._handover,
            shutdown,
            idle=self._waiting.idle,
            max_idle=self._clients.limit - self.cfg.threads,
            probe_port=health_port,
            problem_base_url=server.problem_base_url,
        )
        self._clients.serve_with(self._threads)
        self._listeners = Listeners(
            self._poller,
            self.sockets,
            health_port,
            self._clients.on_connected,
            self._others_first,
            self._clients.make_room,
        )
        self._shutdown = shutdown
        if not self.alive:  # told so since it was looked at, when there was nothing yet to be told
            shutdown.begin(wait=False)
        services.run = self.run_of
        services.start()

    def run(self) -> None:
        """Serve until told to stop, finish what is in flight, then flush."""
        if self._shutdown is None:
            return
        if not self.alive:  # told to stop while it began
            self._stop(wait=False)
        now = time.monotonic()
        while not self._shutdown.due(now):
            self._listeners.accept(enabled=self._clients.has_room())
            self._turn(now, self._shutdown.stops_at)
            self._clients.expire(now := time.monotonic())
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
            self._handover.put(None)

    def _finish(self, now: float) -> None:
        """Take the clients that have connected already, answer what has begun, and close the rest."""
        assert self._shutdown is not None  # noqa: S101 - it has been asked for
        until = now + self._shutdown.request_timeout
        last_call = now + LAST_CALL_SECONDS
        closed = False
        self._turn(now, now)  # what has arrived already
        while True:
            closed = closed or self._listeners.close(self._clients.has_room)
            self._clients.end_waiting(last_call=now >= last_call)
            if now >= until or (closed and not self._clients.connections):
                break
            self._turn(now, until)
            self._clients.expire(now := time.monotonic())
        self._threads.end()
        self._listeners.end()
        if self.shares is not None:
            self.shares.set(self.slot, -1)

    # --- the loop ---------------------------------------------------------------------------------------------

    def _turn(self, now: float, until: float | None) -> None:
        """Wait for something to do, for a while or to that moment at the most, and do it."""
        if now >= self._next_beat:
            self._beat(now)
        waiting = self._waiting
        short = waiting.heads or waiting.bodies or waiting.lingering or waiting.unread
        seconds = (
            HEAR_SECONDS
            if waiting.aside
            else ASK_SECONDS
            if waiting.unasked
            else _TURN_SECONDS
            if short
            else _IDLE_TURN_SECONDS
        )
        for limit in (self._listeners.turn(now), None if until is None else until - now):
            if limit is not None:
                seconds = min(seconds, max(0.0, limit))
        if self.shares is not None:
            taking = self._listeners.accepting and self.alive
            self.shares.set(self.slot, len(self._clients.connections) if taking else -1)
        for key, events in self._poller.select(seconds):
            key.data(events)

    def _beat(self, now: float) -> None:
        """Once a second: tell the master that this worker is well, and look whether there is one."""
        self._next_beat = now + 1
        self.notify()
        if self.ppid != os.getppid() and self.alive:
            # Nothing else would ever tell this worker to stop.
            self.log.info("worker %d has no master any more", os.getpid())
            self._stop(wait=False)

    def _others_first(self) -> bool:
        """Whether another worker should take the next connection."""
        if self.shares is None or not self.alive:
            return False
        self.shares.set(self.slot, len(self._clients.connections))
        return self.shares.others_first(self.slot)
