"""Each request is held to what its principal may read, and to nothing where that is not known."""

from __future__ import annotations

import dataclasses

import flask
import pytest

from app import create_app
from app.audit.outcome import Stored
from app.auth.authorizer import SCOPE_OF, UNLIMITED_SCOPES, read_limits
from app.auth.principal import SCOPES
from app.auth.read_limits import EVERYTHING, MAX_VALUES, NOTHING
from app.config.settings import AuthSettings, Settings
from app.telemetry import metrics
from tests.read_limits import LIMITS, NARROW, bearer, named_principals, within
from tests.unit.fakes import make_services

PROTECTED = Settings(auth=AuthSettings(protect_metrics=True))
HUGE = within({f"team-{n}" for n in range(MAX_VALUES + 1)})


@pytest.fixture(scope="module")
def app() -> flask.Flask:
    with named_principals(huge=HUGE, many_categories=within(None, {f"category-{n}" for n in range(MAX_VALUES + 1)})):
        return create_app(PROTECTED, make_services(PROTECTED, Stored()))


@pytest.mark.parametrize("who", LIMITS)
def test_a_request_has_the_limits_of_its_principal(app: flask.Flask, who: str) -> None:
    with app.test_request_context("/api/v1/audit/events", headers=bearer(who)):
        assert app.preprocess_request() is None
        assert read_limits() == LIMITS[who]


def test_what_was_not_authorized_may_read_nothing(app: flask.Flask) -> None:
    with app.test_request_context("/api/v1/audit/events"):
        assert read_limits() is NOTHING
    with app.test_request_context("/health/live", headers=bearer("unlimited")):
        app.preprocess_request()
        assert read_limits() is NOTHING


def test_an_app_that_asks_nobody_shows_everything_to_everybody() -> None:
    anonymous = create_app(Settings(), make_services())
    with anonymous.test_request_context("/api/v1/audit/events"):
        assert read_limits() is EVERYTHING


@pytest.mark.parametrize("who", NARROW)
@pytest.mark.parametrize(
    ("method", "rule", "scope"), [(*key, scope) for key, scope in SCOPE_OF.items() if scope in UNLIMITED_SCOPES]
)
def test_scopes_that_need_reading_without_limits(
    app: flask.Flask, who: str, method: str, rule: str, scope: str
) -> None:
    before = metrics.AUTH_FAILURES.labels("read_limits")._value.get()
    answer = app.test_client().open(rule.replace("<letter_id>", "events:1-0"), method=method, headers=bearer(who))
    assert answer.status_code == 403
    assert answer.json["detail"] == f"the scope {scope} needs reading without limits"
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert metrics.AUTH_FAILURES.labels("read_limits")._value.get() == before + 1
    # Of the principal's own limits and of others' records nothing is shown.
    assert not any(text in answer.text for text in ("payments", "shop"))


def test_the_scopes_are_those_that_there_are() -> None:
    assert set(SCOPES) >= UNLIMITED_SCOPES
    assert "metrics" not in UNLIMITED_SCOPES, "it shows totals, which docs/security.md says"


@pytest.mark.parametrize("who", ["huge", "many_categories"])
def test_more_values_than_can_be_looked_up_are_refused(app: flask.Flask, who: str) -> None:
    client = app.test_client()
    for path in ("/api/v1/audit/events", "/api/v1/audit/notifications", "/metrics"):
        answer = client.get(path, headers=bearer(who))
        assert answer.status_code == 403
        assert f"{MAX_VALUES} namespaces and {MAX_VALUES} categories at the most" in answer.json["detail"]


def test_limits_at_their_bound_are_taken() -> None:
    assert HUGE.too_many
    assert not dataclasses.replace(HUGE, namespaces=frozenset(sorted(HUGE.namespaces or ())[1:])).too_many
    assert not EVERYTHING.too_many
