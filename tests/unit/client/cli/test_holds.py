"""`datastorage holds` against a stand-in for the service: what is sent, and what people are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli import holds
from datastorage_client.cli.commands import datastorage
from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339

from app.http.problems import Problem
from tests.unit.stub_service import Canned, StubService, busy

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
HOLD = {
    "hold_id": ID,
    "name": "case 2026-17",
    "reason": "letter of the court",
    "filter": {"actor_id": "alice", "since": "2025-10-01T00:00:00Z", "kinds": ["audit_event"]},
    "set_at": "2026-01-05T10:00:00Z",
    "set_by": "legal",
    "set_act": "01890a5d-ac96-774b-bcce-b302099a8058",
    "state": "active",
}
RELEASED = {
    **HOLD,
    "state": "released",
    "released_at": "2026-03-01T09:00:00Z",
    "released_by": "head of legal",
    "release_reason": "case closed",
    "release_act": "01890a5d-ac96-774b-bcce-b302099a8059",
}
TAKES = 'audit events with actor_id="alice" from 2025-10-01T00:00:00Z'
NAMED = ("set", "--name", "case 2026-17", "--reason", "letter of the court")


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


def run(stub: StubService, *arguments: str, **kwargs: Any) -> Result:
    environ = {"DATASTORAGE_URL": stub.url, "COLUMNS": "120"}
    return CliRunner().invoke(datastorage, ["holds", *arguments], env=environ, **kwargs)


def answers(value: object, status: int = 200) -> Canned:
    return Canned(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))


def problem(slug: str, detail: str, **members: Any) -> Canned:
    body = json.loads(Problem(slug, detail, members=members).body("https://problems.example", "/"))
    return Canned(body["status"], json.dumps(body).encode(), (("Content-Type", "application/problem+json"),))


def page(*found: dict[str, Any], cursor: str | None = None) -> Canned:
    return answers({"holds": found, "pagination": {"next_cursor": cursor}})


def sent(stub: StubService) -> Any:
    return jsonvalue.parse(stub.requests[-1].body)


# --- set --------------------------------------------------------------------------------------------------------


def test_what_is_set_is_said(stub: StubService) -> None:
    stub.script.append(answers(HOLD, 201))
    result = run(stub, *NAMED, "--actor-id", "alice", "--since", "2025-10-01")
    assert (result.exit_code, result.stdout) == (
        0,
        f"hold {ID} is in force: case 2026-17\nit takes {TAKES}; those that are stored, and those to come\n",
    )
    body = sent(stub)
    assert UUID(body.pop("hold_id")).version == 7
    wanted = {"actor_id": "alice", "since": "2025-10-01"}
    assert body == {"name": "case 2026-17", "reason": "letter of the court", "filter": wanted}
    assert (stub.requests[-1].method, stub.requests[-1].path) == ("POST", "/api/v1/holds")


def test_every_filter_has_its_option(stub: StubService) -> None:
    options = {
        "event_type": "a.b",
        "event_category": "gateway",
        "event_outcome": "failure",
        "severity": "info",
        "correlation_id": "c",
        "actor_type": "t",
        "actor_id": "i",
        "resource_type": "r",
        "resource_id": "s",
        "namespace": "n",
        "cluster_name": "k",
        "request_id": "q",
        "until": "2026-01-01",
        "remediation_id": "m",
        "channel": "email",
        "status": "failed",
    }
    names = {"event_category": "category", "event_outcome": "outcome"}
    given = [f"--{names.get(name, name).replace('_', '-')}={value}" for name, value in options.items()]
    stub.script.append(answers(HOLD, 201))
    assert run(stub, *NAMED, *given, "--kinds", "audit_event,notification").exit_code == 0
    assert sent(stub)["filter"] == {**options, "kinds": ["audit_event", "notification"]}


def test_data_is_sent_as_an_object_with_every_digit(stub: StubService) -> None:
    stub.script.append(answers(HOLD, 201))
    assert run(stub, *NAMED, "--data", '{"n": 0.1000000000000000000001, "a": ["ü"]}').exit_code == 0
    assert b'"data":{"n":0.1000000000000000000001,"a":["\xc3\xbc"]}' in stub.requests[-1].body


@pytest.mark.parametrize("data", ["[1]", '"a"', "{", "1"])
def test_data_that_is_no_object_is_refused(stub: StubService, data: str) -> None:
    result = run(stub, *NAMED, "--data", data)
    assert (result.exit_code, stub.requests) == (2, [])
    assert "--data: " in result.stderr


def test_a_time_back_from_now_is_sent_as_the_moment_that_it_means(stub: StubService) -> None:
    stub.script.append(answers(HOLD, 201))
    assert run(stub, *NAMED, "--since", "7d").exit_code == 0
    since = parse_rfc3339(sent(stub)["filter"]["since"])
    assert since is not None
    assert since <= datetime.now(UTC) - timedelta(days=7)


def test_everything_has_to_be_said(stub: StubService) -> None:
    result = run(stub, *NAMED)
    assert (result.exit_code, stub.requests) == (2, [])
    assert "say what to hold by a filter such as --actor-id, or give --everything" in result.stderr
    both = run(stub, *NAMED, "--everything", "--actor-id", "alice")
    assert (both.exit_code, stub.requests) == (2, [])
    assert "--everything goes with no filter" in both.stderr
    stub.script.append(answers({**HOLD, "filter": {"kinds": ["audit_event", "notification"]}}, 201))
    result = run(stub, *NAMED, "--everything")
    assert sent(stub)["filter"] == {}
    assert "it takes all audit events and notifications;" in result.stdout


def test_an_answer_that_got_lost_is_asked_for_again_with_the_same_id(stub: StubService) -> None:
    stub.script.extend([busy(outcome="unknown"), Canned(0), answers(HOLD)])
    assert run(stub, *NAMED, "--actor-id", "alice").exit_code == 0
    assert len({request.body for request in stub.requests}) == 1
    assert len(stub.requests) == 3


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_one_that_is_released_by_the_time_of_the_answer_is_not_said_to_be_in_force(
    stub: StubService, form: tuple[str, ...]
) -> None:
    stub.script += [busy(), answers(RELEASED)]
    result = run(stub, *NAMED, "--actor-id", "alice", *form)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is released since: `datastorage holds show " in result.stderr


@pytest.mark.parametrize("command", [(*NAMED, "--everything"), ("release", ID, "--reason", "case closed", "--yes")])
def test_no_words_of_an_answer_reach_the_terminal_as_they_are(
    stub: StubService, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(holds, "_RETRY_LIMIT_S", 0.0)
    detail = "\x1b[2Jall is well\u202e"
    if command[0] == "set":
        stub.script.append(problem("service-unavailable", detail, outcome="unknown"))
    else:
        stub.script.append(problem("conflict", detail))
    result = run(stub, *command, color=True)
    assert result.exit_code == 1
    assert r"\x1b[2Jall is well\u202e" in result.stderr


@pytest.mark.parametrize("silent", [Canned(0), busy(outcome="unknown")])
def test_what_is_not_known_in_the_end_can_be_looked_up(
    stub: StubService, silent: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "_RETRY_LIMIT_S", 0)
    stub.script.extend([silent] * 9)
    result = run(stub, *NAMED, "--actor-id", "alice")
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("datastorage: whether it is done is not known (")
    assert f"): `datastorage holds show {sent(stub)['hold_id']}` says. If there is none, do it again" in line


def test_what_the_service_refuses_is_said_by_the_options(stub: StubService) -> None:
    wrong = {"filter.event_category": "must have 1 to 500 characters", "name": "must not be empty"}
    stub.script.append(problem("validation-error", "two members are wrong", field_errors=wrong))
    result = run(stub, *NAMED, "--category", "")
    assert result.exit_code == 2
    assert "--category: must have 1 to 500 characters; --name: must not be empty" in result.stderr


def test_a_missing_scope_is_one_line(stub: StubService) -> None:
    stub.script.append(problem("forbidden", "this needs the scope holds:admin"))
    result = run(stub, *NAMED, "--everything")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "datastorage: Forbidden: this needs the scope holds:admin\n"


def test_an_outage_is_no_unknown_outcome(stub: StubService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "_RETRY_LIMIT_S", 0)
    stub.script.append(busy())
    result = run(stub, *NAMED, "--everything")
    assert result.exit_code == 1
    assert "not known" not in result.stderr


# --- list and show ----------------------------------------------------------------------------------------------


def test_a_list_has_two_lines_a_hold_and_one_more_of_a_release(stub: StubService) -> None:
    stub.script.append(page(RELEASED, {**HOLD, "filter": {"kinds": ["notification"], "channel": "email"}}))
    result = run(stub, "list", "--state", "all")
    assert stub.requests[0].query == {"limit": "51"}
    assert [line.split("  ")[0] for line in result.stdout.splitlines()[:3]] == [
        "set, by / id",
        "2026-01-05T10:00:00Z by legal",
        ID,
    ]
    assert [line.rpartition("  ")[2].strip() for line in result.stdout.splitlines()] == [
        "name / takes",
        "case 2026-17",
        TAKES,
        "released 2026-03-01T09:00:00Z by head of legal",
        "case 2026-17",
        'notifications with channel="email"',
    ]


def test_the_list_is_of_those_in_force_unless_it_is_said(stub: StubService) -> None:
    for options, told in (
        ((), 'there is no active hold with the name "case 2026-17"; --state all shows released ones too'),
        (("--state", "released"), 'there is no released hold with the name "case 2026-17"'),
        (("--state", "all"), 'there is no hold with the name "case 2026-17"'),
    ):
        stub.script.append(page())
        result = run(stub, "list", "--name", "case 2026-17", *options)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{told}\n")
    assert [request.query.get("state") for request in stub.requests] == ["active", "released", None]
    assert {request.query["name"] for request in stub.requests} == {"case 2026-17"}


def test_a_long_list_says_that_there_are_more(stub: StubService) -> None:
    stub.script.extend([page(HOLD, HOLD, cursor="c"), page(HOLD)])
    result = run(stub, "list", "--limit", "2")
    assert result.stdout.count(ID) == 2
    assert result.stderr == "the newest 2; there are more: a higher --limit, or --json for all\n"
    assert stub.requests[1].query == {"state": "active", "limit": "3", "cursor": "c"}


def test_a_program_gets_all_one_a_line(stub: StubService) -> None:
    stub.script.extend([page(HOLD, cursor="c"), page(RELEASED)])
    result = run(stub, "list", "--state", "all", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [HOLD, RELEASED]
    stub.script.append(page(HOLD, RELEASED))
    assert len(run(stub, "list", "--json", "--limit", "1").stdout.splitlines()) == 1


def test_one_is_shown_with_all_that_is_known_of_it(stub: StubService) -> None:
    stub.script.extend([answers({**RELEASED, "reason": "letter\nof the court"}), answers(RELEASED)])
    result = run(stub, "show", ID)
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["hold", ID],
        ["name", "case 2026-17"],
        ["state", "released"],
        ["takes", TAKES],
        ["set", "2026-01-05T10:00:00Z by legal"],
        ["because", "letter"],
        ["of", "the court"],
        ["act", HOLD["set_act"]],
        ["released", "2026-03-01T09:00:00Z by head of legal"],
        ["because", "case closed"],
        ["act", RELEASED["release_act"]],
    ]
    assert json.loads(run(stub, "show", ID, "--json").stdout) == RELEASED


def test_an_id_is_one_part_of_the_address(stub: StubService) -> None:
    stub.script.append(problem("not-found", "there is no such hold"))
    result = run(stub, "show", "../dlq")
    assert (result.exit_code, result.stderr) == (1, "datastorage: Not Found: there is no such hold\n")
    assert stub.requests[0].path == "/api/v1/holds/..%2Fdlq"


@pytest.mark.parametrize("command", [("list",), ("show", ID), (*NAMED, "--everything")])
@pytest.mark.parametrize(
    "answer", [{}, {"holds": [1], "pagination": {}}, {"holds": [{}], "pagination": {"next_cursor": None}}]
)
def test_another_service_at_the_address_is_one_line(
    stub: StubService, command: tuple[str, ...], answer: dict[str, Any]
) -> None:
    stub.script.append(answers(answer))
    result = run(stub, *command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("datastorage: the answer is not one of the Data Storage Service")


# --- release ----------------------------------------------------------------------------------------------------


def test_a_release_without_a_terminal_needs_yes(stub: StubService) -> None:
    result = run(stub, "release", ID, "--reason", "case closed")
    assert (result.exit_code, stub.requests) == (2, [])
    assert "releasing a hold needs --yes where nobody can be asked" in result.stderr


def test_a_release(stub: StubService) -> None:
    stub.script.extend([answers(RELEASED), answers(RELEASED)])
    result = run(stub, "release", ID, "--reason", "case closed", "--yes")
    assert (result.exit_code, result.stdout) == (0, f"hold {ID} is released: case 2026-17\n")
    assert (stub.requests[0].path, sent(stub)) == (f"/api/v1/holds/{ID}/release", {"reason": "case closed"})
    assert json.loads(run(stub, "release", ID, "--reason", "x", "--yes", "--json").stdout) == RELEASED


@pytest.mark.parametrize(("said", "asked", "code"), [("y\n", 2, 0), ("n\n", 1, 1)])
def test_who_sits_there_is_asked(
    stub: StubService, monkeypatch: pytest.MonkeyPatch, said: str, asked: int, code: int
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    stub.script.extend([answers(HOLD), answers(RELEASED)])
    result = run(stub, "release", ID, "--reason", "case closed", input=said)
    assert f'release the hold "case 2026-17", which takes {TAKES}? [y/N]' in result.stdout
    assert (result.exit_code, len(stub.requests)) == (code, asked)


def test_one_that_is_released_says_where_to_look(stub: StubService) -> None:
    stub.script.append(problem("conflict", "the hold was released before, by somebody else or for another reason"))
    result = run(stub, "release", ID, "--reason", "x", "--yes")
    why = "the hold was released before, by somebody else or for another reason"
    assert result.exit_code == 1
    assert result.stderr == f"datastorage: {why}: `datastorage holds show {ID}` says by whom and why\n"


def test_a_filter_that_is_given_twice_is_refused(stub: StubService) -> None:
    """The last alone would be held."""
    result = run(stub, *NAMED, "--actor-id", "alice", "--actor-id", "bob")
    assert result.exit_code == 2
    assert "is given more than once" in result.stderr
    assert stub.requests == []
