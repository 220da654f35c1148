"""The service as the campaign runs it: with a clock that the campaign can step, honest or with a planted fault.

gunicorn imports one of the attributes, for example ``bench.campaign.apps:honest``. The planted faults show that the
campaign can fail; no setting of the service switches them on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import msgspec
from datastorage_common.checkpoints import Checkpoint
from datastorage_common.notes import Signature, SigningKey

from app import create_app
from app.audit.event import AuditEvent, Record
from app.audit.flusher import Flusher
from app.audit.outcome import Outcome, Stored, WriteOutcome, WriteRequest
from app.audit.pending_write import PendingWrite
from app.audit.store import WriteSession, write
from app.audit.writer import Writer
from app.clock import Clock
from app.configuration import load_settings
from app.dlq import scripts
from app.services import Services
from app.transparency import sequencer
from app.transparency.log_store import PendingRow
from bench.campaign.follower import FEED
from bench.campaign.signing import watch_signing


class SteppedClock(Clock):
    """The machine's clock, moved by the seconds that stand in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        try:
            return super().now() + timedelta(seconds=float(self._path.read_text()))
        except (OSError, ValueError):
            return super().now()


class EarlyAcknowledgement(Flusher):
    """Planted fault: everyone is told that it is stored, then it is written."""

    def _flush_guarded(self, writes: list[PendingWrite]) -> None:
        for pending in writes:
            pending.resolve(Stored())
        self.flush([pending.request for pending in writes])

    def flush(self, requests: list[WriteRequest]) -> list[Outcome]:
        return super().flush(requests)


def write_misread(session: WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
    """Planted fault: a text is stored as a session reads it that takes UTF-8 for Latin-1."""
    return write(session, [WriteRequest(tuple(_misread(r) for r in request.records)) for request in requests])


def _misread(record: Record) -> Record:
    if isinstance(record, AuditEvent):
        return msgspec.structs.replace(record, row=record.row.decode("latin-1").encode())
    return record


def _settings_and_clock() -> tuple[Any, Clock]:
    settings = load_settings()
    return settings, SteppedClock(Path(os.environ["CHAOS_CLOCK"]))


def _honest() -> flask.Flask:
    settings, clock = _settings_and_clock()
    return create_app(settings, watch_signing(Services(settings, clock=clock)))


def _early() -> flask.Flask:
    settings, clock = _settings_and_clock()
    services = Services(settings, clock=clock)
    services.flusher = EarlyAcknowledgement(
        settings.buffer, services.buffer, services.flusher.writer, services.sink, services.clock
    )
    return create_app(settings, services)


def _trimmed() -> flask.Flask:
    trimming = scripts.SPILL.text.replace("'XADD', stream, '*'", "'XADD', stream, 'MAXLEN', '50', '*'")
    scripts.SPILL = scripts.Script(trimming)
    return _honest()


def _altered() -> flask.Flask:
    settings, clock = _settings_and_clock()
    services = Services(settings, clock=clock)
    services.flusher.writer = Writer(settings, services.breaker, services.database.watchdog, clock, write_misread)
    return create_app(settings, services)


def _forgetful() -> flask.Flask:
    """Planted fault: the last record of each statement gets no place in the log."""
    entries_of = sequencer._entries_of

    def all_but_one(row: PendingRow) -> list[bytes]:
        return entries_of(row)[:-1]

    sequencer._entries_of = all_but_one
    return _honest()


def _forging() -> flask.Flask:
    """Planted fault: beside each tree another one of its size is signed, and shown to nobody."""
    app = _honest()
    sign = SigningKey.sign

    def twice(key: SigningKey, text: str) -> Signature:
        origin, size, _ = text.splitlines()
        sign(key, Checkpoint(origin, int(size), os.urandom(32)).text())
        return sign(key, text)

    SigningKey.sign = twice  # type: ignore[method-assign,assignment]
    return app


def _gappy() -> flask.Flask:
    """Planted fault: a page of the feed with several records is given without its last, and with the same cursor."""
    app = _honest()

    @app.after_request
    def leave_out(response: flask.Response) -> flask.Response:
        if flask.request.path == FEED and response.status_code == 200:
            answer = response.get_json()
            answer["events"][1:] = answer["events"][1:-1]
            response.set_data(json.dumps(answer))
        return response

    return app


_BUILDERS = {
    "honest": _honest,
    "early": _early,
    "trimmed": _trimmed,
    "altered": _altered,
    "forgetful": _forgetful,
    "forging": _forging,
    "gappy": _gappy,
}


def __getattr__(name: str) -> flask.Flask:
    if name not in _BUILDERS:
        raise AttributeError(name)
    app = _BUILDERS[name]()
    globals()[name] = app
    return app
