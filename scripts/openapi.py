"""Writes api/openapi/data-storage-v1.yaml. Run by `make openapi`; a test fails while the committed file differs.

The document is put together from
- the hand-written paths, answers and texts of api/openapi/source/,
- the marshmallow schemas of the code, for everything that clients send,
- the members that the code gives back (EVENT_MEMBERS, NOTIFICATION_MEMBERS, MEMBERS), for stored records,
- the table of problems, for every error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields

from app.audit import schemas as audit
from app.audit.shapes import EVENT_MEMBERS, NOTIFICATION_MEMBERS
from app.dlq.keys import STREAMS
from app.holds import schemas as holds
from app.holds.filters import STATES
from app.http.problems import CONTENT_TYPE, KINDS
from app.validation import fields as common_fields
from app.workflows import fields as workflow_fields
from app.workflows import schemas as workflows
from app.workflows.labels import ANY, CHOICE_WEIGHTS, FLAG_WEIGHTS, LABEL_TOOLS, PRIORITIES, SEVERITIES, STATUSES
from app.workflows.search_request import SearchSchema
from app.workflows.store import MEMBERS as WORKFLOW_MEMBERS

FOLDER = Path(__file__).resolve().parent.parent / "api" / "openapi"
TARGET = FOLDER / "data-storage-v1.yaml"
METHODS = ("get", "put", "post", "delete", "patch")
# Beyond this a limit of the code says only that there is none of its own.
_UNBOUNDED = 2**31

Node = dict[str, Any]


def _names() -> dict[type[Schema], str]:
    """Every schema class of a request, with its name in the document."""
    labels = workflows.WorkflowSchema._declared_fields["labels"].schema
    detected = workflows.WorkflowSchema._declared_fields["detected_labels"].schema
    filters = SearchSchema._declared_fields["filters"].schema
    return {
        audit.AuditEventSchema: "AuditEventRequest",
        audit.NotificationSchema: "NotificationRequest",
        type(labels): "WorkflowLabels",
        type(detected): "DetectedLabelsRequest",
        workflows.WorkflowSchema: "WorkflowRequest",
        workflows.PatchSchema: "WorkflowPatch",
        workflows.ReasonSchema: "StatusChange",
        type(filters): "WorkflowSearchFilters",
        SearchSchema: "WorkflowSearchRequest",
        holds.HoldSchema: "HoldRequest",
        holds.ReleaseSchema: "HoldRelease",
    }


def _text(field: common_fields.Text) -> Node:
    node: Node = {"type": "string"}
    if isinstance(field, common_fields.Choice):
        return node | {"enum": list(field.choices)}
    if field.low:
        node["minLength"] = field.low
    if field.high < _UNBOUNDED:
        node["maxLength"] = field.high
    if isinstance(field, audit.Category):
        node["pattern"] = f"^{field.pattern}$"
    elif isinstance(field, workflow_fields.Hash):
        node["pattern"] = "^[0-9a-f]{64}$"
    elif not field.blank:
        node["pattern"] = r"\S"
    return node


def _list_of(node: Node, **limits: int) -> Node:
    return {"type": "array", **limits, "items": node}


def _text_lists(field: workflow_fields.TextLists) -> Node:
    return {
        "type": "object",
        "propertyNames": {k: v for k, v in _text(field.key).items() if k != "type"},
        "additionalProperties": _list_of(_text(field.member)),
    }


def _own_type(field: fields.Field[Any]) -> Node | None:
    """The JSON Schema of one of the code's own fields; None for a field of marshmallow's."""
    match field:
        case common_fields.Text():
            return _text(field)
        case common_fields.Whole():
            return {"type": "integer", "minimum": field.low, "maximum": field.high}
        case common_fields.Flag():
            return {"type": "boolean"}
        case common_fields.Identifier():
            return {"type": "string", "format": "uuid"}
        case common_fields.Moment():
            return {"type": "string", "format": "date-time"}
        case common_fields.Address():
            return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
        case common_fields.Data() | workflow_fields.Parameters():
            return {"type": "object", "additionalProperties": True}
        case workflow_fields.Rate():
            return {"type": "number", "minimum": 0, "maximum": 1}
        case workflow_fields.TextLists():
            return _text_lists(field)
        case workflow_fields.Label():
            return {
                "oneOf": [
                    _text(field.member),
                    _list_of(_text(field.member), minItems=1, maxItems=workflow_fields.MAX_LABEL_VALUES),
                ]
            }
        case holds.Filter():
            return {"$ref": "#/components/schemas/HoldFilter"}
        case workflow_fields.Choices():
            return {"oneOf": [_text(field.member), _list_of(_text(field.member))]}
    return None


def _convert(self: Any, field: fields.Field[Any], ret: Node, **kwargs: Any) -> Node:
    """apispec's hook: what becomes of a field of the code's own."""
    node = _own_type(field)
    if node is None:
        if isinstance(field, fields.Nested):
            return {}
        raise TypeError(f"{type(field).__name__} has no form in the document yet: add it to _own_type")
    if field.allow_none:
        if "enum" in node:  # apart from null, so that code generators see one enumeration
            node = {"oneOf": [node]}
        if "oneOf" in node:
            node["oneOf"].append({"type": "null"})
        else:
            node["type"] = [node["type"], "null"]
    # apispec adds its own idea of the type first.
    for key in ("type", "format", "nullable"):
        ret.pop(key, None)
    return node


def request_schemas() -> dict[str, Node]:
    """JSON Schemas (2020-12) of all that clients send, by name."""
    names = _names()

    def name_of(schema: Any) -> str:
        return names[schema if isinstance(schema, type) else type(schema)]

    plugin = MarshmallowPlugin(schema_name_resolver=name_of)
    spec = APISpec(title="", version="", openapi_version="3.1.0", plugins=[plugin])
    plugin.converter.add_attribute_function(_convert)
    for schema, name in names.items():
        if name not in spec.components.schemas:
            spec.components.schema(name, schema=schema)
    return _unshared(spec.components.schemas)


# --- what is given back ------------------------------------------------------------------------------------------

_MOMENT = {"type": "string", "format": "date-time"}
_ADDED: dict[str, dict[str, Node]] = {
    "AuditEvent": {
        "event_date": {"type": "string", "format": "date"},
        "parent_event_date": {"type": ["string", "null"], "format": "date"},
        "recorded_at": _MOMENT,
        "recorded_by": {"type": ["string", "null"]},
        "request_id": {"type": ["string", "null"]},
        "trace_id_from_context": {"type": ["boolean", "null"]},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "log_index": {"type": ["integer", "null"], "format": "int64", "minimum": 0},
    },
    "Notification": {
        "id": {"type": "integer", "format": "int64", "minimum": 1},
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "request_id": {"type": "string"},
        "recorded_by": {"type": "string"},
        "log_index": {"type": "integer", "format": "int64", "minimum": 0},
    },
    "Workflow": {
        "workflow_id": {"type": "string", "format": "uuid"},
        "is_latest_version": {"type": "boolean"},
        "disabled_at": _MOMENT,
        "disabled_by": {"type": "string"},
        "disabled_reason": {"type": "string"},
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "updated_by": {"type": "string"},
    },
}
# Members of a row that came after release 1.0: a client reads services of that release too.
_LATER = ("request_id", "trace_id_from_context", "log_index")
# Of an event that is read by its id.
_OF_ONE_EVENT: dict[str, Node] = {
    "held_by": {"type": "array", "items": {"$ref": "#/components/schemas/HoldOfEvent"}},
    "held_by_more": {"type": "integer", "minimum": 1},
}
# Stored, whether the request had them or not.
_ALWAYS = {
    "Notification": ("escalation_level",),
    "Workflow": ("content_hash", "status", "detected_labels", "total_executions", "successful_executions"),
}


def _stored(node: Node, *, nullable: bool) -> Node:
    """A member as it is given back: no defaults, and null only where the answer has nulls."""
    node = {k: v for k, v in node.items() if k not in ("default", "minLength", "examples", "description")}
    if nullable:
        return node
    if isinstance(node.get("type"), list):
        [node["type"]] = [t for t in node["type"] if t != "null"]
    if "oneOf" in node:
        node["oneOf"] = [n for n in node["oneOf"] if n != {"type": "null"}]
        if len(node["oneOf"]) == 1:
            node |= node.pop("oneOf")[0]
    return node


def response_schemas(sent: Mapping[str, Node]) -> dict[str, Node]:
    """JSON Schemas of stored records: the members of the request, and those that the service adds."""
    found = {}
    for name, request, members in (
        ("AuditEvent", "AuditEventRequest", EVENT_MEMBERS),
        ("Notification", "NotificationRequest", NOTIFICATION_MEMBERS),
        ("Workflow", "WorkflowRequest", WORKFLOW_MEMBERS),
    ):
        nullable = name == "AuditEvent"  # the others leave nulls out
        asked, added = sent[request], _ADDED[name]
        properties = {m: added.get(m) or _stored(asked["properties"][m], nullable=nullable) for m in members}
        required = [m for m in members if (m not in _LATER if nullable else _is_always(name, m, asked))]
        found[name] = {"type": "object", "required": required, "properties": properties}
    found["AuditEvent"]["properties"] |= _OF_ONE_EVENT
    # Another configuration, earlier or now, may have other categories.
    found["AuditEvent"]["properties"]["event_category"] = {"type": "string", "maxLength": 50}
    detected = sent["DetectedLabelsRequest"]["properties"]
    properties = {m: _stored(node, nullable=False) for m, node in detected.items()}
    properties["failed_detections"] = next(n for n in properties["failed_detections"]["oneOf"] if n["type"] == "array")
    found["DetectedLabels"] = {"type": "object", "properties": properties}
    found["Workflow"]["properties"]["detected_labels"] = {"$ref": "#/components/schemas/DetectedLabels"}
    found["Workflow"]["properties"]["custom_labels"] = {"$ref": "#/components/schemas/CustomLabels"}
    workflow = found["Workflow"]
    found["ListedWorkflow"] = {**workflow, "required": [m for m in workflow["required"] if m != "content"]}
    return _unshared(found)


def _is_always(name: str, member: str, asked: Node) -> bool:
    made = ("id", "workflow_id", "is_latest_version", "created_at", "updated_at")
    return member in asked["required"] or member in _ALWAYS[name] or member in made


# Enumerations that have a name of their own in the document, so that a generated client has one type for each.
_ENUMS = {
    "EventOutcome": audit.AuditEventSchema._declared_fields["event_outcome"].choices,
    "NotificationChannel": audit.NotificationSchema._declared_fields["channel"].choices,
    "NotificationStatus": audit.NotificationSchema._declared_fields["status"].choices,
    "WorkflowStatus": STATUSES,
    "WorkflowSeverity": SEVERITIES,
    "WorkflowPriority": PRIORITIES,
    "StoredSeverity": (*SEVERITIES, ANY),
    "StoredPriority": (*PRIORITIES, ANY),
    **{f"{name[0].upper()}{name[1:]}": values for name, values in LABEL_TOOLS.items()},
    "DetectedLabelName": (*FLAG_WEIGHTS, *CHOICE_WEIGHTS),
    "WorkflowInclude": ("content",),
    "DlqStreamName": STREAMS,
    "HoldState": STATES,
    "ProblemSlug": tuple(KINDS),
}


def _name_enums(node: Any) -> Any:
    """The node with every enumeration of _ENUMS replaced by a reference."""
    if isinstance(node, list):
        return [_name_enums(n) for n in node]
    if not isinstance(node, dict):
        return node
    for name, values in _ENUMS.items():
        if node.get("type") == "string" and node.get("enum") == list(values):
            rest = {k: v for k, v in node.items() if k not in ("type", "enum")}
            return {"$ref": f"#/components/schemas/{name}", **rest}
    return {k: _name_enums(v) for k, v in node.items()}


# --- the whole ---------------------------------------------------------------------------------------------------


def _describe(schemas: dict[str, Node], texts: Mapping[str, Mapping[str, Node]]) -> None:
    for name, members in texts.items():
        for member, node in members.items():
            if extra := node.keys() - {"description", "examples"}:
                raise ValueError(f"fields.yaml: {name}.{member} may not say {sorted(extra)}")
            schemas[name]["properties"][member].update(node)


def _in_feed(item: Node, record: Node) -> Node:
    """An item of the feed: the members of a record as lists have it, and those of its own."""
    own = item["properties"]
    members = {
        m: node for m, node in record["properties"].items() if m not in ("ignored", "ignored_more", *_OF_ONE_EVENT)
    }
    return {
        **item,
        "required": [*item["required"], *record["required"]],
        "properties": {"kind": own["kind"], **members, **{m: node for m, node in own.items() if m != "kind"}},
    }


def _problem_types(texts: Mapping[str, Node]) -> list[Node]:
    if texts.keys() != KINDS.keys():
        raise ValueError(f"problems.yaml and app/http/problems.py differ: {sorted(texts.keys() ^ KINDS.keys())}")
    types = []
    for slug, kind in KINDS.items():
        node: Node = {"slug": slug, "status": kind.status, "title": kind.title}
        if kind.retry_after is not None:
            node["retry_after"] = kind.retry_after
        types.append(node | {"meaning": texts[slug]["meaning"], "action": texts[slug]["action"]})
    return types


def _examples(texts: Mapping[str, Node]) -> dict[str, Node]:
    found = {}
    for slug, kind in KINDS.items():
        body = {"type": f"https://kubernaut.ai/problems/{slug}", "title": kind.title, "status": kind.status}
        found[slug] = {"summary": kind.title, "value": body | texts[slug]["example"]}
    return found


def _error(status: int, slugs: list[str], texts: Mapping[str, Node]) -> Node:
    """One error response: the problems of one status that an operation can have."""
    headers = {"X-Request-ID": {"$ref": "#/components/headers/XRequestId"}}
    said = [KINDS[slug].retry_after is not None for slug in slugs]
    if any(said):
        headers["Retry-After"] = {"$ref": f"#/components/headers/{'RetryAfter' if all(said) else 'MayRetryAfter'}"}
    if status in (401, 403):
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/WWWAuthenticate"}
    if status == 415:
        headers["Accept-Encoding"] = {"$ref": "#/components/headers/AcceptEncoding"}
    if status == 429:
        headers["RateLimit"] = {"$ref": "#/components/headers/RateLimit"}
        headers["RateLimit-Policy"] = {"$ref": "#/components/headers/RateLimitPolicy"}
    if status == 405:
        headers["Allow"] = {"$ref": "#/components/headers/Allow"}
    return {
        "description": "\n".join(f"- `{slug}`: {texts[slug]['meaning']}" for slug in slugs) + "\n",
        "x-problem-types": slugs,
        "headers": headers,
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {slug: {"$ref": f"#/components/examples/{slug}"} for slug in slugs},
            }
        },
    }


def _shared_name(slug: str) -> str:
    return slug.replace("_", "-").title().replace("-", "")


def _shared_errors(texts: Mapping[str, Node]) -> dict[str, Node]:
    """Error responses that have one kind of problem, for operations to refer to."""
    return {_shared_name(slug): _error(kind.status, [slug], texts) for slug, kind in KINDS.items()}


def _finish(operation: Node, texts: Mapping[str, Node], *, of_api: bool) -> None:
    """Add what the source leaves to the rules: security, error responses, X-Request-ID, and ``strict`` in the API."""
    slugs = set(operation.pop("problems")) | {"internal-error"}
    if of_api:
        slugs |= {"validation-error", "rate-limit-exceeded"}
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/Strict"})
    if scope := operation.get("x-required-scope"):
        slugs |= {"unauthorized", "forbidden"}
        operation["security"] = [{"bearerAuth": [scope]}]
    else:
        operation["security"] = []
    for response in operation["responses"].values():
        headers = response.get("headers", {})
        response["headers"] = {"X-Request-ID": {"$ref": "#/components/headers/XRequestId"}, **headers}
    by_status: dict[int, list[str]] = {}
    for slug, kind in KINDS.items():
        if slug in slugs:
            by_status.setdefault(kind.status, []).append(slug)
    for status, of_status in by_status.items():
        if len(of_status) == 1:
            error = {"$ref": f"#/components/responses/{_shared_name(of_status[0])}"}
        else:
            error = _error(status, of_status, texts)
        if str(status) in operation["responses"]:
            raise ValueError(f"{operation['operationId']}: {status} is both an answer and a problem")
        operation["responses"][str(status)] = error


def _source(name: str) -> Node:
    # The loader in C takes a tenth of the time, where libyaml is there.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (FOLDER / "source" / f"{name}.yaml").read_text(encoding="utf-8")
    return _unshared(yaml.load(text, Loader=loader))


def _unshared(node: Node) -> Node:
    """A copy in which nothing is one object in two places: what is added here must not show there."""
    copied: Node = json.loads(json.dumps(node))
    return copied


def build() -> Node:
    """The whole document."""
    document = _source("info")
    problems = _source("problems")
    texts = problems["problems"]
    schemas: dict[str, Node] = request_schemas()
    schemas |= response_schemas(schemas)
    # By a name of its own: an instance that has a list shows that there.
    members = schemas["AuditEventRequest"]["properties"]
    schemas["EventCategory"] = members["event_category"]
    members["event_category"] = {"$ref": "#/components/schemas/EventCategory"}
    paths: dict[str, Node] = {}
    parameters: dict[str, Node] = document["components"]["parameters"]
    for part in ("audit", "feed", "export", "workflows", "log", "dlq", "holds", "health", "meta"):
        source = _source(part)
        paths |= source["paths"]
        schemas |= source.get("schemas", {})
        parameters |= source.get("parameters", {})
    for name in ("Notification", "Workflow"):
        # There only in the answer to the request that had them.
        said = _unshared(schemas["NotificationAccepted"]["properties"])
        schemas[name]["properties"] |= {m: said[m] for m in ("ignored", "ignored_more")}
    _describe(schemas, _source("fields"))
    for name, record in (("FeedEvent", "AuditEvent"), ("FeedNotification", "Notification")):
        schemas[name] = _in_feed(schemas[name], schemas[record])
    schemas |= problems["schemas"]
    schemas["Problem"]["properties"]["type"]["pattern"] = f"/({'|'.join(KINDS)})$"
    for path, item in paths.items():
        for method in METHODS:
            if method in item:
                _finish(item[method], texts, of_api=path.startswith("/api/"))
    document["paths"] = _name_enums(paths)
    components = document.pop("components")
    components["parameters"] = _name_enums(parameters)
    named = {name: {"type": "string", "enum": list(values)} for name, values in _ENUMS.items()}
    components["schemas"] = dict(sorted((_name_enums(schemas) | named).items()))
    components["responses"] = _shared_errors(texts)
    components["examples"] = _examples(texts)
    document["components"] = components
    document["x-problem-types"] = _problem_types(texts)
    return document


class _Plain(yaml.SafeDumper):
    """Without anchors, and long texts as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _string)


def text() -> str:
    """The document as it is committed."""
    head = "# Made by `make openapi`: edit api/openapi/source/ and the schemas in app/, not this file.\n"
    return head + yaml.dump(build(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def main() -> int:
    """Write the document; exit code 1 with --check if the committed one differs."""
    made = text()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") == made:
            return 0
        print(f"{TARGET.name} is stale: run `make openapi` and commit it", file=sys.stderr)
        return 1
    TARGET.write_text(made, encoding="utf-8")
    print(f"wrote {TARGET.relative_to(FOLDER.parent.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
