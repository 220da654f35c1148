"""HTTP of the workflow catalogue: reads requests, hands them to the store, words the answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import flask
import orjson
import psycopg
import uuid_utils.compat
from datastorage_common import jsonvalue, workflow_batches
from datastorage_common.uuids import parse_uuid

from app.audit import store as audit_store
from app.audit.event import AuditEvent
from app.audit.outcome import WriteRequest
from app.audit.queries import _Arguments
from app.audit.schemas import FieldFault, Refusal
from app.auth.authorizer import recorded_by
from app.http import bounded
from app.http.flask_app import (
    count_validation_failures,
    json_body,
    json_document,
    json_response,
    register_field_labels,
    trace_id,
)
from app.http.problems import Problem
from app.postgres import pages
from app.postgres.errors import Fault, classify
from app.postgres.sessions import Connection
from app.postgres.statements import Sql
from app.telemetry import metrics
from app.workflows import schemas, search, store
from app.workflows.events import CATEGORY, EventFactory
from app.workflows.search import ANY, LABELS, STATUSES, Found, Search, label_condition

if TYPE_CHECKING:
    from app.services import Services

log = logging.getLogger(__name__)
T = TypeVar("T")

_MAX_OFFSET = 2**63 - 1
_UNKNOWN = "the outcome is not known - please look before you try again"


def create_blueprint(services: Services) -> flask.Blueprint:
    """The workflow blueprint of one app."""
    blueprint = flask.Blueprint("workflows", __name__, url_prefix="/api/v1/workflows")
    labels = [f"{group}.{name}" for group in ("labels", "filters") for name in LABELS]
    register_field_labels([*schemas.FIELDS, *labels, "explain"])
    catalogue = _Catalogue(services)

    @blueprint.post("")
    def create() -> flask.Response:
        return json_response(catalogue.create(_object()), 201)

    @blueprint.post("/batch")
    def create_batch() -> flask.Response:
        return json_response(catalogue.create_batch(json_body(services.bodies)), 201)

    @blueprint.post("/search")
    def search_workflows() -> flask.Response:
        explain = flask.request.args.get("explain", "false")
        wrong = () if explain in ("true", "false") else (schemas.WRONG_EXPLAIN,)
        return catalogue.search(*_document(), explain=explain == "true", wrong=wrong)

    @blueprint.get("")
    def list_workflows() -> flask.Response:
        return json_response(catalogue.list(flask.request.args))

    @blueprint.get("/<workflow_id>")
    def get(workflow_id: str) -> flask.Response:
        ident = _ident(workflow_id)
        return _one(catalogue.read("get_workflow", lambda conn: store.get(conn, ident)))

    # A name is free text and may hold slashes.
    @blueprint.get("/by-name/<path:name>/versions")
    def versions(name: str) -> flask.Response:
        return json_response(catalogue.versions(name, flask.request.args))

    @blueprint.get("/by-name/<path:name>/latest")
    def latest(name: str) -> flask.Response:
        if not jsonvalue.is_storable_text(name):
            raise _not_found()
        return _one(catalogue.read("latest_workflow", lambda conn: store.latest(conn, name)))

    @blueprint.patch("/<workflow_id>")
    def patch(workflow_id: str) -> flask.Response:
        body = _object()
        if wrong := [m for m in schemas.IMMUTABLE if m in body]:
            count_validation_failures((m, "immutable") for m in wrong)
            raise Problem(
                "immutable-field-violation",
                "immutable fields cannot be changed: " + ", ".join(wrong),
                field_errors=dict.fromkeys(wrong, "cannot be changed"),
            )
        changes = _checked(schemas.patch(body))
        if changes.get("status") == "active":
            changes |= {"disabled_by": None, "disabled_reason": None}
        return catalogue.change(_ident(workflow_id), changes)

    @blueprint.patch("/<workflow_id>/disable")
    def disable(workflow_id: str) -> flask.Response:
        asked = _checked(schemas.reason(_object(optional=True)))
        reason, who = asked["reason"], asked["updated_by"]
        changes = {"status": "disabled", "status_reason": reason, "disabled_by": who, "disabled_reason": reason}
        return catalogue.change(_ident(workflow_id), {**changes, "updated_by": who})

    @blueprint.patch("/<workflow_id>/enable")
    def enable(workflow_id: str) -> flask.Response:
        asked = _checked(schemas.reason(_object(optional=True)))
        changes = {"status": "active", "status_reason": asked["reason"], "disabled_by": None, "disabled_reason": None}
        return catalogue.change(_ident(workflow_id), {**changes, "updated_by": asked["updated_by"]})

    def _object(*, optional: bool = False) -> dict[str, Any]:
        request = flask.request
        if optional and not request.content_length and "Transfer-Encoding" not in request.headers:
            return {}
        return _document()[0]

    def _document() -> tuple[dict[str, Any], bool]:
        body, plain = json_document(services.bodies)
        if not isinstance(body, dict):
            count_validation_failures([("body", "invalid")])
            raise Problem("invalid_request", "request body must be a JSON object")
        return body, plain

    return blueprint


def _not_found() -> Problem:
    return Problem("not-found", "there is no such workflow")


def _ident(text: str) -> UUID:
    ident = parse_uuid(text)
    if ident is None:
        raise _not_found()
    return ident


def _one(row: store.Row | None) -> flask.Response:
    if row is None:
        raise _not_found()
    return json_response(orjson.dumps(store.to_json(row)))


def _checked(value: T | Refusal, wrong: tuple[FieldFault, ...] = ()) -> T:
    """The value; ``wrong`` is what was found before, outside the body. Raises Problem 400 that names all of it."""
    if isinstance(value, Refusal):
        value = Refusal(wrong + value.faults, value.members)
    elif wrong:
        value = Refusal(wrong, {})
    else:
        return value
    count_validation_failures((f.name, f.fault.reason) for f in value.faults)
    raise Problem(value.slug, value.detail, field_errors={f.name: str(f.fault) for f in value.faults})


def _check_keys(workflows: Sequence[Mapping[str, Any]]) -> None:
    """Raises Problem 400 for a batch whose labels make more keys than one transaction should write."""
    keys = workflow_batches.IndexKeys()
    for index, workflow in enumerate(workflows):
        keys += workflow_batches.index_keys(workflow["labels"])
        if keys.too_many_for_a_batch:
            count_validation_failures([("labels", "batch_too_large")])
            most = f"{workflow_batches.MAX_BATCH_KEYS} keys and {workflow_batches.MAX_BATCH_KEY_BYTES} bytes"
            made = f"{keys.number} keys of the index with {keys.size_bytes} bytes"
            text = f"make, with those before, {made}, max {most} in a batch"
            raise Problem(
                "batch-size-exceeded",
                f"workflow at index {index}: labels {text}: send fewer workflows at a time",
                field_errors={f"[{index}].labels": text},
            )


def _duplicate(workflow: Mapping[str, Any]) -> str:
    return f"workflow {workflow['workflow_name']} with version {workflow['version']} already exists"


class _Catalogue:
    """What the routes do, on the services of one app."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._events = EventFactory(services.settings.audit, services.clock.now)
        self._verify = services.settings.workflows.verify_content_hash
        self._max_bytes = services.settings.server.max_response_bytes

    def create(self, body: dict[str, Any]) -> bytes:
        workflow = _checked(schemas.workflow(body, verify_content_hash=self._verify))
        try:
            rows = self._insert([workflow])
        except store.DuplicateError:
            raise self._conflict(_duplicate(workflow), workflow) from None
        return orjson.dumps(store.to_json(rows[0]))

    def create_batch(self, body: Any) -> bytes:
        workflows = self._batch(body)
        try:
            rows = self._insert(workflows)
        except store.DuplicateError as e:
            first = workflows[e.indexes[0]]
            detail = f"workflow at index {e.indexes[0]}: {_duplicate(first)}"
            raise self._conflict(detail, first, e.indexes) from None
        ids = [row["workflow_id"] for row in rows]
        return orjson.dumps({"workflow_ids": ids, "message": f"{len(ids)} workflows created successfully"})

    def _batch(self, body: Any) -> list[dict[str, Any]]:
        if not isinstance(body, list):
            raise Problem("invalid_request", "request body must be a JSON array, not a single object")
        if not body:
            raise Problem("validation-error", "batch cannot be empty")
        if len(body) > workflow_batches.MAX_BATCH:
            limit = workflow_batches.MAX_BATCH
            raise Problem(
                "batch-size-exceeded", f"batch size {len(body)} exceeds maximum allowed batch size of {limit}"
            )
        workflows = []
        errors: dict[str, str] = {}
        first: tuple[int, str, str] | None = None
        for index, item in enumerate(body):
            if not isinstance(item, dict):
                errors[f"[{index}]"] = "must be a JSON object"
                first = first or (index, "invalid_request", "must be a JSON object")
                continue
            workflow = schemas.workflow(item, verify_content_hash=self._verify)
            if isinstance(workflow, Refusal):
                count_validation_failures((f.name, f.fault.reason) for f in workflow.faults)
                errors.update({f"[{index}].{f.name}": str(f.fault) for f in workflow.faults})
                first = first or (index, workflow.slug, workflow.detail)
            else:
                workflows.append(workflow)
        if first is not None:
            raise Problem(first[1], f"workflow at index {first[0]}: {first[2]}", field_errors=errors)
        _check_keys(workflows)
        return workflows

    @staticmethod
    def _conflict(detail: str, workflow: Mapping[str, Any], indexes: Sequence[int] | None = None) -> Problem:
        members: dict[str, Any] = {"workflow_name": workflow["workflow_name"], "version": workflow["version"]}
        if indexes is not None:
            members |= {"index": indexes[0], "indexes": list(indexes)}
        return Problem("conflict", detail, title="Workflow Already Exists", members=members)

    def _insert(self, workflows: Sequence[Mapping[str, Any]]) -> list[store.Row]:
        ids = [uuid_utils.compat.uuid7() for _ in workflows]

        def action(conn: Connection) -> list[store.Row]:
            rows = store.create(conn, ids, workflows)
            audit_store.append(conn, [self._events.created(row, trace_id(), recorded_by()) for row in rows])
            return rows

        rows = self._write(action)
        metrics.child(metrics.TRACES, CATEGORY, "success").inc(len(rows))
        return rows

    def change(self, ident: UUID, changes: dict[str, Any]) -> flask.Response:
        if not changes:
            return _one(self.read("get_workflow", lambda conn: store.get(conn, ident)))

        def action(conn: Connection) -> store.Row | None:
            row = store.update(conn, ident, changes)
            if row is not None:
                audit_store.append(conn, [self._events.updated(row, changes, trace_id(), recorded_by())])
            return row

        row = self._write(action)
        if row is not None:
            metrics.child(metrics.TRACES, CATEGORY, "success").inc()
        return _one(row)

    def _write(self, action: Callable[[Connection], T]) -> T:
        """Run the action and commit it together with its events; once more if the events' month had no partition."""
        started = time.perf_counter()
        try:
            try:
                return self._write_once(action)
            except psycopg.errors.CheckViolation as e:
                if classify(e) is not Fault.MISSING_PARTITION:
                    raise
            today = self._services.clock.now().date()
            self._services.database.make_partition(today)
            return self._write_once(action)
        finally:
            metrics.WRITE_SECONDS.labels("workflow_catalog").observe(time.perf_counter() - started)

    def _write_once(self, action: Callable[[Connection], T]) -> T:
        committing = False

        def run(conn: Connection) -> T:
            nonlocal committing
            result = action(conn)
            committing = True
            return result

        try:
            return self._services.database.change(run)
        except psycopg.OperationalError:
            if not committing:
                raise
            # A commit that was not answered may have happened.
            log.warning("a commit to the catalogue was not answered")
            raise Problem("service-unavailable", _UNKNOWN, members={"outcome": "unknown"}) from None

    def read(self, operation: str, query: Callable[[psycopg.Connection], T]) -> T:
        started = time.perf_counter()
        try:
            return self._services.reader.read(query)
        finally:
            metrics.child(metrics.QUERY_SECONDS, operation).observe(time.perf_counter() - started)

    def list(self, arguments: Mapping[str, str]) -> bytes:
        query = _list_query(_Arguments(arguments, self._services.clock.now()))
        page = self._page("list_workflows", query)
        limit = query.limit if page.next is None else len(page.rows)
        workflows = [store.to_json(r) for r in page.rows]
        return orjson.dumps({"workflows": workflows, "limit": limit, "offset": query.offset, **_place(page)})

    def _page(self, operation: str, query: store.ListQuery) -> store.Page:
        # Which rows are large is not known before.
        with bounded.large_page():
            return self.read(operation, lambda conn: store.page(conn, query, self._max_bytes))

    def versions(self, name: str, arguments: Mapping[str, str]) -> bytes:
        query = _versions_query(_Arguments(arguments, self._services.clock.now()), name)
        page = store.Page([], 0, None)
        if jsonvalue.is_storable_text(name):
            page = self._page("workflow_versions", query)
        return orjson.dumps({"workflow_name": name, "versions": [store.to_json(r) for r in page.rows], **_place(page)})

    def search(
        self, body: dict[str, Any], plain: bool, *, explain: bool, wrong: tuple[FieldFault, ...]
    ) -> flask.Response:
        started = time.perf_counter()
        wanted = _checked(schemas.search(body, plain=plain), wrong)

        def read(large: bool) -> tuple[Sequence[Found], bytes]:
            return self.read("search_workflows", lambda conn: self._found(conn, wanted, explain=explain, large=large))

        found, answer = bounded.page(read)
        response = json_response(answer)
        duration_ms = round((time.perf_counter() - started) * 1000)
        asked = trace_id(), recorded_by()  # not known any more when the answer is closed
        response.call_on_close(lambda: self._post(lambda: self._events.searched(wanted, found, duration_ms, *asked)))
        return response

    def _found(
        self, conn: psycopg.Connection, wanted: Search, *, explain: bool, large: bool
    ) -> tuple[Sequence[Found], bytes]:
        """The results that fit into one answer, and the answer."""
        found, more = search.search(conn, wanted, self._max_bytes, explain=explain, large=large)
        body = _search_answer(found, wanted, more)
        if len(body) > self._max_bytes:
            left = self._max_bytes - len(jsonvalue.compact(wanted.asked))
            fit = pages.fitting([jsonvalue.compact(f.answer) for f in found], left)
            found, more = found[:fit], more or fit < len(found)
            body = _search_answer(found, wanted, more)
        return found, body

    def _post(self, make: Callable[[], AuditEvent]) -> None:
        try:
            self._services.ingest.post(WriteRequest((make(),)))
        except Exception:  # the search is answered; its event must not be what fails
            log.exception("the audit event of a search could not be made")


