"""Every principal × the export: what comes is what the lists give, and nothing in it counts the records of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from datastorage_common.times import rfc3339
from werkzeug.test import TestResponse

from tests.integration.service import BATCH, NOTIFICATIONS, NOW, Service, problem, running
from tests.integration.test_read_limits import FORMS, data_of_several_teams, listed, placed
from tests.read_limits import LIMITS, NARROW, bearer, named_principals
from tests.support import PostgresServer, notification

EXPORT = "/api/v1/audit/export"
BOTH = "audit_event,notification"
Rows = list[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("unhurried_feed")


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """Events of several teams, and a notification behind them."""
    quiet = {"record_service": False, "record_access": False}
    with named_principals(), running(postgres, template, audit=quiet) as s:
        assert s.post(data_of_several_teams(), BATCH, headers=bearer("unlimited")).status_code == 201
        told = notification(notification_id="n-1", sent_at=rfc3339(NOW))
        assert s.post(told, NOTIFICATIONS, headers=bearer("unlimited")).status_code == 201
        placed(s)
        yield s


def ask(service: Service, who: str, **parameters: Any) -> TestResponse:
    return service.client.get(EXPORT, query_string=parameters, headers=bearer(who), buffered=True)


def exported(service: Service, who: str, **parameters: Any) -> Rows:
    answer = ask(service, who, **parameters)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.data.splitlines()]


@pytest.fixture(scope="module")
def whole(service: Service) -> Rows:
    """Everything, in the order of the log."""
    return exported(service, "unlimited", kinds=BOTH)


@pytest.mark.parametrize("who", LIMITS)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f"{k}={v}" for k, v in f.items()) or "all")
def test_each_filter(service: Service, whole: Rows, who: str, form: dict[str, str]) -> None:
    rows = {(r["event_id"], r["event_date"]): r for r in listed(service, who, limit=1000, **form)["data"]}
    order = [(row.get("event_id"), row.get("event_date")) for row in whole]
    expected = [{"kind": "audit_event", **rows[key]} for key in order if key in rows]
    assert len(expected) == len(rows)
    assert exported(service, who, **form) == expected


@pytest.mark.parametrize("who", NARROW)
def test_no_answer_says_how_much_there_is(service: Service, whole: Rows, who: str) -> None:
    answers = [ask(service, who) for _ in range(2)]
    assert not [name for name in answers[0].headers if "Range" in name]
    ends = {answer.headers["Datastorage-Export-Before"] for answer in answers}
    assert len(ends) == 2, "nor can it be told by comparing"
    assert all(row.get("log_index") is None for row in exported(service, who, kinds=BOTH))
    for name in ("after", "before"):
        found = problem(ask(service, who, **{name: "3"}), 400, "validation-error", EXPORT)
        assert found["field_errors"].keys() == {name}


@pytest.mark.parametrize("who", LIMITS)
def test_a_record_that_may_not_be_read_is_no_place(service: Service, whole: Rows, who: str) -> None:
    """It is refused in the words for one that is not there, byte for byte."""
    mine = exported(service, who, kinds=BOTH)
    unknown = ask(service, who, after="2026-01-05/00000000-0000-7000-8000-000000000000")
    problem(unknown, 400, "validation-error", EXPORT)
    for row in whole:
        named = f"{row['event_date']}/{row['event_id']}" if "event_id" in row else f"notification/{row['id']}"
        answer = ask(service, who, kinds=BOTH, after=named)
        at = next((n for n, other in enumerate(mine) if same(other, row)), None)
        if at is not None:
            assert [json.loads(line) for line in answer.data.splitlines()] == mine[at + 1 :]
        else:
            assert (answer.status_code, answer.data) == (400, unknown.data)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    names = ("kind", "event_id", "event_date", "id")
    return [one.get(name) for name in names] == [other.get(name) for name in names]


@pytest.mark.parametrize("who", LIMITS)
def test_it_says_for_whom_it_takes_the_caller(service: Service, who: str) -> None:
    assert ask(service, who).headers["Datastorage-Principal"] == who
