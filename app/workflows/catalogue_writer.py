"""What changes the catalogue: each change is committed together with the audit event that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
import uuid_utils.compat
from datastorage_common import workflow_batches

from app.audit import store as audit_store
from app.audit.changes import Changes
from app.auth.authorizer import recorded_by
from app.http.problems import Problem
from app.http.request_context import request_id, trace_id
from app.http.validation import valid, valid_batch
from app.http.validation_failures import count_validation_failures
from app.postgres.sessions import Connection
from app.telemetry import metrics
from app.workflows import schemas, store
from app.workflows.events import CATEGORY, EventFactory

if TYPE_CHECKING:
    from app.services import Services


class CatalogueWriter:
    """Creates and changes workflows, on the services of one app."""

    def __init__(self, services: Services, events: EventFactory) -> None:
        self._events = events
        self._changes = Changes(services.database, services.clock.now, "workflow_catalog")
        verify = services.settings.workflows.verify_content_hash
        self._check = partial(schemas.workflow, verify_content_hash=verify)

    def create(self, body: dict[str, Any]) -> bytes:
        """Create one workflow; it as JSON. Raises Problem."""
        ignored = schemas.WORKFLOW_MEMBERS.ignored(body)
        workflow = valid(self._check(body), ignored=ignored)
        try:
            rows = self._insert([workflow])
        except store.DuplicateError:
            raise self._conflict(_duplicate(workflow), workflow) from None
        return orjson.dumps({**store.to_json(rows[0]), **ignored})

    def create_batch(self, body: Any) -> bytes:
        """Create workflows, all or none; their ids as JSON. Raises Problem."""
        workflows = valid_batch(body, "workflow", workflow_batches.MAX_BATCH, self._check, schemas.WORKFLOW_MEMBERS)
        _check_keys(workflows)
        ignored = schemas.WORKFLOW_MEMBERS.ignored_of_batch(body)
        try:
            rows = self._insert(workflows)
        except store.DuplicateError as e:
            first = workflows[e.indexes[0]]
            detail = f"workflow at index {e.indexes[0]}: {_duplicate(first)}"
            raise self._conflict(detail, first, e.indexes) from None
        ids = [row["workflow_id"] for row in rows]
        answer = {"workflow_ids": ids, "message": f"{len(ids)} workflows created successfully"}
        return orjson.dumps({**answer, **ignored})

    def _insert(self, workflows: Sequence[Mapping[str, Any]]) -> list[store.Row]:
        ids = [uuid_utils.compat.uuid7() for _ in workflows]

        def action(conn: Connection) -> list[store.Row]:
            rows = store.create(conn, ids, workflows)
            audit_store.append(
                conn, [self._events.created(row, trace_id(), recorded_by(), request_id()) for row in rows]
            )
            return rows

        rows = self._changes.commit(action)
        metrics.child(metrics.TRACES, CATEGORY, "success").inc(len(rows))
        return rows

    def change(self, ident: UUID, changes: dict[str, Any]) -> store.Row | None:
        """Set these members of a workflow; it as it is stored, None if there is none. Raises Problem."""

        def action(conn: Connection) -> store.Row | None:
            row = store.update(conn, ident, changes)
            if row is not None:
                audit_store.append(conn, [self._events.updated(row, changes, trace_id(), recorded_by(), request_id())])
            return row

        row = self._changes.commit(action)
        if row is not None:
            metrics.child(metrics.TRACES, CATEGORY, "success").inc()
        return row

    @staticmethod
    def _conflict(detail: str, workflow: Mapping[str, Any], indexes: Sequence[int] | None = None) -> Problem:
        members: dict[str, Any] = {"workflow_name": workflow["workflow_name"], "version": workflow["version"]}
        if indexes is not None:
            members |= {"index": indexes[0], "indexes": list(indexes)}
        return Problem("conflict", detail, title="Workflow Already Exists", members=members)


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