def _list_query(read: _Arguments) -> store.ListQuery:
    """The query of GET /workflows. Raises Problem 400 that names every wrong parameter."""
    conditions: list[Sql] = []
    read.choice("status", STATUSES)
    read.equal("workflow_name")
    for name in LABELS:
        value = read.text(name)
        allowed = schemas.LABEL_VALUES.get(name)
        if value is not None and allowed is not None and value not in (*allowed, ANY):
            read.refuse(name, "must be one of: " + ", ".join((*allowed, ANY)))
        elif value is not None:
            conditions.append(label_condition(name, value))
    match read.text("latest"):
        case None:
            pass
        case "true":
            conditions.append(Sql("is_latest_version"))
        case "false":
            conditions.append(Sql("NOT is_latest_version"))
        case _:
            read.refuse("latest", "must be true or false")
    limit = read.whole("limit", 1, 1000, 100)
    offset = read.whole("offset", 0, _MAX_OFFSET, 0)
    plain = [Sql(c, (v,)) for c, v in zip(read.conditions, read.parameters, strict=True)]
    return _finish(read, (*plain, *conditions), limit, offset)


def _versions_query(read: _Arguments, name: str) -> store.ListQuery:
    """The query of GET /workflows/by-name/{name}/versions. Raises Problem 400 that names every wrong parameter."""
    return _finish(read, (Sql("workflow_name = %s", (name,)),), read.whole("limit", 1, 1000, 1000), 0)


def _finish(read: _Arguments, conditions: tuple[Sql, ...], limit: int, offset: int) -> store.ListQuery:
    cursor = read.cursor()
    if cursor is not None and parse_uuid(cursor.ident) is None:
        read.refuse("cursor", "is not a cursor of this service")
    include = read.text("include")
    if include not in (None, "content"):
        read.refuse("include", "must be content")
    if read.errors:
        raise Problem("validation-error", "; ".join(read.details), field_errors=read.errors)
    return store.ListQuery(conditions, limit, offset, cursor, content=include is not None)


def _place(page: store.Page) -> dict[str, Any]:
    """Where a page stands in its list."""
    following = None if page.next is None else page.next.encode()
    return {"total": page.total, "has_more": following is not None, "next_cursor": following}


def _search_answer(found: Sequence[Found], wanted: Search, more: bool) -> bytes:
    answer = {"workflows": [f.answer for f in found], "total_results": len(found), "has_more": more}
    return jsonvalue.compact({**answer, "filters": dict(wanted.asked)})
