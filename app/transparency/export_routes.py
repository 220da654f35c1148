"""HTTP of the export: what it may be asked, the stream that is its answer, and who is recorded for it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import flask
from datastorage_common.counts import counted
from datastorage_common.notes import SigningKey

from app.audit.accesses import EXPORT_NOT_RECORDED, AccessRecorder
from app.audit.csv_rows import CSV_ROWS, EVENT_HEADER, NOTIFICATION_HEADER
from app.audit.current_caller import current_caller
from app.audit.filters import (
    EVENT_CONDITIONS,
    NOTIFICATION_CONDITIONS,
    read_event_filters,
    read_notification_filters,
)
from app.audit.own_events import Caller
from app.audit.shapes import LINES
from app.auth.authorizer import read_limits
from app.clock import Clock
from app.config.settings import Settings
from app.http import bounded
from app.http.error_handlers import as_problem
from app.http.list_parameters import ListParameters
from app.http.parameters import declared_first, takes
from app.http.problems import Problem
from app.http.validation_failures import register_field_labels
from app.postgres.reader import Reader
from app.postgres.sessions import Connection
from app.postgres.statements import each_with
from app.telemetry import metrics
from app.transparency.answers import NOT_KEPT, in_place, log_read
from app.transparency.export import (
    PIECE_BYTES,
    PIECE_ROWS,
    BehindError,
    NoSuchRecordError,
    Place,
    Sent,
    Span,
    WrongPlaceError,
    open_span,
    parse_place,
    parts,
)
from app.transparency.records_read import EVENT, NOTIFICATION, Read, Wanted, read_records

log = logging.getLogger(__name__)

PARAMETERS = (
    *dict.fromkeys((*EVENT_CONDITIONS, *NOTIFICATION_CONDITIONS)),
    *("after", "before", "format", "kinds", "salts"),
)
_KINDS = (EVENT, NOTIFICATION)
_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
_CONTENT_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8; header=present"}
_NO_PLACE = (
    "is not a place in the log: take a cursor, the EVENT_DATE/EVENT_ID of an event, notification/ID, "
    "or without limits on reading an index"
)
_NO_RECORD = "names no record that has a place in the log"
_TWO = "is given more than once: take one"
# Stands in a header as it is, of what is not a letter or digit.
_IN_HEADER = "!#$&'()*+,-./:;=?@[]_~"
# Each keeps a thread and a good part of a core.
_AT_ONCE = 2
_PATIENCE_SECONDS = 0.1
_TOO_MANY = "as many exports as may be at a time are under way - please retry"
_STOPS = "this instance stops: go on behind the last row, with before as it was told"
_BEHIND = "the log is not known here as far as before says - please retry"
_OLD_HTTP = "the end of an export can be told from a break by chunks alone: ask with HTTP/1.1, a proxy too"


class Parts(Protocol):
    """What this route needs of the service (`app.services.Services` has it)."""

    settings: Settings
    clock: Clock
    reader: Reader
    log_keys: tuple[SigningKey, ...]
    accesses: AccessRecorder | None
    draining: bool


class _Asked(NamedTuple):
    """What a request asks for."""

    wanted: Wanted
    form: str
    after: Place | None
    before: Place | None
    since: datetime | None  # nothing that is meant was stored before

    @property
    def head(self) -> bytes:
        """What stands before all rows."""
        if self.form != "csv":
            return b""
        return EVENT_HEADER if EVENT in self.wanted.kinds else NOTIFICATION_HEADER


def add_export(blueprint: flask.Blueprint, services: Parts) -> None:
    """The export: all records that are meant, as one stream."""
    register_field_labels(["after", "before", "format", "kinds", "salts"])
    keys = [key.verifier for key in services.log_keys]
    room = bounded.Room(min(_AT_ONCE, services.settings.server.threads // 4), _PATIENCE_SECONDS, _TOO_MANY)

    def asked() -> _Asked:
        return _asked(services)

    def span_of(query: _Asked) -> Span:
        """Raises Problem."""

        def read(conn: Connection) -> Span:
            return open_span(conn, keys, query.wanted.reads, query.after, query.before, query.since)

        try:
            with in_place("after"):
                return log_read(services.reader, "export", read)
        except BehindError:
            raise Problem("service-unavailable", _BEHIND, headers=NOT_KEPT) from None
        except WrongPlaceError as e:
            said = _NO_RECORD if isinstance(e.cause, NoSuchRecordError) else _NO_PLACE
            errors = {e.parameter: said}
            raise Problem("validation-error", f"{e.parameter}: {said}", field_errors=errors, headers=NOT_KEPT) from None

    def reading(query: _Asked, span: Span) -> Callable[[int], Read]:
        def read(at: int) -> Read:
            if services.draining:
                raise Problem("service-unavailable", _STOPS)
            return bounded.page(
                lambda large: log_read(
                    services.reader,
                    "export",
                    lambda conn: read_records(
                        conn,
                        query.wanted,
                        at,
                        span.stop,
                        PIECE_ROWS,
                        PIECE_BYTES,
                        services.clock.monotonic,
                        large=large,
                    ),
                )
            )

        return read

    @blueprint.get("/audit/export")
    @takes(PARAMETERS, asked)
    def export() -> flask.Response:
        query = asked()
        if flask.request.environ["SERVER_PROTOCOL"] == "HTTP/1.0":
            raise Problem("http-version-not-supported", _OLD_HTTP)
        if services.draining:
            raise Problem("service-unavailable", _STOPS)
        packed = flask.request.accept_encodings.quality("gzip") > 0
        with contextlib.ExitStack() as stack:
            stack.enter_context(room)
            span = span_of(query)
            headers = _headers(query, span, packed=packed)
            content_type = _CONTENT_TYPES[query.form]
            if flask.request.method == "HEAD":
                return flask.Response(headers=headers, content_type=content_type)
            account = _Account(services, query, span)
            account.begin()
            body = parts(
                span, query.head, reading(query, span), account.sent, packed=packed, monotonic=services.clock.monotonic
            )
            stream = _Stream(body, account, stack.pop_all())
            return flask.Response(stream, headers=headers, content_type=content_type)


class _Account:
    """What is recorded of an export: before its first byte, and before its last."""

    def __init__(self, services: Parts, query: _Asked, span: Span) -> None:
        self.sent = Sent()
        self._recorder = services.accesses
        self._caller: Caller = current_caller()
        self._filters: Mapping[str, str] = declared_first()
        self._form = query.form
        self._told: dict[str, Any] = {
            "format": query.form,
            "kinds": sorted(query.wanted.kinds),
            "salts": query.wanted.salts,
            "range": [span.first, span.stop],
        }

    def begin(self) -> None:
        """Raises Problem 503 where it cannot be recorded."""
        self._keep({}, "pending")

    def end(self) -> None:
        """All of it was read. Raises Problem 503 where that cannot be recorded."""
        self._keep(self.sent.told(), "success")
        self._note("complete")

    def broken(self) -> None:
        """It ended before that. Without a record its first one is what remains."""
        with contextlib.suppress(Problem):
            self._keep(self.sent.told(), "failure")
        self._note("broken")

    def _keep(self, more: Mapping[str, Any], outcome: str) -> None:
        recorder = self._recorder
        if recorder and not recorder.keep_export(self._caller, self._filters, {**self._told, **more}, outcome):
            raise Problem("service-unavailable", EXPORT_NOT_RECORDED)

    def _note(self, outcome: str) -> None:
        metrics.EXPORTS.labels(self._form, outcome).inc()
        metrics.EXPORTED_ROWS.labels(self._form).inc(self.sent.rows)
        rows = counted(self.sent.rows, "row")
        log.info("export %s: %s, request %s", outcome, rows, self._caller.request_id)


class _Stream(Iterator[bytes]):
    """The bytes of an export. Closed by the server however the answer ends, also where it never began."""

    def __init__(self, body: Generator[bytes], account: _Account, held: contextlib.ExitStack) -> None:
        """``held``: what is let go at the end."""
        self._body = body
        self._account = account
        self._held = held
        self._whole = self._closed = False
        metrics.EXPORTS_RUNNING.inc()

    def __next__(self) -> bytes:
        """Raises Problem where it breaks off."""
        if self._whole:
            raise StopIteration
        try:
            part = next(self._body, None)
            if part is not None:
                return part
            # Before the last chunk, so that what is not recorded is not whole.
            self._account.end()
        except Exception as e:  # noqa: BLE001 - Flask's handlers are done with this request
            raise as_problem(e) from None
        self._whole = True
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Let go of everything; what was not whole is recorded as broken."""
        if self._closed:
            return
        self._closed = True
        metrics.EXPORTS_RUNNING.dec()
        with self._held:
            self._body.close()
            if not self._whole:
                self._account.broken()


