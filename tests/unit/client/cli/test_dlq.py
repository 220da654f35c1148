"""`datastorage dlq` against a stand-in for the service: what people are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage

from tests.unit.stub_service import Canned, StubService


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


def run(stub: StubService, *arguments: str) -> Result:
    return CliRunner().invoke(datastorage, ["dlq", *arguments], env={"DATASTORAGE_URL": stub.url})


def answers(value: dict[str, Any]) -> Canned:
    return Canned(200, json.dumps(value).encode(), (("Content-Type", "application/json"),))


def letters(count: int) -> Canned:
    found = [{"id": f"events:{i}-0", "final_retry_count": 0, "reason": "not JSON"} for i in range(count)]
    return answers({"dead_letters": found, "pagination": {"limit": 500, "has_more": False, "next_cursor": None}})


def test_an_empty_stream_is_a_sentence(stub: StubService) -> None:
    stub.script.append(letters(0))
    result = run(stub, "list")
    assert (result.exit_code, result.output) == (0, "the stream events has no dead letters\n")


def test_a_long_list_ends_with_how_many_more_there_are(stub: StubService) -> None:
    stub.script.extend([letters(60), answers({"streams": {"events": {"dead_letters": 1260}}})])
    result = run(stub, "list")
    assert result.exit_code == 0
    assert result.stdout.count("not JSON") == 50
    assert result.stdout.endswith("and 1,210 more: give a higher --limit, or --json for all\n")


@pytest.mark.parametrize("limit", ["3", "4"])
def test_a_list_that_fits_says_nothing_of_more(stub: StubService, limit: str) -> None:
    stub.script.append(letters(3))
    result = run(stub, "list", "--limit", limit)
    assert (result.stdout.count("not JSON"), " more:" in result.output) == (3, False)


@pytest.mark.parametrize(("options", "lines"), [((), 60), (("--limit", "7"), 7)])
def test_a_program_gets_all_unless_it_says_how_many(stub: StubService, options: tuple[str, ...], lines: int) -> None:
    stub.script.append(letters(60))
    assert len([json.loads(line) for line in run(stub, "list", "--json", *options).stdout.splitlines()]) == lines


def test_a_dead_letter_is_shown_indented_and_exact(stub: StubService) -> None:
    body = b'{"id":"events:1-0","message":{"n":0.1000000000000000000001}}'
    stub.script.append(Canned(200, body, (("Content-Type", "application/json"),)))
    assert run(stub, "show", "events:1-0").stdout == (
        '{\n  "id": "events:1-0",\n  "message": {\n    "n": 0.1000000000000000000001\n  }\n}\n'
    )


@pytest.mark.parametrize("command", ["status", "list"])
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"streams": 1, "dead_letters": 1},
        {"streams": {"events": {"depth": 1}}, "dead_letters": [1], "pagination": {"next_cursor": None}},
        {"streams": {}, "dead_letters": []},
    ],
)
def test_another_service_at_the_address_is_one_line(stub: StubService, command: str, answer: dict[str, Any]) -> None:
    stub.script.append(answers(answer))
    result = run(stub, command)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("datastorage: the answer is not one of the Data Storage Service")


def test_the_list_shows_which_request_a_record_came_with(stub: StubService) -> None:
    found = [
        {"id": f"events:{i}-0", "final_retry_count": 0, "reason": "r", "entry": entry}
        for i, entry in enumerate([{"request_id": "req-7"}, {}, None])
    ]
    stub.script.append(answers({"dead_letters": found, "pagination": {"next_cursor": None}}))
    lines = run(stub, "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["id", "moved", "at", "tries", "request", "reason"],
        ["events:0-0", "-", "0", "req-7", "r"],
        ["events:1-0", "-", "0", "-", "r"],
        ["events:2-0", "-", "0", "-", "r"],
    ]


@pytest.mark.parametrize(
    ("ids", "told"), [(("events:1-0",), "1 dead letter"), (("events:1-0", "events:2-0"), "2 dead letters")]
)
def test_what_was_deleted_is_counted_in_words(stub: StubService, ids: tuple[str, ...], told: str) -> None:
    stub.script.extend(answers({}) for _ in ids)
    assert run(stub, "purge", "--yes", *ids).stdout == f"deleted {told}\n"


def test_what_is_under_a_hold_is_named_and_the_others_deleted(stub: StubService) -> None:
    held = Canned(
        409,
        b'{"type": "https://x/problems/held", "title": "Under A Legal Hold", "status": 409, "detail": "it is held"}',
        (("Content-Type", "application/problem+json"),),
    )
    stub.script.extend([held, answers({"status": "deleted", "id": "events:2-0"})])
    result = run(stub, "purge", "events:1-0", "events:2-0", "--yes")
    assert result.exit_code == 1
    assert result.output == "deleted 1 dead letter\nunder a legal hold, and kept: events:1-0\n"


def test_another_problem_of_a_purge_ends_it(stub: StubService) -> None:
    stub.script.append(
        Canned(
            404,
            b'{"type": "https://x/problems/not-found", "title": "Not Found", "status": 404, "detail": "nothing there"}',
            (("Content-Type", "application/problem+json"),),
        )
    )
    result = run(stub, "purge", "events:1-0", "events:2-0", "--yes")
    assert (result.exit_code, len(stub.requests)) == (1, 1)
    assert "nothing there" in result.output
