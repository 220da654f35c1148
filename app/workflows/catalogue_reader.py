"""What reads the catalogue: lists, versions, and searches, each of which leaves an audit event behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import flask
import orjson
from datastorage_common import jsonvalue

from app.audit.event import AuditEvent
from app.audit.outcome import WriteRequest
from app.auth.authorizer import recorded_by
from app.http import bounded
from app.http.json_provider import json_response
from app.http.request_context import request_id, trace_id
from app.http.timed_reads import timed_read
from app.http.validation import valid
from app.postgres import pages
from app.postgres.lists import Page
from app.postgres.sessions import Connection
from app.validation.field_errors import FieldError
from app.workflows import search, search_request, store
from app.workflows.events import EventFactory
from app.workflows.search import Found, Search

if TYPE_CHECKING:
    from app.services import Services

log = logging.getLogger(__name__)


class CatalogueReader:
    """Reads workflows, on the services of one app."""

    def __init__(self, services: Services, events: EventFactory) -> None:
        self._services = services
        self._events = events
        self._max_bytes = services.settings.server.max_response_bytes

    def get(self, ident: UUID) -> store.Row | None:
        """One workflow of any status and version."""
        return timed_read(self._services.reader, "get_workflow", lambda conn: store.get(conn, ident))

    def latest(self, name: str) -> store.Row | None:
        """The latest version of a name."""
        if not jsonvalue.is_storable_text(name):
            return None
        return timed_read(self._services.reader, "latest_workflow", lambda conn: store.latest(conn, name))

    def list(self, query: store.WorkflowQuery) -> bytes:
        """A page of the catalogue as JSON. Raises Problem."""
        page = self._page("list_workflows", query)
        limit = query.limit if page.next is None else len(page.rows)
        workflows = [store.to_json(r) for r in page.rows]
        return orjson.dumps({"workflows": workflows, "limit": limit, "offset": query.offset, **page.place()})

    def _page(self, operation: str, query: store.WorkflowQuery) -> Page:
        # Which rows are large is not known before.
        with bounded.large_page():
            return timed_read(self._services.reader, operation, lambda conn: store.page(conn, query, self._max_bytes))

    def versions(self, name: str, query: store.WorkflowQuery) -> bytes:
        """A page of the versions of a name as JSON. Raises Problem."""
        page = Page([], 0, None)
        if jsonvalue.is_storable_text(name):
            page = self._page("workflow_versions", query)
        return orjson.dumps({"workflow_name": name, "versions": [store.to_json(r) for r in page.rows], **page.place()})

    def search(
        self, body: dict[str, Any], plain: bool, *, explain: bool, wrong: tuple[FieldError, ...]
    ) -> flask.Response:
        """The answer to a search; ``wrong``: what was found before, outside the body. Raises Problem."""
        started = time.perf_counter()
        ignored = search_request.MEMBERS.ignored(body)
        wanted = valid(search_request.search(body, plain=plain), wrong, ignored)

        def read(large: bool) -> tuple[Sequence[Found], bytes]:
            return timed_read(
                self._services.reader,
                "search_workflows",
                lambda conn: self._found(conn, wanted, ignored, explain=explain, large=large),
            )

        found, answer = bounded.page(read)
        response = json_response(answer)
        duration_ms = round((time.perf_counter() - started) * 1000)
        asked = trace_id(), recorded_by(), request_id()  # not known any more when the answer is closed
        response.call_on_close(lambda: self._post(lambda: self._events.searched(wanted, found, duration_ms, *asked)))
        return response

    def _found(
        self, conn: Connection, wanted: Search, ignored: Mapping[str, Any], *, explain: bool, large: bool
    ) -> tuple[Sequence[Found], bytes]:
        """The results that fit into one answer, and the answer."""
        found, more = search.search(conn, wanted, self._max_bytes, explain=explain, large=large)
        body = _search_answer(found, wanted, more, ignored)
        if len(body) > self._max_bytes:
            left = self._max_bytes - len(jsonvalue.compact([wanted.asked, dict(ignored)]))
            fit = pages.fitting([jsonvalue.compact(f.answer) for f in found], left)
            found, more = found[:fit], more or fit < len(found)
            body = _search_answer(found, wanted, more, ignored)
        return found, body

    def _post(self, make: Callable[[], AuditEvent]) -> None:
        try:
            self._services.ingest.post(WriteRequest((make(),)))
        except Exception:  # the search is answered; its event must not be what fails
            log.exception("the audit event of a search could not be made")


def _search_answer(found: Sequence[Found], wanted: Search, more: bool, ignored: Mapping[str, Any]) -> bytes:
    answer = {"workflows": [f.answer for f in found], "total_results": len(found), "has_more": more}
    return jsonvalue.compact({**answer, "filters": dict(wanted.asked), **ignored})