def _headers(query: _Asked, span: Span, *, packed: bool) -> dict[str, str]:
    feed = f"{flask.request.script_root}/api/v1/audit/feed?after={span.end}"
    principal = current_caller().principal
    name = "audit-events" if EVENT in query.wanted.kinds else "notifications"
    found = {
        **NOT_KEPT,
        "Vary": "Accept, Accept-Encoding",
        "Content-Disposition": f'attachment; filename="{name}.{query.form}"',
        "Datastorage-Export-Before": span.end,
        "Link": f'<{feed}>; rel="next"',
    }
    if packed:
        found["Content-Encoding"] = "gzip"
    if not query.wanted.reads.narrow:
        found["Datastorage-Log-Range"] = f"{span.first}-{span.stop}"
    if principal is not None:
        # Of a token, in any characters; a header has few.
        found["Datastorage-Principal"] = quote(principal, safe=_IN_HEADER)
    return found


def _asked(services: Parts) -> _Asked:
    """What the current request asks for. Raises Problem 400."""
    read = ListParameters(flask.request.args, services.clock.now())
    form = read.choice("format", tuple(_TYPES), None)
    if form is None:
        best = flask.request.accept_mimetypes.best_match(list(_TYPES.values()), default=_TYPES["ndjson"])
        form = next(name for name, media in _TYPES.items() if media == best)
    kinds = _kinds(read, form)
    salts = read.boolean("salts", False)
    if salts and form == "csv":
        read.refuse("salts", "goes with format=ndjson alone")
    after, before = _place(read, "after"), _place(read, "before")
    moment = read_notification_filters(read) if kinds == {NOTIFICATION} else read_event_filters(read)
    # A record's own time may be ahead of when it is stored.
    since = None if moment is None else moment - timedelta(seconds=services.settings.audit.clock_skew)
    read.check()
    conditions = each_with(read.conditions, read.values)
    events = conditions if NOTIFICATION not in kinds else []
    notifications = conditions if EVENT not in kinds else []
    shape = CSV_ROWS if form == "csv" else LINES
    wanted = Wanted(frozenset(kinds), read_limits(), shape, events, notifications, salts)
    return _Asked(wanted, form, after, before, since)


