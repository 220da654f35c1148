"""What is served of the API document, and that it speaks of exactly the routes that there are."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from app import create_app
from app.auth.authorizer import SCOPE_OF, is_open
from app.config.settings import AuditSettings, ServerSettings, Settings
from app.http.problems import KINDS
from app.openapi import document, routes
from tests.unit.fakes import FakeConnection, make_client, make_services
from tests.unit.openapi.test_document import COMMITTED, DOCUMENT, operations, resolved


@pytest.fixture(scope="module")
def client() -> Any:
    return make_client(make_services())


def test_the_document_has_exactly_the_routes_of_the_service() -> None:
    app = create_app(Settings(), make_services())
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(path, method) for path, method, _ in operations()}


def test_scopes_are_those_that_are_asked_for() -> None:
    asked = {(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule), method): scope for (method, rule), scope in SCOPE_OF.items()}
    asked["/metrics", "GET"] = "metrics"  # where a setting protects them
    said = {(path, m.upper()): o["x-required-scope"] for path, m, o in operations() if "x-required-scope" in o}
    assert said == asked
    for path, _, operation in operations():
        assert operation["security"] or is_open(path), path


def test_every_path_parameter_is_described() -> None:
    for path, method, operation in operations():
        parameters = [
            resolved(p) for p in (*DOCUMENT["paths"][path].get("parameters", ()), *operation.get("parameters", ()))
        ]
        named = {p["name"] for p in parameters if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), f"{method} {path}"


def test_json_and_yaml_are_the_committed_document(client: Any) -> None:
    as_yaml, as_json = client.get("/openapi.yaml"), client.get("/openapi.json")
    assert (as_yaml.status_code, as_yaml.content_type) == (200, "application/yaml")
    assert (as_json.status_code, as_json.content_type) == (200, "application/json")
    assert as_yaml.text == COMMITTED
    assert as_json.json == DOCUMENT


@pytest.mark.parametrize("path", ["/openapi.json", "/openapi.yaml", "/docs/assets/docs.js"])
def test_a_copy_that_is_still_right_is_not_sent_again(client: Any, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_an_instance_shows_its_own_settings() -> None:
    settings = Settings(
        audit=AuditSettings(event_categories=("billing", "workflow"), max_batch_size=7),
        server=ServerSettings(problem_base_url="https://storage.example/problems/"),
    )
    client = make_client(make_services(settings))
    shown = client.get("/openapi.json").json
    assert yaml.load(client.get("/openapi.yaml").data, Loader=yaml.CSafeLoader) == shown
    assert shown["components"]["schemas"]["EventCategory"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 50,
        "anyOf": [{"enum": ["billing", "workflow"]}, {"pattern": r"^datastorage\.[a-z0-9._-]+$"}],
    }
    assert shown["components"]["schemas"]["AuditEventBatch"]["maxItems"] == 7
    example = shown["components"]["examples"]["conflict"]["value"]
    assert example["type"] == "https://storage.example/problems/conflict"
    # Nothing else differs.
    shown["components"] = DOCUMENT["components"]
    assert shown == DOCUMENT


def test_making_the_app_does_not_read_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "PATH", document.PATH.with_name("missing.yaml"))
    assert make_client(make_services()).get("/health/live").status_code == 200


@pytest.mark.parametrize("slug", KINDS)
def test_every_kind_of_problem_has_a_page(client: Any, slug: str) -> None:
    page = client.get(f"/problems/{slug}")
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert KINDS[slug].title in page.text
    assert str(KINDS[slug].status) in page.text
    assert "`" not in page.text
    assert not re.search("https?:", page.text.replace("https://kubernaut.ai/problems/", ""))


def test_an_unknown_kind_of_problem_is_a_problem(client: Any) -> None:
    answer = client.get("/problems/no-such")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_the_page_loads_only_what_is_here(client: Any) -> None:
    page = client.get("/docs")
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) > 5
    for address in loaded:
        assert client.get("/" + address).status_code == 200, address


def test_every_asset_is_served_and_documented(client: Any) -> None:
    [parameter] = [p for p in DOCUMENT["paths"]["/docs/assets/{name}"]["get"]["parameters"] if p["in"] == "path"]
    assert set(parameter["schema"]["enum"]) == routes._assets().keys()
    documented = DOCUMENT["paths"]["/docs/assets/{name}"]["get"]["responses"]["200"]["content"]
    for name in routes._assets():
        answer = client.get(f"/docs/assets/{name}")
        assert answer.status_code == 200
        assert answer.mimetype in documented
        assert len(answer.data) > 100
    assert client.get("/docs/assets/swagger-ui.js").status_code == 404
    assert client.get("/docs/assets/..%2F__init__.py").status_code == 404


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", "//", "a\nb", "latest", "a/versions"])
def test_any_name_can_be_asked_for(name: str) -> None:
    services = make_services()
    services.reader.read = lambda read: read(FakeConnection())  # type: ignore[assignment,method-assign]
    client = make_client(services)
    answer = client.get(f"/api/v1/workflows/by-name/{quote(name, safe='')}/versions")
    assert answer.json == {"workflow_name": name, "versions": [], "total": 0, "has_more": False, "next_cursor": None}


@pytest.mark.parametrize("path", ["/api/v1/audit/events/batch", "/api/v1/workflows/batch", "/api/v1/workflows/search"])
def test_the_name_of_another_path_is_no_id(client: Any, path: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST"), method
    assert set(client.options(path).headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


@pytest.mark.parametrize("value", ["", "1", "True", "yes"])
def test_explain_is_true_or_false(client: Any, value: str) -> None:
    labels = {"signal_type": "OOMKilled", "severity": "high", "component": "pod", "environment": "e", "priority": "P0"}
    answer = client.post("/api/v1/workflows/search", json={"filters": labels}, query_string={"explain": value})
    assert answer.status_code == 400
    assert answer.json["field_errors"] == {"explain": "must be true or false"}


def test_what_is_wrong_outside_the_body_and_in_it_is_said_at_once(client: Any) -> None:
    answer = client.post("/api/v1/workflows/search", json={"top_k": 0}, query_string={"explain": "maybe"})
    assert answer.status_code == 400
    assert answer.json["field_errors"].keys() == {"explain", "filters", "top_k"}
