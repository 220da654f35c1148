"""The load scenarios: what they are made of, where they may go, and what makes a run fail."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from app.audit.event import AuditEvent
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.configuration import load_settings
from app.workflows import schemas
from loadtests import events, workflows
from loadtests.__main__ import how_far, main, queue_settings
from loadtests.report import build
from loadtests.scenarios import SCENARIOS
from loadtests.target import TargetError, check_answers, check_target
from tests.unit.stub_service import Canned, StubService


def test_events_are_valid_and_all_different() -> None:
    validator = Validator(AuditSettings(), lambda: datetime.now(UTC))
    made = [json.loads(body) for body in itertools.islice(events.bodies("unit"), 500)]
    for body in made:
        record = validator.event(body)
        assert isinstance(record, AuditEvent), record
    assert len({json.dumps(body["event_data"], sort_keys=True) for body in made}) == 500
    assert len({body["event_type"] for body in made}) > 30
    assert {body["correlation_id"] for body in made} == {f"unit-{n}" for n in range(125)}
    age = datetime.now(UTC) - datetime.fromisoformat(made[0]["event_timestamp"])
    assert abs(age.total_seconds()) < 3600


def test_processes_share_the_events_out() -> None:
    shares = [list(itertools.islice(events.bodies("unit", start, 2), 50)) for start in (0, 1)]
    kinds = [[json.loads(body)["event_data"]["eventID"] for body in share] for share in shares]
    assert not set(kinds[0]) & set(kinds[1])
    [batch] = itertools.islice(events.batches("unit", 7), 1)
    assert len(json.loads(batch)) == 7
    assert json.loads(events.with_id(b'{"a":1}', "x")) == {"event_id": "x", "a": 1}


def test_workflows_are_valid_and_found_by_their_searches() -> None:
    made = workflows.bodies("unit", 60)
    assert len({body["workflow_name"] for body in made}) == 60
    for body in made:
        assert not hasattr(schemas.workflow(body, verify_content_hash=True), "errors")
    for n in range(30):
        assert all(value and value != "*" for value in workflows.search(n)["filters"].values())


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"])
def test_this_machine_may_be_loaded(url: str) -> None:
    check_target(url, allow_remote=False)


def test_another_machine_only_when_said() -> None:
    for url in ("http://192.0.2.1:80", "http://0.0.0.0:80"):
        with pytest.raises(TargetError, match="--allow-remote"):
            check_target(url, allow_remote=False)
        check_target(url, allow_remote=True)
    for url in ("ftp://127.0.0.1", "127.0.0.1:80", ""):
        with pytest.raises(TargetError, match="is not an address"):
            check_target(url, allow_remote=True)


def test_only_a_service_that_runs_is_loaded() -> None:
    with StubService() as stub:
        stub.script.append(Canned(200, b"{}"))
        check_answers(stub.url)
        assert [(r.method, r.path) for r in stub.requests] == [("GET", "/health/live")]
        with pytest.raises(TargetError, match="/health/live was answered 404"):
            check_answers(stub.url)


def test_progress_never_counts_past_the_end() -> None:
    assert how_far(5.2, 7.0) == "    5 s of 7"
    assert how_far(10.1, 7.0) == "   10 s, waiting for the last answers"


def test_scenarios() -> None:
    storm = SCENARIOS["write_storm"]
    assert [size for _, size in storm.bursts] == [150, 100, 100, 100]
    assert [b - a for (a, _), (b, _) in itertools.pairwise(storm.bursts[1:])] == [2.0, 2.0]
    assert sum(size for _, size in storm.bursts) == storm.expected
    assert [stage.rate for stage in SCENARIOS["sustained_writes"].stages] == [10, 50, 120, 1000]
    search = SCENARIOS["concurrent_search"]
    assert search.users == {"Searcher": 20}
    assert search.stages[-1].rate == 10
    assert search.stages[-1].seconds == 60
    assert search.scaled(7.5).seconds == 7.5
    assert storm.scaled(1).seconds == storm.seconds, "bursts stay as they are"


@dataclass
class Entry:
    """Stands in for locust's statistics of a request."""

    name: str
    num_requests: int
    num_failures: int = 0
    start_time: float = 0.0
    total_rps: float = 1.0
    max_response_time: float = 9.0

    def get_response_time_percentile(self, percent: float) -> float:
        return 9.0 * percent


