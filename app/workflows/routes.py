"""HTTP of the workflow catalogue: reads requests, hands them to its reader and writer, words the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import flask
import orjson
from datastorage_common.uuids import parse_uuid

from app.http.bodies import json_body, json_document
from app.http.json_provider import json_response
from app.http.parameters import takes
from app.http.problems import Problem
from app.http.query import QueryParameters
from app.http.validation import not_an_object, valid
from app.http.validation_failures import count_validation_failures, register_field_labels
from app.validation.ignored import NOTHING
from app.workflows import filters, schemas, search_request, store
from app.workflows.catalogue_reader import CatalogueReader
from app.workflows.catalogue_writer import CatalogueWriter
from app.workflows.events import EventFactory
from app.workflows.labels import LABELS

if TYPE_CHECKING:
    from app.services import Services


def create_blueprint(services: Services) -> flask.Blueprint:
    """The workflow blueprint of one app."""
    blueprint = flask.Blueprint("workflows", __name__, url_prefix="/api/v1/workflows")
    labels = [f"{group}.{name}" for group in ("labels", "filters") for name in LABELS]
    register_field_labels([*schemas.FIELDS, *search_request.FIELDS, *labels, "explain"])
    events = EventFactory(services.settings.audit, services.clock.now)
    reader, writer = CatalogueReader(services, events), CatalogueWriter(services, events)
    _add_reads(blueprint, services, reader)
    _add_creates(blueprint, services, writer)
    _add_changes(blueprint, services, writer, reader)
    return blueprint


def _add_reads(blueprint: flask.Blueprint, services: Services, reader: CatalogueReader) -> None:
    def explain_check() -> None:
        read = QueryParameters(flask.request.args)
        read.boolean("explain", False)
        read.check()

    def list_query() -> store.WorkflowQuery:
        return filters.list_query(flask.request.args, services.clock.now())

    def versions_query(name: str) -> store.WorkflowQuery:
        return filters.versions_query(flask.request.args, services.clock.now(), name)

    @blueprint.post("/search")
    @takes(["explain"], explain_check)
    def search_workflows() -> flask.Response:
        explain = flask.request.args.get("explain", "false")
        wrong = () if explain in ("true", "false") else (search_request.WRONG_EXPLAIN,)
        return reader.search(*_document(services), explain=explain == "true", wrong=wrong)

    @blueprint.get("")
    @takes(filters.LIST_PARAMETERS, list_query)
    def list_workflows() -> flask.Response:
        return json_response(reader.list(list_query()))

    @blueprint.get("/<workflow_id>")
    def get(workflow_id: str) -> flask.Response:
        return _one(reader.get(_ident(workflow_id)))

    # A name is free text and may hold slashes.
    @blueprint.get("/by-name/<path:name>/versions")
    @takes(filters.VERSIONS_PARAMETERS, versions_query)
    def versions(name: str) -> flask.Response:
        return json_response(reader.versions(name, versions_query(name)))

    @blueprint.get("/by-name/<path:name>/latest")
    def latest(name: str) -> flask.Response:
        return _one(reader.latest(name))


def _add_creates(blueprint: flask.Blueprint, services: Services, writer: CatalogueWriter) -> None:
    @blueprint.post("")
    def create() -> flask.Response:
        return json_response(writer.create(_document(services)[0]), 201)

    @blueprint.post("/batch")
    def create_batch() -> flask.Response:
        return json_response(writer.create_batch(json_body(services.bodies)), 201)


def _add_changes(
    blueprint: flask.Blueprint, services: Services, writer: CatalogueWriter, reader: CatalogueReader
) -> None:
    @blueprint.patch("/<workflow_id>")
    def patch(workflow_id: str) -> flask.Response:
        body = _document(services)[0]
        if wrong := [m for m in schemas.IMMUTABLE if m in body]:
            count_validation_failures((m, "immutable") for m in wrong)
            raise Problem(
                "immutable-field-violation",
                "immutable fields cannot be changed: " + ", ".join(wrong),
                field_errors=dict.fromkeys(wrong, "cannot be changed"),
            )
        ignored = schemas.PATCH_MEMBERS.ignored(body)
        changes = valid(schemas.patch(body), ignored=ignored)
        if ignored and not changes:
            raise _nothing_to_change(ignored)
        if changes.get("status") == "active":
            changes |= {"disabled_by": None, "disabled_reason": None}
        ident = _ident(workflow_id)
        return _one(writer.change(ident, changes) if changes else reader.get(ident), ignored)

    @blueprint.patch("/<workflow_id>/disable")
    def disable(workflow_id: str) -> flask.Response:
        body = _optional_object(services)
        ignored = schemas.REASON_MEMBERS.ignored(body)
        asked = valid(schemas.reason(body), ignored=ignored)
        reason, by = asked["reason"], asked["updated_by"]
        changes = {"status": "disabled", "status_reason": reason, "disabled_by": by, "disabled_reason": reason}
        row = writer.change(_ident(workflow_id), {**changes, "updated_by": by})
        return _one(row, ignored)

    @blueprint.patch("/<workflow_id>/enable")
    def enable(workflow_id: str) -> flask.Response:
        body = _optional_object(services)
        ignored = schemas.REASON_MEMBERS.ignored(body)
        asked = valid(schemas.reason(body), ignored=ignored)
        changes = {"status": "active", "status_reason": asked["reason"], "disabled_by": None, "disabled_reason": None}
        row = writer.change(_ident(workflow_id), {**changes, "updated_by": asked["updated_by"]})
        return _one(row, ignored)


def _document(services: Services) -> tuple[dict[str, Any], bool]:
    body, plain = json_document(services.bodies)
    if not isinstance(body, dict):
        raise not_an_object()
    return body, plain


def _optional_object(services: Services) -> dict[str, Any]:
    """The body, or an empty object where the request has none."""
    request = flask.request
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return {}
    return _document(services)[0]


def _not_found() -> Problem:
    return Problem("not-found", "there is no such workflow")


def _ident(text: str) -> UUID:
    ident = parse_uuid(text)
    if ident is None:
        raise _not_found()
    return ident


def _nothing_to_change(ignored: Mapping[str, Any]) -> Problem:
    """The problem of a PATCH that names members, but none that changes: a 200 would look like a change."""
    names = ignored["ignored"]
    count_validation_failures((m, "immutable") for m in names)
    more = f" and {ignored['ignored_more']} more" if "ignored_more" in ignored else ""
    return Problem(
        "validation-error",
        f"nothing to change: {', '.join(names)}{more} cannot be changed by PATCH",
        field_errors=dict.fromkeys(names, "cannot be changed by PATCH"),
    )


def _one(row: store.Row | None, ignored: Mapping[str, Any] = NOTHING) -> flask.Response:
    if row is None:
        raise _not_found()
    return json_response(orjson.dumps({**store.to_json(row), **ignored}))
