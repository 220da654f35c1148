"""The rows of an export, through streams that break off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.exports.rows import Cells, Form, Lines
from datastorage_client.cli.exports.sink import Sink, State
from datastorage_client.cli.http_client import RETRY_LIMIT_S, HTTPClient
from datastorage_client.export import Export
from datastorage_client.problems import BrokenOffError
from datastorage_client.retry import Backoff
from datastorage_client.transport import UnexpectedAnswerError


class Meter(Protocol):
    """Shows how far an export is."""

    def expect(self, stop: int) -> None:
        """It looks through the log up to this entry."""

    def show(self, state: Callable[[], State]) -> None:
        """It goes on; the state is asked for only where something is shown."""

    def note(self, text: str) -> None:
        """A line for the person who waits."""


class Download:
    """Asks for an export, and again behind the last whole row where a stream breaks off.

    It gives up where ``retry_limit_s`` seconds went by since a stream broke off and no row has come.
    """

    def __init__(
        self, client: HTTPClient, sink: Sink, meter: Meter, *, backoff: Backoff, retry_limit_s: float = RETRY_LIMIT_S
    ) -> None:
        self._client = client
        self._sink = sink
        self._meter = meter
        self._backoff = backoff
        self._retry_limit_s = retry_limit_s
        self.breaks = 0
        self.principal: str | None = None
        self.next_feed: str | None = None
        self.range: tuple[int, int] | None = None

    def run(self) -> None:
        """Take all of it. Raises ServiceError, OutputError, OSError."""
        failures, give_up_at, had = 0, 0.0, -1
        while True:
            try:
                return self._stream()
            except BrokenOffError as e:
                self.breaks += 1
                now, rows = time.monotonic(), self._sink.state.rows
                if rows != had:
                    failures, give_up_at, had = 0, now + self._retry_limit_s, rows
                failures += 1
                wait = self._backoff.wait(failures)
                if now + wait > give_up_at:
                    raise ServiceError(f"{e}; run it again to go on behind row {rows:,}") from e
                self._meter.note(f"{e}: going on behind row {rows:,} in {wait:.1f} s")
            except UnexpectedAnswerError as e:
                # It may have been so for a while before it was noticed.
                raise ServiceError(f"{e}; {self._sink.discard()}") from e
            time.sleep(wait)

    def _stream(self) -> None:
        state = self._sink.settle()
        query = {**state.query.parameters, "format": state.query.form}
        query |= {name: value for name, value in (("after", state.place), ("before", state.before)) if value}
        form: Form = Cells(state.log_index) if state.query.form == "csv" else Lines(state.log_index)
        with self._client.export(query) as export:
            self._begin(export)
            headed = False
            for block in export:
                rows = form.cut(block)
                if not headed and (header := form.header):
                    self._sink.head(header)
                    headed = True
                if rows:
                    self._sink.add(form, rows)
                self._meter.show(self._sink.settle)
        if form.left():
            raise ServiceError("the service ended an export in the middle of a row")

    def _begin(self, export: Export) -> None:
        self.principal, self.next_feed, self.range = export.principal, export.next_feed, export.range
        first = None if self.range is None else self.range[0]
        self._sink.begin(export.before, first, export.principal, export.request_id)
        if self.range is not None:
            self._meter.expect(self.range[1])
