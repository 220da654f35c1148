"""What schemathesis has to know beside the document, and checks of our own. Loaded by schemathesis.toml."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis
from datastorage_common.times import parse_rfc3339
from schemathesis.core.failures import Failure
from schemathesis.generation import GenerationMode

# Members and parameters whose rules no JSON Schema can express; the document has them in words.
IN_WORDS = {
    "after",  # opaque
    "cursor",  # opaque; excludes offset
    "data",  # a JSON object, as text
    "since",
    "until",
    "event_timestamp",  # a window around now
    "sent_at",
    "parent_event_id",  # is stored
    "content_hash",  # is the SHA-256 of content
    "expected_success_rate",  # at most 20 decimals
    "actual_success_rate",
    "min_score",
}
_START = datetime.now(UTC)
_numbers = itertools.count(1)


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Whatever an answer holds beyond its schema is a fault here, though clients must bear it."""
    schemas = raw_schema["components"]["schemas"]
    asked = _reachable(
        schemas, [o.get("requestBody", {}) for p in raw_schema["paths"].values() for o in _operations(p)]
    )
    for name, schema in schemas.items():
        if schema.get("type") == "object" and "properties" in schema and name not in asked:
            schema.setdefault("additionalProperties", False)


def _operations(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for method, node in item.items() if method != "parameters"]


def _reachable(schemas: dict[str, Any], roots: list[Any]) -> set[str]:
    found: set[str] = set()
    waiting = [json.dumps(roots)]
    while waiting:
        for name in re.findall(r'"#/components/schemas/(\w+)"', waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(json.dumps(schemas[name]))
    return found


def _items(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Move every time that is one into the window that is taken; give most records an identity of their own."""
    for item in _items(case.body):
        if isinstance(item, dict):
            for name in ("event_timestamp", "sent_at"):
                moment = parse_rfc3339(item.get(name))
                if moment is not None:
                    seconds = int(moment.timestamp()) % (6 * 86400)
                    item[name] = (_START - timedelta(seconds=seconds)).isoformat()
            number = next(_numbers)
            if number % 4 and item.get("version") == "1.0" and "workflow_name" in item:
                item["version"] = f"1.{number}"
            if number % 4 and item.get("notification_id") == "n-2026-001":
                item["notification_id"] = f"n-2026-{number}"


class UndocumentedProblem(Failure):
    """An error that the document does not name for this operation."""


def _problem(case: Any, response: Any, title: str) -> Failure:
    return UndocumentedProblem(operation=case.operation.label, title=title, message=response.text[:1000])


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Where the tool takes the last word of another path for an id, the 405 is that path's answer."""
    ids = set((case.path_parameters or {}).values())
    return not (response.status_code == 405 and ids & {"batch", "search"})


@schemathesis.check
def problem_is_documented(ctx: Any, response: Any, case: Any) -> None:
    """The type of a problem is among the x-problem-types of the operation's answer."""
    if "application/problem+json" not in response.headers.get("content-type", [""])[0]:
        return
    body = response.json()
    if (
        response.status_code in (404, 405)
        and str(response.status_code) not in case.operation.definition.raw["responses"]
    ):
        return  # another path or method: no answer of this operation
    slug = body["type"].rpartition("/")[2]
    declared = case.operation.definition.raw["responses"][str(response.status_code)]
    while "$ref" in declared:
        declared = case.operation.schema.raw_schema["components"]["responses"][declared["$ref"].rpartition("/")[2]]
    if slug not in declared["x-problem-types"] or body["status"] != response.status_code:
        raise _problem(case, response, f"{slug} is not among {declared['x-problem-types']}")
    if body["instance"] not in (None, "") and not body["instance"].startswith("/"):
        raise _problem(case, response, "instance is no path")


@schemathesis.check
def refused_only_for_what_is_said(ctx: Any, response: Any, case: Any) -> None:
    """A request that fits the schemas is refused only for a rule that the document has in words."""
    meta = case.meta
    if response.status_code != 400 or meta is None or meta.generation.mode != GenerationMode.POSITIVE:
        return
    body = response.json()
    if body["type"].endswith("/immutable-field-violation") or case.operation.label.endswith("/replay"):
        return  # members that the schema does not name; a dead letter that holds nothing
    named = {re.sub(r"^\[\d+\]\.?", "", name) for name in body.get("field_errors", {"?": ""})}
    if any(isinstance(item, dict) and item.get("approved_at") == "" for item in _items(case.body)):
        named.discard("approved_at")  # the tool's shortest text, whatever the format
    if case.operation.label.endswith("/audit/feed") and (case.query or {}).get("kinds", "audit_event") != "audit_event":
        named &= {"limit", "wait", "kinds", "salts", "strict"}  # beside other kinds there may be no filter
    if not named <= IN_WORDS:
        raise _problem(case, response, f"refused for {sorted(named - IN_WORDS)}, which the schemas allow")