@dataclass
class Stats:
    entries: dict[str, Entry]
    errors: dict[str, Any] = field(default_factory=dict)


def problems(scenario: str, *entries: Entry, **members: Any) -> list[str]:
    given: dict[str, Any] = {
        "acknowledged": {}, "late": 0, "busiest": 0.1, "processes": 2, "host": "", "begun": True, "exceptions": [],
        **members,
    }  # fmt: skip
    return list(build(SCENARIOS[scenario], Stats({e.name: e for e in entries}), **given)["problems"])


def test_what_makes_a_run_fail() -> None:
    assert problems("mixed", Entry("a", 5)) == []
    assert problems("mixed", Entry("a", 5, 1), Entry("b", 5)) == ["1 of 5 failed: a"]
    assert problems("mixed") == ["no request was sent"]
    assert problems("mixed", begun=False) == ["the run ended before all users were there"]
    assert problems("write_storm", Entry("a", 449), Entry("GET /health/live", 150)) == ["449 requests instead of 450"]
    assert problems("mixed", Entry("a", 5), exceptions=["boom"]) == ["a user failed: boom"]


def test_the_queue_has_room_for_an_outage_however_long_it_is() -> None:
    outage = SCENARIOS["outage"]
    for seconds in (3, 45, 3600):
        room = load_settings(environ=queue_settings(outage.scaled(seconds))).dlq
        assert room.max_len >= max(1000, 50 * seconds)
        assert room.max_bytes >= 50 * seconds * len(next(events.bodies("unit")))
    assert queue_settings(SCENARIOS["sustained_writes"]) == {}


def test_a_full_queue_is_named_as_the_reason() -> None:
    def told(slug: str) -> list[str]:
        answer = f'expected 201, got 503: {{"type":"https://kubernaut.ai/problems/{slug}","title":"Service Unavailable"'
        errors = {"a": SimpleNamespace(error=f"CatchResponseError('{answer}')")}
        return list(
            build(
                SCENARIOS["mixed"], Stats({"a": Entry("a", 5, 1)}, errors), acknowledged={}, late=0, busiest=0.1,
                processes=2, host="", begun=True, exceptions=[],
            )["problems"]
        )  # fmt: skip

    assert "give the service a larger dlq.max_len" in told("dlq-full")[-1]
    assert "dlq.max_len" not in " ".join(told("buffer-full"))


def test_it_says_when_the_client_is_the_limit() -> None:
    members: dict[str, Any] = {
        "acknowledged": {}, "late": 3, "processes": 2, "host": "", "begun": True, "exceptions": [],
    }  # fmt: skip
    for busiest, limit in ((0.5, False), (0.97, True)):
        client = build(SCENARIOS["mixed"], Stats({}), busiest=busiest, **members)["client"]
        assert (client["limit"], client["sent_late"]) == (limit, 3)


def test_the_command_refuses_what_it_cannot_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dead_port: int
) -> None:
    address = f"http://127.0.0.1:{dead_port}"
    for arguments, said in (
        (["mixed", "--base-url", "http://192.0.2.1"], "--allow-remote"),
        (["outage", "--base-url", address], "on its own servers"),
        (["write_storm", "--base-url", address], f"no service answers at {address} (connection refused)"),
    ):
        monkeypatch.setattr(sys, "argv", ["loadtests", *arguments])
        assert main() == 2
        told = capsys.readouterr().err
        assert said in told
        assert len(told.splitlines()) == 1
