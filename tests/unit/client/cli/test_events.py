"""`datastorage events` against a stand-in for the service."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli import filters
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.http_client import HTTPClient
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339

from app.http.problems import Problem
from tests.unit.stub_service import Canned, StubService, busy

Run = Callable[..., Result]
JSON = (("Content-Type", "application/json"),)


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


@pytest.fixture
def run(stub: StubService, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("DATASTORAGE_URL", stub.url)
    monkeypatch.delenv("COLUMNS", raising=False)

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(datastorage, ["events", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("2026-09-30", "--until 2026-09-30 ends at its first moment (UTC); for the whole day give 2026-10-01\n"),
        ("2026-09-30T00:00:00Z", ""),
        ("24h", ""),
        ("2026-02-30", ""),
        ("9999-12-31", ""),
    ],
)
def test_a_person_is_told_that_a_day_is_its_first_moment(
    run: Run, stub: StubService, monkeypatch: pytest.MonkeyPatch, until: str, said: str
) -> None:
    store(stub, 1)
    assert "first moment" not in run("--until", until).stderr
    monkeypatch.setattr(filters, "_is_watched", lambda: True)
    result = run("--until", until, "--json")
    assert "".join(line for line in result.stderr.splitlines(True) if "first moment" in line) == said
    assert "first moment" not in result.stdout


def store(stub: StubService, count: int, **members: Any) -> None:
    """Put events a minute apart into the store, the last one just now."""
    now = datetime.now(UTC).replace(microsecond=0)
    events = [
        {
            "version": "1.0",
            "event_id": f"00000000-0000-4000-8000-{len(stub.rows) + i:012d}",
            "event_type": "aws.s3.GetBucketPolicy",
            "event_timestamp": rfc3339(now - timedelta(minutes=count - 1 - i)),
            "event_category": "gateway",
            "event_action": "GetBucketPolicy",
            "event_outcome": "success" if i % 2 else "failure",
            "correlation_id": f"c-{i}",
            "actor_type": "IAMUser",
            "actor_id": "bert-jan",
            "resource_type": "AWS::S3::Bucket",
            "resource_id": "arn:aws:s3:::bucket-1",
            "event_data": {"n": i},
            **members,
        }
        for i in range(count)
    ]
    client = HTTPClient(stub.url)
    for start in range(0, count, 1000):
        client.post("/api/v1/audit/events/batch", jsonvalue.compact(events[start : start + 1000]), repeatable=True)
    stub.requests.clear()


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_lines_newest_first(run: Run, stub: StubService) -> None:
    store(stub, 60)
    result = run("--json")
    assert result.exit_code == 0
    assert [row["event_data"]["n"] for row in lines(result)] == list(range(59, 9, -1))
    assert [row["event_data"]["n"] for row in lines(run("--json", "--limit", 3))] == [59, 58, 57]
    assert len(lines(run("--json", "--all"))) == 60


def test_values_are_exact(run: Run, stub: StubService) -> None:
    row = b'{"event_id":"x","event_data":{"big":123456789012345678901234567890,"d":1.10,"e":"\xc3\xbc"}}'
    stub.script.append(Canned(200, b'{"data":[' + row + b'],"pagination":{"next_cursor":null}}', JSON))
    assert run("--json").stdout_bytes == row + b"\n"


@pytest.fixture(scope="module")
def filled() -> Iterator[StubService]:
    with StubService() as running:
        store(running, 2300)
        yield running


@pytest.mark.parametrize("wanted", [999, 1000, 1001, 2000, 2500, None])
def test_pages_are_followed(run: Run, filled: StubService, monkeypatch: pytest.MonkeyPatch, wanted: int | None) -> None:
    monkeypatch.setenv("DATASTORAGE_URL", filled.url)
    filled.requests.clear()
    result = run("--json", *(("--all",) if wanted is None else ("--limit", wanted)))
    found = [row["event_data"]["n"] for row in lines(result)]
    assert found == list(range(2299, -1, -1))[:wanted]
    assert all(int(r.query["limit"]) <= 1000 and r.query["count"] == "none" for r in filled.requests)
    assert len(filled.requests) <= 3


def test_every_filter_goes_to_the_service(run: Run, stub: StubService) -> None:
    given = {
        "--event-type": "event_type",
        "--category": "event_category",
        "--outcome": "event_outcome",
        "--severity": "severity",
        "--correlation-id": "correlation_id",
        "--actor-type": "actor_type",
        "--actor-id": "actor_id",
        "--resource-type": "resource_type",
        "--resource-id": "resource_id",
        "--namespace": "namespace",
        "--cluster-name": "cluster_name",
        "--request-id": "request_id",
        "--data": "data",
        "--since": "since",
        "--until": "until",
    }
    values = {"--outcome": "failure", "--data": '{"a": 1}', "--since": "2026-01-05", "--until": "2026-01-05T10:00:00Z"}
    assert run(*itertools.chain(*((option, values.get(option, "x y")) for option in given))).exit_code == 0
    expected = {name: values.get(option, "x y") for option, name in given.items()}
    assert stub.requests[0].query == {**expected, "limit": "51", "count": "none"}


def test_filters_filter(run: Run, stub: StubService) -> None:
    store(stub, 10)
    assert len(lines(run("--json", "--outcome", "failure"))) == 5
    assert [row["correlation_id"] for row in lines(run("--json", "--correlation-id", "c-3"))] == ["c-3"]
    assert [row["event_data"]["n"] for row in lines(run("--json", "--data", '{"n": 4}'))] == [4]
    assert len(lines(run("--json", "--since", "4m30s"))) == 5
    assert len(lines(run("--json", "--until", "4m30s"))) == 5


def test_times_back_from_now_mean_the_same_on_every_page(run: Run, stub: StubService) -> None:
    store(stub, 1500)
    assert len(lines(run("--json", "--all", "--since", "7d", "--until", "0s"))) >= 1499
    assert len({(r.query["since"], r.query["until"]) for r in stub.requests}) == 1
    assert stub.requests[0].query["since"].endswith("Z")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--since", "yesterday"), "--since: invalid time format: use 24h, 7d, an RFC 3339 time or YYYY-MM-DD"),
        (("--since", "9" * 400 + "d"), "--since: invalid time format: use 24h, 7d, an RFC 3339 time or YYYY-MM-DD"),
        (("--data", "{"), "--data: must be a JSON object"),
        (("--data", "{", "--category", "a\0"), "--category: holds a character that cannot be stored; --data: must"),
    ],
)
def test_what_the_service_refuses_is_a_wrong_option(
    run: Run, stub: StubService, arguments: tuple[str, ...], told: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert f"Error: {told}" in result.stderr
    assert result.stderr.count("--since:") + result.stderr.count("--data:") == 1
    assert len(stub.requests) == 1, "it is not asked again"


def test_what_only_the_service_refuses_is_a_wrong_option_too(run: Run, stub: StubService) -> None:
    problem = Problem("validation-error", "data: is too deep", field_errors={"data": "is too deep"})
    headers = (("Content-Type", "application/problem+json"),)
    stub.script.append(Canned(400, problem.body("https://kubernaut.ai/problems", "/"), headers))
    result = run("--data", "{}")
    assert result.exit_code == 2
    assert result.stderr.endswith("\n\nError: --data: is too deep\n")
    stub.script.append(Canned(400, b"<html>"))
    assert run().exit_code == 1, "somebody else's 400 says nothing about the options"


@pytest.mark.parametrize("columns", [80, 100])
def test_the_narrow_table(run: Run, stub: StubService, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    store(stub, 2)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = run().stdout.splitlines()
    assert max(map(len, shown)) <= columns
    assert shown[0].split() == [
        "time,",
        "outcome",
        "/",
        "id",
        "category",
        "type",
        "/",
        "namespace",
        "actor",
        "→",
        "resource",
    ]
    assert shown[1].split()[1:] == ["success", "gateway", "aws.s3.GetBucketPolicy"]
    assert not any(line.endswith(" ") for line in shown)
    assert shown[2].split()[:3] == ["00000000-0000-4000-8000-000000000001", "bert-jan", "→"]
    assert "AWS::S3::Bucket" in shown[2]
    assert len(shown) == 5
    store(stub, 1, event_action="read", actor_id="x" * 100)
    other = run("--actor-id", "x" * 100).stdout
    store(stub, 1, actor_id="in-one", namespace="team-a")
    assert " team-a in-one → AWS::S3::" in run("--actor-id", "in-one").stdout
    assert "aws.s3.GetBucketPolicy read" in other
    assert "… → AWS::S3::" in other


@pytest.mark.parametrize("columns", [80, 160])
def test_an_event_beside_the_services_own_shows_who_wrote_it(
    run: Run, stub: StubService, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    store(stub, 1, event_category="datastorage.access", correlation_id="true", recorded_by=None)
    assert "recorded by mallory" not in run().stdout
    store(stub, 1, event_category="datastorage.access", correlation_id="forged", recorded_by="mallory")
    shown = run("--correlation-id", "forged").stdout
    assert "recorded by" in shown
    assert "mallory" in shown
    store(stub, 1, event_category="gateway", correlation_id="other", recorded_by="gateway-service")
    assert "recorded by" not in run("--correlation-id", "other").stdout, "of others it is no matter"


@pytest.mark.parametrize("columns", [None, 160])
def test_the_wide_table(run: Run, stub: StubService, monkeypatch: pytest.MonkeyPatch, columns: int | None) -> None:
    """On a pipe, where nothing says how wide, it is wide too."""
    store(stub, 2)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    shown = run().stdout.splitlines()
    assert max(map(len, shown)) <= (columns or 200)
    assert shown[0].split() == ["time", "category", "type", "outcome", "actor", "namespace", "resource", "id"]
    assert not any(line.endswith(" ") for line in shown)
    assert max(map(len, shown)) <= 150, "no wider than what is in it"
    assert shown[1].split()[1:] == [
        "gateway",
        "aws.s3.GetBucketPolicy",
        "success",
        "bert-jan",
        "-",
        "AWS::S3::Bucket",
        "bucket-1",
        "00000000-0000-4000-8000-000000000001",
    ]


def test_ids_are_whole_however_long_the_rest(run: Run, stub: StubService, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x" * 50
    store(stub, 1, event_type=long * 2, event_action=long, actor_id=long * 5, resource_type=long, resource_id=long * 5)
    for columns in ("80", "150", "160"):
        monkeypatch.setenv("COLUMNS", columns)
        shown = run().stdout
        assert "00000000-0000-4000-8000-000000000000" in shown
        assert "…" in shown
        assert max(map(len, shown.splitlines())) <= int(columns)


def test_terminals_are_safe_from_events(run: Run, stub: StubService) -> None:
    store(stub, 1, actor_id="\x1b[2J[red]evil\r\n")
    shown = run().stdout
    assert "\x1b" not in shown
    assert "\\x1b[2J[red]evil\\r\\n" in shown


def test_rows_with_less_in_them(run: Run, stub: StubService) -> None:
    stub.script.append(Canned(200, b'{"data":[{"actor_id":null}],"pagination":{}}', JSON))
    assert run().stdout.splitlines()[1].split() == ["-"] * 9


def test_more_than_shown_is_said(run: Run, stub: StubService) -> None:
    store(stub, 51)
    assert run().stderr == "the newest 50; there are more: --limit N or --all\n"
    assert run("--limit", 51).stderr == ""
    assert run("--all").stderr == ""


def test_nothing_matches(run: Run) -> None:
    result = run()
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no event matches\n")
    result = run("--json")
    assert (result.exit_code, result.output) == (0, "")


def test_no_service(run: Run) -> None:
    result = run("--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "datastorage: no service answers at http://127.0.0.1:1" in result.stderr
    assert "say where it is with --url" in result.stderr.lower()


def test_a_busy_service(run: Run, stub: StubService) -> None:
    stub.script.extend([busy(), None])
    assert run().exit_code == 0
    stub.script.append(busy(retry_after="60"))
    assert run().exit_code == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "not a JSON object"),
        (b'{"data": {}, "pagination": {}}', "not a page of events"),
        (b'{"data": [5], "pagination": {}}', "not a page of events"),
        (b'{"data": []}', "not a page of events"),
        (b'{"data": [], "pagination": {"next_cursor": 5}}', "cursor that leads nowhere"),
    ],
)
def test_answers_that_are_no_pages(run: Run, stub: StubService, body: bytes, message: str) -> None:
    stub.script.append(Canned(200, body, JSON))
    result = run("--all")
    assert result.exit_code == 1
    assert message in result.stderr


def test_a_cursor_that_goes_in_circles_ends(run: Run, stub: StubService) -> None:
    stub.script.extend([Canned(200, b'{"data": [{}], "pagination": {"next_cursor": "x"}}', JSON)] * 2)
    result = run("--all", "--json")
    assert result.exit_code == 1
    assert "cursor that leads nowhere" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("--all", "--limit", "5"), ("--limit", "0"), ("--outcome", "maybe"), ("--url", "x"), ("extra",)]
)
def test_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_help_has_examples(run: Run) -> None:
    shown = run("--help").stdout
    assert "datastorage events --actor-id" in shown
    assert "DATASTORAGE_URL" in shown
