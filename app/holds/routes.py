"""HTTP of holds: sets, releases and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

import flask
import orjson
import psycopg
import uuid_utils.compat
from datastorage_common import jsonvalue
from datastorage_common.uuids import parse_uuid

from app.audit import store as audit_store
from app.audit.changes import Changes
from app.audit.current_caller import current_caller
from app.audit.own_events import OwnEvents
from app.auth.authorizer import recorded_by
from app.clock import Clock
from app.config.settings import Settings
from app.holds import events, filters, schemas, store
from app.http import bounded
from app.http.bodies import Bodies, json_document
from app.http.json_provider import json_response
from app.http.parameters import takes
from app.http.problems import Problem
from app.http.timed_reads import timed_read
from app.http.validation import not_an_object, valid
from app.http.validation_failures import register_field_labels
from app.postgres.database import Database
from app.postgres.lists import ListQuery
from app.postgres.reader import Reader
from app.postgres.sessions import Connection
from app.telemetry import metrics

_OTHER = "there is a hold with this id, and another name, reason or filter"
_RELEASED = "the hold was released before, by somebody else or for another reason"


class Parts(Protocol):
    """What these routes need of the service (`app.services.Services` has it)."""

    settings: Settings
    clock: Clock
    bodies: Bodies
    database: Database
    reader: Reader


def create_blueprint(services: Parts) -> flask.Blueprint:
    """The blueprint of holds of one app."""
    blueprint = flask.Blueprint("holds", __name__, url_prefix="/api/v1/holds")
    register_field_labels(schemas.FIELDS)
    _add_reads(blueprint, services)
    _add_changes(blueprint, services)
    return blueprint


def _add_reads(blueprint: flask.Blueprint, services: Parts) -> None:
    max_bytes = services.settings.server.max_response_bytes

    def list_query() -> ListQuery:
        return filters.list_query(flask.request.args, services.clock.now())

    # Of the primary: who has set a hold must see it in the next answer.
    @blueprint.get("")
    @takes(filters.LIST_PARAMETERS, list_query)
    def list_holds() -> flask.Response:
        query = list_query()
        with bounded.large_page():
            page = timed_read(
                services.reader, "list_holds", lambda conn: store.page(conn, query, max_bytes), newest=True
            )
        limit = query.limit if page.next is None else len(page.rows)
        pagination = {"limit": limit, "offset": query.offset, **page.place()}
        return json_response(orjson.dumps({"holds": [store.to_json(r) for r in page.rows], "pagination": pagination}))

    @blueprint.get("/<hold_id>")
    def get_hold(hold_id: str) -> flask.Response:
        ident = _ident(hold_id)
        row = timed_read(services.reader, "get_hold", lambda conn: store.get(conn, ident), newest=True)
        return _answer(row)


def _add_changes(blueprint: flask.Blueprint, services: Parts) -> None:
    own = OwnEvents(services.clock.now)
    changes = Changes(services.database, services.clock.now, "audit_holds")

    @blueprint.post("")
    def set_hold() -> flask.Response:
        body = _document(services)
        ignored = schemas.HOLD_MEMBERS.ignored(body)
        hold = valid(schemas.hold(body, services.clock.now()), ignored=ignored)
        hold.setdefault("hold_id", uuid_utils.compat.uuid7())

        def action(conn: Connection) -> store.Row:
            row = store.put(conn, hold, recorded_by())
            audit_store.append(conn, [events.changed(own, current_caller(), "set", row)])
            return row

        def there(conn: Connection) -> store.Row | None:
            return store.get_confirmed(conn, hold["hold_id"])

        new = True
        try:
            try:
                row: store.Row | None = changes.commit(action)
            except psycopg.errors.UniqueViolation:
                row, new = changes.commit(there), False
        except Problem as e:
            if "outcome" in e.members:  # not known: by its id the caller can look, and send it again
                e.members["hold_id"] = str(hold["hold_id"])
            raise
        if not new:
            if row is None or not _same(row, hold):
                raise Problem("conflict", _OTHER, members={"hold_id": str(hold["hold_id"])})
            return _answer(row, ignored)
        metrics.HOLD_ACTS.labels("set").inc()
        return _answer(row, ignored, 201)

    @blueprint.post("/<hold_id>/release")
    def release_hold(hold_id: str) -> flask.Response:
        ident = _ident(hold_id)
        body = _document(services)
        ignored = schemas.RELEASE_MEMBERS.ignored(body)
        reason = valid(schemas.release(body), ignored=ignored)["reason"]

        def action(conn: Connection) -> tuple[store.Row | None, bool]:
            row = store.release(conn, ident, reason, recorded_by())
            if row is None:
                return store.get_confirmed(conn, ident), False
            audit_store.append(conn, [events.changed(own, current_caller(), "released", row)])
            return row, True

        row, now = changes.commit(action)
        if now:
            metrics.HOLD_ACTS.labels("released").inc()
        elif row is not None and (row["release_reason"], row["released_by"]) != (reason, recorded_by()):
            raise Problem("conflict", _RELEASED, members={"hold_id": str(ident)})
        return _answer(row, ignored)


def _same(row: store.Row, hold: Mapping[str, Any]) -> bool:
    """Whether a stored hold is the one that was sent: the second of two requests that were one."""
    kept = jsonvalue.canonical(jsonvalue.parse(row["filter"].encode()))
    return (row["name"], row["reason"], kept) == (hold["name"], hold["reason"], jsonvalue.canonical(hold["filter"]))


def _document(services: Parts) -> dict[str, Any]:
    body, _ = json_document(services.bodies)
    if not isinstance(body, dict):
        raise not_an_object()
    return body


def _ident(text: str) -> UUID:
    ident = parse_uuid(text)
    if ident is None:
        raise _unknown()
    return ident


def _unknown() -> Problem:
    return Problem("not-found", "there is no such hold")


def _answer(row: store.Row | None, ignored: Mapping[str, Any] | None = None, status: int = 200) -> flask.Response:
    if row is None:
        raise _unknown()
    return json_response(orjson.dumps({**store.to_json(row), **(ignored or {})}), status)
