"""Unknown query parameters: refused by every route of the API, named with the nearest known one, in bounded answers."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote, urlencode

import flask
import pytest

from app import create_app
from app.audit.outcome import WriteRequest
from app.auth.read_limits import EVERYTHING
from app.config.settings import APISettings, AuthSettings, Settings
from app.http.parameters import STRICT, declared_of
from app.telemetry import metrics
from scripts import openapi
from tests.tokens import entry, write_tokens
from tests.unit.fakes import NOW, UUID_1, make_client, make_services
from tests.unit.http.helpers import problem_of

API = "/api/v1/"
APP = create_app(Settings(), make_services())
ROUTES = sorted(
    (method, rule.rule, rule.endpoint)
    for rule in APP.url_map.iter_rules()
    if rule.rule.startswith(API)
    for method in (rule.methods or set()) - {"OPTIONS"}
)
PARTS = {
    "<event_id>": UUID_1,
    "<workflow_id>": UUID_1,
    "<path:name>": "some/name",
    "<hold_id>": UUID_1,
    "<letter_id>": "events:1-1",
    "<notification_id>": "1",
    "<index>": "0",
    "<level>": "0",
    "<path:tile>": "000",
}
# What a route cannot do without.
NEEDED = {"/api/v1/log/consistency": "from=0&"}
EVENTS = "/api/v1/audit/events"


class Unreadable(io.RawIOBase):
    """A request body that must not be read."""

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("the body was read")


def path_of(rule: str) -> str:
    for part, value in PARTS.items():
        rule = rule.replace(part, value)
    assert "<" not in rule, "name a value of it in PARTS"
    return rule


def asked(client: flask.testing.FlaskClient, method: str, path: str, query: str, **keywords: Any) -> Any:
    environ = {"wsgi.input": Unreadable(), "CONTENT_LENGTH": "5", "CONTENT_TYPE": "application/json"}
    return client.open(path, method=method, query_string=query, environ_overrides=environ, **keywords)


def refused(answer: Any) -> dict[str, str]:
    return dict(problem_of(answer, 400, "validation-error")["field_errors"])


def counted() -> float:
    return metrics.VALIDATION_FAILURES.labels("query", "invalid")._value.get()  # type: ignore[no-any-return]


@pytest.mark.parametrize(("method", "rule", "endpoint"), ROUTES)
def test_every_route_refuses_what_it_does_not_take(
    client: flask.testing.FlaskClient, method: str, rule: str, endpoint: str
) -> None:
    before = counted()
    answer = asked(client, method, path_of(rule), NEEDED.get(rule, "") + "bogus=1&xyz=")
    assert answer.status_code == 400
    assert counted() == before + 2
    if method != "HEAD":
        wrong = "is not a parameter of this request"
        assert refused(answer) == {"bogus": wrong, "xyz": wrong}


@pytest.mark.parametrize(("method", "rule", "endpoint"), [r for r in ROUTES if r[0] != "HEAD"])
def test_every_route_names_the_parameter_that_was_meant(
    client: flask.testing.FlaskClient, method: str, rule: str, endpoint: str
) -> None:
    for name in {*declared_of(APP.view_functions[endpoint]).names, STRICT}:
        for near in (name[:-1], name + "s", name.upper(), name.replace("_", "-") + "_"):
            answer = asked(client, method, path_of(rule), NEEDED.get(rule, "") + f"{near}=1")
            assert refused(answer) == {near: f"is not a parameter of this request; did you mean {name}?"}


@pytest.mark.parametrize(("method", "rule", "endpoint"), [r for r in ROUTES if r[0] != "HEAD"])
def test_the_document_has_the_parameters_that_the_route_takes(method: str, rule: str, endpoint: str) -> None:
    document = openapi.build()
    converted = rule.replace("<path:", "<").replace("<", "{").replace(">", "}")
    found = set()
    item = document["paths"][converted]
    for node in (*item.get("parameters", ()), *item[method.lower()].get("parameters", ())):
        parameter = document["components"]["parameters"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        if parameter["in"] == "query":
            found.add(parameter["name"])
    assert found == {*declared_of(APP.view_functions[endpoint]).names, STRICT}


def test_a_route_without_a_declaration_takes_none() -> None:
    services = make_services()
    app = create_app(services.settings, services)

    @app.get("/api/v1/new")
    def new() -> str:
        return flask.request.args.get("name", "")

    client = app.test_client()
    assert client.get("/api/v1/new").status_code == 200
    assert refused(client.get("/api/v1/new?name=x")) == {"name": "is not a parameter of this request"}


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live", "/metrics", "/docs", "/openapi.json"])
def test_other_paths_take_anything(client: flask.testing.FlaskClient, path: str) -> None:
    assert client.get(f"{path}?bogus=1").status_code == 200


def test_nothing_there_and_options_are_answered_as_ever(client: flask.testing.FlaskClient) -> None:
    assert client.get("/api/v1/nothing?bogus=1").status_code == 404
    assert client.delete(f"{EVENTS}?bogus=1").status_code == 405
    assert client.options(f"{EVENTS}?bogus=1").status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "wrong"),
    [
        (EVENTS, "limit=0&event_outcome=x", {"limit", "event_outcome"}),
        ("/api/v1/audit/notifications", "limit=0&channel=x", {"limit", "channel"}),
        ("/api/v1/workflows", "limit=0&latest=x", {"limit", "latest"}),
        ("/api/v1/workflows/by-name/a/b/versions", "limit=0&include=x", {"limit", "include"}),
        ("/api/v1/dlq/dead-letters", "limit=0&stream=x", {"limit", "stream"}),
    ],
)
def test_one_answer_names_everything_that_is_wrong(
    client: flask.testing.FlaskClient, path: str, query: str, wrong: set[str]
) -> None:
    body = problem_of(client.get(f"{path}?{query}&bogus=1&strict=maybe"), 400, "validation-error")
    assert body["field_errors"].keys() == {*wrong, "bogus", "strict"}
    assert all(name in body["detail"] for name in body["field_errors"])


def test_a_search_says_what_is_wrong_with_explain_too(client: flask.testing.FlaskClient) -> None:
    answer = asked(client, "POST", "/api/v1/workflows/search", "explain=x&explian=true")
    assert refused(answer) == {
        "explian": "is not a parameter of this request; did you mean explain?",
        "explain": "must be true or false",
    }


def test_a_write_that_is_refused_keeps_nothing() -> None:
    def write(request: WriteRequest) -> None:
        raise AssertionError("was handed to the write path")

    client = make_client(make_services(outcome=write))
    for path in (EVENTS, EVENTS + "/batch", "/api/v1/audit/notifications"):
        assert refused(asked(client, "POST", path, "dry_run=true")) == {"dry_run": "is not a parameter of this request"}


@pytest.mark.parametrize("setting", [True, False])
def test_one_request_may_ask_for_the_other(setting: bool) -> None:
    client = make_client(make_services(Settings(api=APISettings(strict_parameters=setting))))
    assert asked(client, "GET", f"{EVENTS}/x", "bogus=1").status_code == (400 if setting else 404)
    assert asked(client, "GET", f"{EVENTS}/x", "bogus=1&strict=false").status_code == 404
    assert asked(client, "GET", f"{EVENTS}/x", "bogus=1&strict=true").status_code == 400
    assert asked(client, "GET", f"{EVENTS}/x", "bogus=1&strict=true&strict=false").status_code == 400
    assert refused(asked(client, "GET", f"{EVENTS}/x", "strict=1")) == {"strict": "must be true or false"}


def test_the_caller_is_known_first(tmp_path: Any) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", entry("reader", "reader", "audit:read"))
    client = make_client(make_services(Settings(auth=AuthSettings(mode="token", tokens_file=str(tokens)))))
    for headers, status in ((None, 401), ({"Authorization": "Bearer reader"}, 403)):
        assert asked(client, "POST", EVENTS, "bogus=1", headers=headers).status_code == status


def test_an_answer_names_twenty_and_counts_the_rest(
    client: flask.testing.FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for: list[str] = []
    monkeypatch.setattr("difflib.get_close_matches", lambda name, *_, **__: looked_for.append(name) or [])
    query = "&".join(f"p{n}" for n in range(1000))
    body = problem_of(client.get(f"{EVENTS}?{query}"), 400, "validation-error")
    assert list(body["field_errors"]) == [f"p{n}" for n in range(20)]
    assert body["detail"].endswith("; and 980 more that are none")
    assert len(looked_for) == 20


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 8000, "x" * 64 + "…"),
        ("x" * 64, "x" * 64),
        ("", ""),
        ("ü", "ü"),
        ("a\nb\x1b[31m", "a\\u000ab\\u001b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("\0" * 64, ("\\u0000" * 11)[:64] + "…"),
        ("<script>", "<script>"),
    ],
)
def test_a_name_is_shown_cut_and_printable(client: flask.testing.FlaskClient, name: str, shown: str) -> None:
    answer = client.get(f"{EVENTS}?{urlencode({name: '1'})}")
    [(said, _)] = refused(answer).items()
    assert said == shown
    assert len(answer.data) < 1500


def test_a_name_that_is_no_text_is_shown_as_it_came(client: flask.testing.FlaskClient) -> None:
    assert list(refused(client.get(f"{EVENTS}?{quote(b'a' + bytes([0xFF]))}=1"))) == ["a%FF"]


class Recorded(dict[str, str]):
    """No parameters, and which were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return default


def test_what_is_declared_is_what_is_read() -> None:
    from app.audit import filters
    from app.workflows import filters as workflow_filters

    for names, read in (
        (filters.EVENT_PARAMETERS, lambda given, now: filters.event_query(given, now, EVERYTHING)),
        (filters.NOTIFICATION_PARAMETERS, lambda given, now: filters.notification_query(given, now, EVERYTHING)),
        (workflow_filters.LIST_PARAMETERS, workflow_filters.list_query),
        (workflow_filters.VERSIONS_PARAMETERS, lambda given, now: workflow_filters.versions_query(given, now, "x")),
    ):
        given = Recorded()
        read(given, NOW)
        assert given.asked == set(names)
        assert len(set(names)) == len(names)


def test_the_detail_names_the_nearest(client: flask.testing.FlaskClient) -> None:
    body = json.loads(client.get(f"{EVENTS}?evnt_category=gateway").data)
    assert body["detail"] == "evnt_category: is not a parameter of this request; did you mean event_category?"
