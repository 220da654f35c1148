"""The API document as this instance serves it: the committed file with the instance's own limits in it.

Read and rendered when somebody asks for it the first time, never at the start of the service.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any, NamedTuple

import orjson
import yaml
from datastorage_common import yamlfile

from app.audit.schemas import Category
from app.config.settings import Settings
from app.resources import resource

PATH = resource("api/openapi/data-storage-v1.yaml")
# libyaml where the wheel has it: ten times as fast.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class ProblemType(NamedTuple):
    """What the document says of one kind of problem."""

    slug: str
    status: int
    title: str
    meaning: str
    action: str
    retry_after: int | None
    example: dict[str, Any]


class Document:
    """The document of one app."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()

    @cached_property
    def _content(self) -> tuple[dict[str, Any], bytes]:
        raw = PATH.read_bytes()
        document: dict[str, Any] = yamlfile.own(raw)
        if self._adapt(document):
            raw = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=120).encode()
        return document, raw

    def _adapt(self, document: dict[str, Any]) -> bool:
        """Put the instance's settings in the place of the defaults; whether that changed anything."""
        schemas, examples = document["components"]["schemas"], document["components"]["examples"]
        audit, base_url = self._settings.audit, self._settings.server.problem_base_url.rstrip("/")
        wanted: list[tuple[dict[str, Any], str, Any]] = [
            *self._categories(schemas["EventCategory"]),
            (schemas["AuditEventBatch"], "maxItems", audit.max_batch_size),
            *((e["value"], "type", f"{base_url}/{slug}") for slug, e in examples.items()),
        ]
        changed = [(node, key, value) for node, key, value in wanted if node.get(key) != value]
        for node, key, value in changed:
            node[key] = value
        return bool(changed)

    def _categories(self, schema: dict[str, Any]) -> list[tuple[dict[str, Any], str, Any]]:
        """What the schema of event_category says of a configured list instead of the form that any category has."""
        if not (names := self._settings.audit.named_categories):
            return []
        del schema["pattern"]
        return [(schema, "anyOf", [{"enum": list(names)}, {"pattern": f"^{Category.OWN}$"}])]

    @cached_property
    def _json(self) -> bytes:
        return orjson.dumps(self._content[0])

    @cached_property
    def _problems(self) -> dict[str, ProblemType]:
        document = self._content[0]
        examples = document["components"]["examples"]
        return {
            t["slug"]: ProblemType(**{"retry_after": None, **t, "example": examples[t["slug"]]["value"]})
            for t in document["x-problem-types"]
        }

    # One thread renders; the others wait for it instead of doing the same.

    def json(self) -> bytes:
        """The document as JSON."""
        with self._lock:
            return self._json

    def yaml(self) -> bytes:
        """The document as YAML."""
        with self._lock:
            return self._content[1]

    def problem(self, slug: str) -> ProblemType | None:
        """What the document says of a kind of problem, or None if there is no such kind."""
        with self._lock:
            return self._problems.get(slug)
