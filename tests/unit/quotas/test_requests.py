"""What is counted of a request, in which order, and what its answer says of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import flask
import pytest

from app.audit.outcome import Stored, WriteRequest
from app.cli.token import append, entry_text
from app.config.settings import AuthSettings, LimitsSettings, ServerSettings, Settings
from app.http.environ import KEPT, PUT_ASIDE
from app.quotas.quota import REFUSED_SECONDS
from app.telemetry import metrics
from tests.unit.fakes import event, make_client, make_services, notification

EVENTS, BATCH = "/api/v1/audit/events", "/api/v1/audit/events/batch"
WRITER, READER = (f"dst_{name}-0123456789abcdefghijklmnopqrstuvwxyz" for name in "wr")
RATE_LIMIT = re.compile(r'"(principal|events|address)";r=\d+;t=\d+')


class Caller:
    """A client of an app with limits; the records that were handed to the write path."""

    def __init__(self, tmp_path: Path, *, auth: bool = True, trusted: tuple[str, ...] = (), **limits: str) -> None:
        self.written: list[int] = []
        tokens = tmp_path / "tokens.yaml"
        if auth:
            append(tokens, entry_text(WRITER, "writer", ("audit:write",), None))
            append(tokens, entry_text(READER, "reader", ("audit:read",), None))
        self.settings = Settings(
            auth=AuthSettings(mode="token", tokens_file=str(tokens)) if auth else AuthSettings(),
            limits=LimitsSettings(**limits),
            server=ServerSettings(trusted_proxies=trusted, cors_allowed_origins=("https://here.example",)),
        )
        self.services = make_services(self.settings, self.write)
        self.client = make_client(self.services)

    def write(self, request: WriteRequest) -> Stored:
        self.written.append(len(request.records))
        return Stored()

    def ask(
        self, method: str, path: str, body: Any = None, token: str | None = WRITER, address: str = "192.0.2.1",
        headers: dict[str, str] | None = None, **environ: Any,
    ) -> Any:  # fmt: skip
        sent = {**({} if token is None else {"Authorization": f"Bearer {token}"}), **(headers or {})}
        return self.client.open(
            path, method=method, headers=sent, data=json.dumps(body) if body is not None else None,
            content_type="application/json" if body is not None else None,
            environ_base={"REMOTE_ADDR": address}, environ_overrides=environ,
        )  # fmt: skip


def refused(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 429, answer.data
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    body = json.loads(answer.data)
    assert body["type"].endswith("/rate-limit-exceeded")
    return dict(body)


def test_requests_of_a_principal(tmp_path: Path) -> None:
    caller = Caller(tmp_path, principal_requests="2/minute")
    before = metrics.child(metrics.RATE_LIMITED, "principal")._value.get()
    first, second = (caller.ask("GET", "/api/v1/nothing") for _ in range(2))
    assert (first.status_code, second.status_code) == (404, 404)
    assert first.headers["RateLimit-Policy"] == '"principal";q=2;w=60'
    assert re.fullmatch(r'"principal";r=1;t=\d+', first.headers["RateLimit"])
    answer = caller.ask("GET", "/api/v1/nothing")
    assert refused(answer)["detail"] == (
        "too many requests of this principal: at most 2 are taken in 60 s - please retry"
    )
    assert answer.headers["RateLimit"].startswith('"principal";r=0;t=')
    assert answer.headers["X-Request-ID"]
    assert metrics.child(metrics.RATE_LIMITED, "principal")._value.get() == before + 1
    # Of another principal there is no word.
    assert caller.ask("GET", "/api/v1/nothing", token=READER).status_code == 404


def test_a_principal_without_the_scope_is_counted_too(tmp_path: Path) -> None:
    caller = Caller(tmp_path, principal_requests="2/minute")
    assert [caller.ask("GET", EVENTS).status_code for _ in range(3)] == [403, 403, 429]


def test_an_address_is_counted_before_it_is_known_who_asks(tmp_path: Path) -> None:
    caller = Caller(tmp_path, address_requests="2/minute", principal_requests="1/minute")
    answer = caller.ask("POST", EVENTS, token=None)
    assert (answer.status_code, answer.headers["RateLimit-Policy"]) == (401, '"address";q=2;w=60')
    both = caller.ask("GET", "/api/v1/nothing")
    assert both.headers["RateLimit-Policy"] == '"address";q=2;w=60, "principal";q=1;w=60'
    assert all(RATE_LIMIT.fullmatch(part) for part in both.headers["RateLimit"].split(", "))
    assert "address" in refused(caller.ask("GET", "/api/v1/nothing"))["detail"]
    assert "principal" in refused(caller.ask("GET", "/api/v1/nothing", address="192.0.2.2"))["detail"]


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/docs", "/metrics", "/openapi.json", "/problems/conflict"]
)
def test_what_is_no_api_is_never_refused(tmp_path: Path, path: str) -> None:
    caller = Caller(tmp_path, address_requests="1/minute", principal_requests="1/minute")
    answers = [caller.ask("GET", path) for _ in range(3)]
    assert not any(answer.status_code == 429 or "RateLimit" in answer.headers for answer in answers)


def test_events_and_notifications_count_and_a_batch_costs_its_number(tmp_path: Path) -> None:
    caller = Caller(tmp_path, principal_events="10/minute")
    one = event()
    answer = caller.ask("POST", EVENTS, one)
    assert (answer.status_code, answer.headers["RateLimit-Policy"]) == (201, '"events";q=10;w=60')
    assert caller.ask("POST", BATCH, [event() for _ in range(7)]).status_code == 201
    # All or nothing, and what a client got wrong costs nothing.
    assert caller.ask("POST", BATCH, [event(version="")] * 2).status_code == 400
    refused(caller.ask("POST", BATCH, [event() for _ in range(3)]))
    assert caller.ask("POST", EVENTS, one).status_code == 201
    assert caller.ask("POST", "/api/v1/audit/notifications", notification()).status_code in (201, 500)
    refused(caller.ask("POST", "/api/v1/audit/notifications", notification()))
    assert caller.written == [1, 7, 1, 1]


def test_a_batch_that_could_never_pass_is_told_so(tmp_path: Path) -> None:
    caller = Caller(tmp_path, principal_events="10/minute")
    answer = caller.ask("POST", BATCH, [event() for _ in range(11)])
    body = json.loads(answer.data)
    assert (answer.status_code, body["type"].rpartition("/")[2]) == (400, "batch-size-exceeded")
    assert body["detail"] == (
        "batch size 11 can never pass: at most 10 events and notifications of this principal are taken in 60 s"
        " - please send smaller batches"
    )
    assert body["max_batch_size"] == 10
    assert caller.written == []


def test_without_authentication_only_addresses_are_counted(tmp_path: Path) -> None:
    caller = Caller(
        tmp_path, auth=False, principal_requests="1/minute", principal_events="1/minute", address_requests="3/minute"
    )
    answers = [caller.ask("POST", EVENTS, event(), token=None) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"address";q=3;w=60'


def test_a_request_that_is_asked_for_twice_counts_once(tmp_path: Path) -> None:
    caller = Caller(tmp_path, principal_requests="1/minute", address_requests="1/minute", principal_events="1/minute")
    kept: dict[str, Any] = {}
    body = event()
    # The first time the body has not come: where it is read, the worker unwinds the application.
    assert caller.ask("POST", EVENTS, **{KEPT: kept}).status_code == 400
    answer = caller.ask("POST", EVENTS, body, **{KEPT: kept})
    assert answer.status_code == 201
    assert answer.headers["RateLimit"].count("r=0") == 3
    assert refused(caller.ask("POST", EVENTS, body, **{KEPT: {}}))


def test_who_asks_too_often_is_put_aside_but_not_a_proxy_on_whose_connection_others_come(tmp_path: Path) -> None:
    caller = Caller(tmp_path, principal_requests="1/minute", trusted=("10.0.0.0/8",))
    found: list[Any] = []
    caller.client.application.after_request(
        lambda response: (found.append(flask.request.environ.get(PUT_ASIDE)), response)[1]
    )
    caller.ask("GET", "/api/v1/nothing")
    caller.ask("GET", "/api/v1/nothing")
    for headers in ({"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "10.1.1.1"}, {"X-Forwarded-For": "?"}, {}):
        caller.ask("GET", "/api/v1/nothing", address="10.1.1.1", headers=headers)
    assert found == [None, REFUSED_SECONDS, None, None, None, None]


@pytest.mark.parametrize("path", ["//api/v1/audit/events", "///api/v1/nothing"])
def test_slashes_in_front_of_a_path_are_no_way_past_a_limit(tmp_path: Path, path: str) -> None:
    caller = Caller(tmp_path, address_requests="2/minute", principal_requests="1/minute")
    answers = [caller.ask("GET", "/", PATH_INFO=path, token=READER) for _ in range(3)]
    assert answers[0].status_code != 429
    assert [refused(answer)["detail"].partition(":")[0] for answer in answers[1:]] == [
        "too many requests of this principal",
        "too many requests from this address",
    ]


def test_a_page_of_another_origin_may_read_the_fields(tmp_path: Path) -> None:
    caller = Caller(tmp_path, principal_requests="1/minute")
    answer = caller.ask("GET", "/api/v1/nothing", headers={"Origin": "https://here.example"})
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)


def test_without_a_limit_nothing_is_in_the_way(tmp_path: Path) -> None:
    plain = Caller(tmp_path, auth=False)
    assert (plain.services.quotas, plain.services.admit_events) == (None, None)
    code = "import sys, app.wsgi; sys.exit('limits' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
