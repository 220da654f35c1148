"""HTTP of proofs: that an entry or a record is in the log, and that the log only grew."""

from __future__ import annotations

from datetime import date
from typing import Protocol

import flask
import orjson
from datastorage_common.checkpoints import encode_hash
from datastorage_common.notes import SigningKey, VerifierKey
from datastorage_common.uuids import parse_uuid

from app.audit import filters
from app.audit.accesses import NOT_RECORDED, AccessRecorder
from app.audit.current_caller import current_caller
from app.auth.authorizer import read_limits
from app.http.json_provider import json_response
from app.http.parameters import takes
from app.http.problems import Problem
from app.http.query import MAX_INTEGER, QueryParameters
from app.http.validation_failures import register_field_labels
from app.postgres.reader import Reader
from app.transparency import log_reads
from app.transparency.answers import NOT_KEPT, log_read, not_found, proof_answer
from app.transparency.record_proofs import event_proof, notification_proof


class Parts(Protocol):
    """What these routes need of the service (`app.services.Services` has it)."""

    reader: Reader
    log_keys: tuple[SigningKey, ...]
    accesses: AccessRecorder | None


def verifiers(services: Parts) -> list[VerifierKey]:
    """The keys by which this instance tells what is signed."""
    return [key.verifier for key in services.log_keys]


def add_log_proofs(blueprint: flask.Blueprint, services: Parts) -> None:
    """Proofs of entries, and of the log as it was."""
    register_field_labels(["from", "to"])
    keys = verifiers(services)

    def sizes() -> tuple[int, int | None]:
        read = QueryParameters(flask.request.args)
        if "from" not in read:
            read.refuse("from", "is required: the size of the tree that you know")
        old = read.integer("from", 0, MAX_INTEGER, 0)
        size = read.integer("to", 0, MAX_INTEGER, 0) if "to" in read else None
        if size is not None and old > size:
            read.refuse("to", "must not be less than from")
        read.check()
        return old, size

    @blueprint.get("/log/consistency")
    @takes(["from", "to"], sizes)
    def consistency() -> flask.Response:
        old, size = sizes()
        found = log_read(
            services.reader, "log_consistency", lambda conn: log_reads.consistent_from(conn, old, size, keys)
        )
        if found is None:
            name, wrong = (
                ("from", "is larger than the newest checkpoint") if size is None else ("to", "has no checkpoint")
            )
            raise Problem("validation-error", f"{name}: {wrong}", field_errors={name: wrong}, headers=NOT_KEPT)
        point, path = found
        body = {
            "from": old,
            "size": point.size,
            "hashes": [encode_hash(step) for step in path],
            "checkpoint": point.note.decode(),
        }
        return json_response(orjson.dumps(body), headers=NOT_KEPT)

    @blueprint.get("/log/entries/<index>/proof")
    def entry_proof(index: str) -> flask.Response:
        number = _number(index)
        if number is None:
            raise not_found("the log has no entry with this index")
        return proof_answer(
            log_read(services.reader, "log_entry_proof", lambda conn: log_reads.included(conn, number, keys))
        )


def add_record_proofs(blueprint: flask.Blueprint, services: Parts) -> None:
    """Proofs of events and notifications, for those who may read them."""
    keys = verifiers(services)

    def day(event_id: str) -> date | None:
        return filters.event_day(flask.request.args)

    @blueprint.get("/audit/events/<event_id>/proof")
    @takes(["event_date"], day)
    def event(event_id: str) -> flask.Response:
        wanted, ident, reads = day(event_id), parse_uuid(event_id), read_limits()
        found = None
        if ident is not None:
            found = log_read(services.reader, "event_proof", lambda conn: event_proof(conn, ident, wanted, reads, keys))
        if found is None:
            raise Problem("not-found", "there is no event with this id")
        # Salt and commitment tell whether a guess of what is in the event is right.
        recorder = services.accesses
        told = [str(ident)] if found.is_sensitive else []
        if told and recorder is not None and not recorder.keep(current_caller(), told, {"event_id": event_id}):
            raise Problem("service-unavailable", NOT_RECORDED)
        return proof_answer(found.included, found.salt)

    @blueprint.get("/audit/notifications/<notification_id>/proof")
    def notification(notification_id: str) -> flask.Response:
        number, reads = _number(notification_id), read_limits()
        found = None
        if number is not None:
            found = log_read(
                services.reader, "notification_proof", lambda conn: notification_proof(conn, number, reads, keys)
            )
        if found is None:
            raise Problem("not-found", "there is no notification with this id")
        return proof_answer(found.included, found.salt)


def _number(text: str) -> int | None:
    """A number of a path, written without zeros in front, that PostgreSQL has; None for anything else."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_INTEGER)) or (text[0] == "0" and text != "0"):
        return None
    number = int(text)
    return number if number <= MAX_INTEGER else None
