"""The committed API document against the code it speaks of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from app.http.problems import KINDS
from scripts import openapi

METHODS = openapi.METHODS
COMMITTED = openapi.TARGET.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.load(COMMITTED, Loader=yaml.CSafeLoader)
REGISTRY: Registry[Any] = Registry().with_resource("doc:", Resource(DOCUMENT, DRAFT202012))
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The node itself, or the one that it refers to."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def check(schema: dict[str, Any], value: Any, where: str) -> None:
    pointed = json.loads(json.dumps(schema, default=str).replace("#/components", "doc:#/components"))
    validator = jsonschema.Draft202012Validator(pointed, registry=REGISTRY, format_checker=FORMATS)
    faults = [f"{where}: {e.json_path}: {e.message}" for e in validator.iter_errors(value)]
    assert not faults, "\n".join(faults)


def test_the_committed_document_is_what_the_code_gives() -> None:
    assert openapi.text() == COMMITTED, "run `make openapi` and commit what it writes"


def test_it_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_stale_when_a_limit_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    field = openapi.audit.AuditEventSchema._declared_fields["version"]
    monkeypatch.setattr(field, "high", 21)
    made, committed = (d["components"]["schemas"]["AuditEventRequest"] for d in (openapi.build(), DOCUMENT))
    assert made["properties"].pop("version")["maxLength"] == 21
    assert committed["properties"]["version"]["maxLength"] == 20
    assert made["properties"] == {k: v for k, v in committed["properties"].items() if k != "version"}


def test_a_field_without_a_form_in_the_document_stops_the_making(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(openapi.fields.Field[str]):
        pass

    monkeypatch.setitem(openapi.audit.NotificationSchema._declared_fields, "more", Own())
    with pytest.raises(TypeError, match="Own has no form"):
        openapi.build()


def test_every_kind_of_problem_is_explained() -> None:
    explained = {t["slug"]: t for t in DOCUMENT["x-problem-types"]}
    assert list(explained) == list(KINDS)
    for slug, kind in KINDS.items():
        said = explained[slug]
        assert (said["status"], said["title"], said.get("retry_after")) == (kind.status, kind.title, kind.retry_after)
        assert said["meaning"].endswith(".")
        assert said["action"].endswith(".")


def test_each_error_response_names_kinds_of_its_status() -> None:
    named = set()
    for path, method, operation in operations():
        for status, response in operation["responses"].items():
            response = resolved(response)
            if "application/problem+json" not in response.get("content", {}):
                continue
            slugs = response["x-problem-types"]
            named.update(slugs)
            assert {KINDS[slug].status for slug in slugs} == {int(status)}, (path, method, status)
            waits = any(KINDS[slug].retry_after for slug in slugs)
            assert ("Retry-After" in response["headers"]) == waits, (path, method, status)
    # A wrong method meets no operation, and broken HTTP names none.
    broken = {"expectation-failed", "request-headers-too-large", "unsupported-transfer-coding"}
    assert KINDS.keys() - named == {"method-not-allowed", *broken}


def test_every_operation_of_the_api_may_be_refused_for_its_rate() -> None:
    for path, method, operation in operations():
        limited = "429" in operation["responses"]
        assert limited == path.startswith("/api/v1/"), f"{method} {path}"
        if limited:
            headers = resolved(operation["responses"]["429"])["headers"]
            assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= headers.keys()


def test_every_operation_says_what_a_client_needs() -> None:
    ids = [o["operationId"] for _, _, o in operations()]
    assert len(set(ids)) == len(ids)
    tags = {t["name"] for t in DOCUMENT["tags"]}
    scopes = {"audit:write", "audit:read", "workflows:read", "workflows:write", "dlq:admin", "holds:admin", "metrics"}
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert operation["operationId"].isidentifier(), where
        assert operation["operationId"].islower(), where
        assert set(operation["tags"]) <= tags, where
        assert operation["summary"], where
        assert operation["description"], where
        scope = operation.get("x-required-scope")
        assert operation["security"] == ([{"bearerAuth": [scope]}] if scope else []), where
        assert scope is None or scope in scopes, where
        assert (scope is not None) == ({"401", "403"} <= operation["responses"].keys()), where
        for response in operation["responses"].values():
            assert "X-Request-ID" in resolved(response)["headers"], where


def test_every_example_fits_its_schema() -> None:
    seen = 0
    for path, method, operation in operations():
        bodies = [operation.get("requestBody", {}), *map(resolved, operation["responses"].values())]
        for body in bodies:
            for media in body.get("content", {}).values():
                for name, example in media.get("examples", {}).items():
                    check(media["schema"], resolved(example)["value"], f"{method} {path} {name}")
                    seen += 1
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for member, node in schema.get("properties", {}).items():
            for example in node.get("examples", ()):
                check(node, example, f"{name}.{member}")
                seen += 1
    assert seen > 100


def test_every_link_names_an_operation_and_its_parameters() -> None:
    found = {o["operationId"]: (DOCUMENT["paths"][path], o) for path, _, o in operations()}
    seen = 0
    for _, _, operation in operations():
        for response in operation["responses"].values():
            for link in resolved(response).get("links", {}).values():
                item, target = found[link["operationId"]]
                parameters = [resolved(p) for p in (*item.get("parameters", ()), *target.get("parameters", ()))]
                names = {p["name"] for p in parameters}
                assert {name.rpartition(".")[2] for name in link["parameters"]} <= names, link
                seen += 1
    assert seen > 20


def test_the_source_is_small_enough_to_read() -> None:
    for path in Path(openapi.FOLDER / "source").glob("*.yaml"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 600, path.name