def _kinds(read: ListParameters, form: str) -> set[str]:
    """The kinds of records that are asked for; filters of others are refused."""
    named = read.raw("kinds")
    kinds = {EVENT} if named is None else set(named.split(","))
    if not kinds <= set(_KINDS):
        read.refuse("kinds", f"must be one or both of these, with a comma between: {', '.join(_KINDS)}")
        return {EVENT}
    if len(kinds) > 1 and form == "csv":
        read.refuse("kinds", "one kind has one header: ask for one, or for format=ndjson")
    filters = {EVENT: set(EVENT_CONDITIONS), NOTIFICATION: set(NOTIFICATION_CONDITIONS)}
    fit = filters[next(iter(kinds))] if len(kinds) == 1 else set()
    for name in dict.fromkeys((*EVENT_CONDITIONS, *NOTIFICATION_CONDITIONS)):
        if name in read and name not in fit:
            of = " and ".join(f"kinds={kind}" for kind in _KINDS if name in filters[kind])
            read.refuse(name, f"goes with {of} alone")
    return kinds


def _place(read: ListParameters, name: str) -> Place | None:
    text = read.raw(name)
    if text is None:
        return None
    if len(flask.request.args.getlist(name)) > 1:
        read.refuse(name, _TWO)
    elif (place := parse_place(text)) is not None:
        return place
    else:
        read.refuse(name, _NO_PLACE)
    return None
