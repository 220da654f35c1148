"""`datastorage import cloudtrail` against a stand-in for the service."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli import http_client, progress
from datastorage_client.cli import import_ as command
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.importers import send
from datastorage_client.cli.importers.cloudtrail import to_event
from datastorage_client.cli.importers.files import FileRecord, read_records
from datastorage_client.cli.importers.shift import readable, stored_offset, survey, to_now, written
from datastorage_client.retry import Backoff
from datastorage_common import jsonvalue

from app.audit.validator import Validator
from app.config.settings import AuditSettings
from tests.unit.client.cli.importers.test_cloudtrail import CORPUS, record
from tests.unit.stub_service import Canned, StubService, busy

Run = Callable[..., Result]
START = datetime(2023, 7, 10, 11, 42, 18, tzinfo=UTC)


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


@pytest.fixture
def run(stub: StubService, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `datastorage import cloudtrail` on the stand-in."""
    monkeypatch.setattr(http_client, "Backoff", lambda **_: Backoff(0.001, 0.001))
    monkeypatch.setenv("DATASTORAGE_URL", stub.url)

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(datastorage, ["import", "cloudtrail", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def records(count: int, **members: Any) -> list[dict[str, Any]]:
    """Old records, one a second, each with an id of its own."""
    return [
        record(
            eventID=uuid_of(i), eventTime=(START + timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%SZ"), n=i, **members
        )
        for i in range(count)
    ]


def fresh(count: int, **members: Any) -> list[dict[str, Any]]:
    """Records of the last hour, which need no shift."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    return [
        {**r, "eventTime": (start + timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%SZ")}
        for i, r in enumerate(records(count, **members))
    ]


def write(path: Path, values: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(jsonvalue.compact(v) + b"\n" for v in values))
    return path


def count(result: Result) -> dict[str, int]:
    """The numbers of the summary."""
    found = re.search(
        r"([\d,]+) records? of .*: ([\d,]+) stored, ([\d,]+) already there, ([\d,]+) accepted for later, ([\d,]+) ref",
        result.stdout,
    )
    assert found, result.output
    names = ("records", "stored", "existing", "accepted", "refused")
    return {n: int(v.replace(",", "")) for n, v in zip(names, found.groups(), strict=True)}


def summary(result: Result) -> dict[str, Any]:
    """The last JSON line."""
    value = json.loads(result.stdout.splitlines()[-1])
    assert isinstance(value, dict)
    return value


def shifts(stub: StubService) -> set[timedelta]:
    """By how much the stored rows were moved."""
    return {
        datetime.fromisoformat(row["event_timestamp"]) - datetime.fromisoformat(row["event_data"]["eventTime"])
        for row in stub.stored()
    }


def test_records_are_stored_and_then_already_there(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", fresh(25))
    first = run(path, "--batch", 10)
    assert first.exit_code == 0
    assert count(first) == {"records": 25, "stored": 25, "existing": 0, "accepted": 0, "refused": 0}
    assert [len(batch) for batch in stub.posted()] == [10, 10, 5]
    assert [row["event_data"]["n"] for row in reversed(stub.stored())] == list(range(25))
    second = run(path)
    assert second.exit_code == 0
    assert count(second) == {"records": 25, "stored": 0, "existing": 25, "accepted": 0, "refused": 0}
    assert "times moved" not in second.output


def test_several_files_and_partly_there(run: Run, tmp_path: Path) -> None:
    values = fresh(6)
    a = write(tmp_path / "a.jsonl", values[:4])
    b = tmp_path / "b.json.gz"
    b.write_bytes(gzip.compress(jsonvalue.compact({"Records": values[2:]})))
    assert count(run(a))["stored"] == 4
    result = run(a, b, "--json")
    assert result.exit_code == 0
    assert summary(result) == {
        "kind": "summary",
        "files": 2,
        "records": 8,
        "stored": 2,
        "already_stored": 6,
        "accepted": 0,
        "refused": 0,
        "not_sent": 0,
        "derived_ids": 0,
        "shift": None,
        "shift_reused": False,
        "reasons": {},
    }


def test_nothing_in_the_file(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [])
    for option in ((), ("--shift-to-now",)):
        assert run(path, *option).exit_code == 0
    assert stub.requests == []


def test_accepted_for_later_is_success(run: Run, stub: StubService, tmp_path: Path) -> None:
    stub.accept_only = True
    result = run(write(tmp_path / "x.jsonl", records(3)), "--shift-to-now")
    assert result.exit_code == 0
    assert count(result)["accepted"] == 3
    assert re.search(r"hint: accepted records .* --shift-by \d+s", result.stderr)


def test_category(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", fresh(2))
    assert run(path, "--category", "analysis").exit_code == 0
    assert {row["event_category"] for row in stub.stored()} == {"analysis"}
    wrong = run(path, "--category", "Non sense")
    assert wrong.exit_code == 1
    assert "event_category: must be 1 to 50 characters of a-z, 0-9, '.', '_' or '-', and start with" in wrong.stderr


# What the service refuses


def test_bad_records_cost_themselves_only(run: Run, stub: StubService, tmp_path: Path) -> None:
    values = fresh(10)
    values[3]["deep"] = json.loads("[" * 40 + "]" * 40)
    values[7]["eventTime"] = "2020-01-01T00:00:00Z"
    values[8]["text"] = "a\x00b"
    path = write(tmp_path / "x.jsonl", values)
    result = run(path)
    assert result.exit_code == 1
    assert count(result) == {"records": 10, "stored": 7, "existing": 0, "accepted": 0, "refused": 3}
    assert f"refused {path}:4 ({uuid_of(3)}): event_data: is nested deeper than 32 levels" in result.stderr
    assert f"refused {path}:8 ({uuid_of(7)}): event_timestamp: timestamp is too old" in result.stderr
    # One moved record would store the seven others twice.
    assert "hint: the records span " in result.stderr
    assert "--shift" not in result.stderr
    assert len(stub.posted()) == 2


def test_records_that_cannot_be_mapped(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = fresh(1)[0]
    lines = [b'{"hello": 1}', jsonvalue.compact(good), jsonvalue.compact(fresh(2)[1])[:-1] + b',"x":"\\ud800"}']
    path.write_bytes(b"\n".join([*lines, lines[1][:-1] + b',"x":1e99999999999999999999}']))
    result = run(path, "--json")
    assert result.exit_code == 1
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert told[0] == {
        "kind": "refused",
        "position": f"{path}:1",
        "event_id": None,
        "reasons": ["is not a CloudTrail record: eventSource is missing"],
    }
    assert [t["reasons"] for t in told[1:3]] == [["holds a number or a text that JSON cannot carry"]] * 2
    assert (summary(result)["stored"], summary(result)["refused"]) == (1, 3)
    assert run(path, "--shift-to-now").exit_code == 1


def test_a_conflict_is_named(run: Run, stub: StubService, tmp_path: Path) -> None:
    values = fresh(5)
    path = write(tmp_path / "x.jsonl", values)
    assert run(path).exit_code == 0
    values[1]["changed"] = values[4]["changed"] = True
    result = run(write(path, values))
    assert result.exit_code == 1
    assert count(result) == {"records": 5, "stored": 0, "existing": 3, "accepted": 0, "refused": 2}
    assert f"({uuid_of(1)}): conflict: is stored with different content" in result.stderr
    assert "hint: an event with the same id and date is stored with other content" in result.stderr


def test_an_id_twice_in_a_file(run: Run, tmp_path: Path) -> None:
    a, b = fresh(2)
    path = write(tmp_path / "x.jsonl", [a, a, b, {**b, "other": 1}])
    result = run(path)
    assert count(result) == {"records": 4, "stored": 2, "existing": 1, "accepted": 0, "refused": 1}
    assert f"refused {path}:4" in result.stderr


def test_derived_ids_are_reported(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{**r, "eventID": f"event-{i}"} for i, r in enumerate(fresh(3))])
    result = run(path)
    assert result.exit_code == 0
    assert "3 records have no UUID as eventID; the event_id is derived from it" in result.stdout
    assert count(run(path))["existing"] == 3


def test_too_large_batches_are_halved(run: Run, stub: StubService, tmp_path: Path) -> None:
    values = fresh(8, padding="x" * 1000)
    values[5]["padding"] = "x" * 10_000
    stub.max_body = 6000
    result = run(write(tmp_path / "x.jsonl", values))
    assert result.exit_code == 1
    assert count(result)["stored"] == 7
    assert f"({uuid_of(5)}): Request Too Large: request body is too large" in result.stderr


def test_smaller_batches_where_the_service_takes_fewer(run: Run, stub: StubService, tmp_path: Path) -> None:
    stub.max_batch = 3
    assert count(run(write(tmp_path / "x.jsonl", fresh(10))))["stored"] == 10
    # The service said how many: nothing is tried twice.
    assert len(stub.requests) <= 1 + 2 + 1 + 1 + 2


def test_batches_end_before_the_limit_on_bodies(
    run: Run, stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "MAX_BODY_BYTES", 5000)
    assert count(run(write(tmp_path / "x.jsonl", fresh(10, padding="x" * 1000))))["stored"] == 10
    assert max(len(r.body) for r in stub.requests) <= 5002
    assert len(stub.requests) > 3


@pytest.mark.parametrize(
    ("status", "detail", "members"),
    [
        (400, "event at index 1: cannot be stored", {}),
        (409, "conflict", {"indexes": [1]}),
        (400, "something", {"field_errors": {"[1]": "must be a JSON object"}}),
    ],
)
def test_forms_of_blame(
    run: Run, stub: StubService, tmp_path: Path, status: int, detail: str, members: dict[str, Any]
) -> None:
    body = json.dumps({"type": "x/y", "title": "T", "status": status, "detail": detail, **members}).encode()
    stub.script.append(Canned(status, body, (("Content-Type", "application/problem+json"),)))
    result = run(write(tmp_path / "x.jsonl", fresh(4)))
    assert (count(result)["stored"], count(result)["refused"]) == (3, 1)
    assert f"({uuid_of(1)})" in result.stderr


def test_blame_on_nobody_is_found_by_halving(run: Run, stub: StubService, tmp_path: Path) -> None:
    body = (
        b'{"type": "x/y", "title": "T", "detail": "no", "indexes": [7, -1, "x", true], "field_errors": {"[9].a": "b"}}'
    )
    refusal = Canned(400, body, (("Content-Type", "application/problem+json"),))
    # All four, the first half, its first: refused; the rest is taken.
    stub.script.extend([refusal, refusal, refusal])
    result = run(write(tmp_path / "x.jsonl", fresh(4)))
    assert (count(result)["stored"], count(result)["refused"]) == (3, 1)
    assert f"({uuid_of(0)}): T: no" in result.stderr


def test_many_refusals_are_cut_short_for_people_only(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", records(30))
    result = run(path)
    assert result.stderr.count("refused ") == 10
    assert "more were refused; --json lists all" in result.stderr
    assert "  30 × event_timestamp: timestamp is too old\n" in result.stdout
    machine = run(path, "--json")
    assert machine.stdout.count('"kind":"refused"') == 30
    assert summary(machine)["reasons"] == {"event_timestamp: timestamp is too old": 30}


def test_terminals_are_safe_from_records(run: Run, tmp_path: Path) -> None:
    result = run(write(tmp_path / "x.jsonl", [{**fresh(1)[0], "eventTime": "\x1b[2J"}]))
    assert "\x1b" not in result.output


# A service in trouble


def test_busy_service_is_waited_for(run: Run, stub: StubService, tmp_path: Path) -> None:
    stub.script.extend([busy("buffer-full"), busy(outcome="unknown"), None, Canned(0), Canned(502, act=True)])
    result = run(write(tmp_path / "x.jsonl", fresh(4)), "--batch", 2)
    assert result.exit_code == 0
    # The last batch was carried out, its answer lost: the second time all of it is there.
    assert count(result) == {"records": 4, "stored": 2, "existing": 2, "accepted": 0, "refused": 0}
    assert len(stub.rows) == 4
    assert "Service Unavailable: please retry: trying again in 0.0 s" in result.stderr


def test_giving_up_says_how_far_it_came(
    run: Run, stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "HTTPClient", lambda url, token: HTTPClient(url, retry_limit_s=0.01))
    stub.script.extend([None, *[busy()] * 1000])
    result = run(write(tmp_path / "x.jsonl", fresh(5)), "--batch", 2)
    assert result.exit_code == 1
    assert count(result) == {"records": 5, "stored": 2, "existing": 0, "accepted": 0, "refused": 0}
    assert (
        "datastorage: Service Unavailable: please retry\n"
        f"  `datastorage health --report --url {stub.url}` says what is away.\n"
        "3 of 5 records not known to be stored; run it again\n" in result.stderr
    )


@pytest.mark.parametrize("status", [401, 404, 500])
def test_refusals_that_lie_in_no_record_end_the_run(run: Run, stub: StubService, tmp_path: Path, status: int) -> None:
    stub.script.append(Canned(status))
    result = run(write(tmp_path / "x.jsonl", fresh(2)))
    assert result.exit_code == 1
    assert len(stub.requests) == 1
    assert f"datastorage: HTTP {status}" in result.stderr


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"event_ids": ["a"]}', b'{"event_ids": ["a", "b"], "duplicates": 1}'])
def test_another_service_at_the_address(run: Run, stub: StubService, tmp_path: Path, body: bytes, status: int) -> None:
    stub.script.append(Canned(status, body))
    result = run(write(tmp_path / "x.jsonl", fresh(2)))
    assert result.exit_code == 1
    assert "Data Storage Service" in result.stderr
    assert count(result) == {"records": 2, "stored": 0, "existing": 0, "accepted": 0, "refused": 0}


@pytest.mark.parametrize("option", ["--shift-to-now", "--shift-by=1d"])
def test_no_service(run: Run, tmp_path: Path, option: str) -> None:
    result = run(write(tmp_path / "x.jsonl", fresh(2)), "--url", "http://127.0.0.1:1", option)
    assert result.exit_code == 1
    assert "datastorage: no service answers at http://127.0.0.1:1 (connection refused)" in result.stderr
    assert "where it is with --url" in result.stderr


def test_interrupted(run: Run, stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()
    real = HTTPClient.post

    def post(self: HTTPClient, path: str, body: bytes, *, repeatable: bool) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(self, path, body, repeatable=repeatable)

    monkeypatch.setattr(HTTPClient, "post", post)
    path = write(tmp_path / "x.jsonl", records(5))
    result = run(path, "--batch", 2, "--shift-to-now")
    assert result.exit_code == 130
    assert count(result)["stored"] == 2
    again_with = re.search(
        r"interrupted\n3 of 5 records not known to be stored; run it again with (\S+ \S+) ", result.stderr
    )
    assert again_with
    assert f"({again_with[1]})" in result.stdout
    again = run(path, "--shift-to-now")
    assert count(again) == {"records": 5, "stored": 3, "existing": 2, "accepted": 0, "refused": 0}


# Files and options


def test_unreadable_files_stop_before_anything_is_sent(run: Run, stub: StubService, tmp_path: Path) -> None:
    good = write(tmp_path / "good.jsonl", fresh(2))
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps(fresh(1)[0]) + "\n{oops\n")
    result = run(good, bad)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"datastorage: {bad}: not JSON: ")
    assert "(line 2, column 2)" in result.stderr
    assert stub.requests == []


def test_a_file_that_breaks_between_the_two_readings(
    run: Run, stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.jsonl", fresh(3))
    real = command._plan

    def plan(*arguments: Any) -> Any:
        path.write_text(path.read_text().replace('"n":2', '"n":'))
        return real(*arguments)

    monkeypatch.setattr(command, "_plan", plan)
    result = run(path, "--batch", 2)
    assert result.exit_code == 2
    assert f"datastorage: {path}: changed while it was read; import it when nobody" in result.stderr
    assert "3 of 3 records not known to be stored" in result.stderr
    assert stub.rows == {}


def test_a_file_that_grows_while_it_is_sent(
    run: Run, stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fast as it is sent: its end would never come."""
    values = fresh(100)
    path = write(tmp_path / "x.jsonl", values[:3])
    real = HTTPClient.post

    def post(self: HTTPClient, *arguments: Any, **options: Any) -> Any:
        with open(path, "ab") as stream:
            stream.write(jsonvalue.compact(values[3 + len(stub.requests)]) + b"\n")
        return real(self, *arguments, **options)

    monkeypatch.setattr(HTTPClient, "post", post)
    result = run(path, "--batch", 1)
    assert (result.exit_code, count(result)["stored"]) == (2, 1)
    assert f"datastorage: {path}: changed while it was read; import it when nobody writes to it" in result.stderr
    assert "2 of 3 records not known to be stored; run it again\n" in result.stderr


@pytest.mark.parametrize("form", ["%s\n", "[%s]", '{"Records": [%s]}', '{\n"Records":\n[%s]}'])
@pytest.mark.parametrize(
    "number",
    [
        "123456789012345678901234567890",
        "0.12345678901234567890123",
        "1.10",
        "-0.0",
        "1E+300",
        "9007199254740993",
        "1E-300",
    ],
)
def test_every_digit_of_a_number_is_sent(run: Run, stub: StubService, tmp_path: Path, form: str, number: str) -> None:
    path = tmp_path / "x.json"
    text = json.dumps({**fresh(1)[0], "n": "NUMBER"}).replace('"NUMBER"', number)
    path.write_text(form % text)
    assert run(path).exit_code == 0
    assert f'"n":{number}'.encode() in stub.requests[-1].body


@pytest.mark.parametrize("number", ["1" * 401, "1e401", "1e99999999999999999999", "NaN"])
def test_a_number_that_cannot_be_kept_is_refused_with_its_line(run: Run, tmp_path: Path, number: str) -> None:
    path = tmp_path / "x.jsonl"
    good, bad = (json.dumps({**r, "n": "NUMBER"}) for r in fresh(2))
    path.write_text(f"{good}\n{bad}\n".replace('"NUMBER"', "1", 1).replace('"NUMBER"', number))
    result = run(path)
    assert result.exit_code == (2 if number == "NaN" else 1)
    assert f"{path}:2" in result.stderr or "(line 2)" in result.stderr


def test_names_of_files_may_hold_any_bytes(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / os.fsdecode(b"caf\xe9.jsonl"), [*fresh(1), record()])
    assert f"refused {tmp_path}/caf\\xe9.jsonl:2" in run(path).stderr
    [line, _] = run(path, "--json").stdout.splitlines()
    assert json.loads(line)["position"] == f"{tmp_path}/caf\\xe9.jsonl:2"
    path.write_text("{")
    assert run(path).stderr.startswith(f"datastorage: {tmp_path}/caf\\xe9.jsonl: not JSON")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--shift-to-now", "--shift-by", "1d"),
        ("--shift-by", "soon"),
        ("--shift-by", "9" * 30 + "d"),
        ("--batch", "0"),
        ("--url", "localhost"),
        ("--nonsense",),
    ],
)
def test_usage_errors(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(write(tmp_path / "x.jsonl", fresh(1)), *arguments).exit_code == 2


def test_missing_file_and_no_file(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path / "no.jsonl").exit_code == 2
    assert run().exit_code == 2


def test_help_has_examples() -> None:
    for arguments in (["import", "--help"], ["import", "cloudtrail", "--help"]):
        result = CliRunner().invoke(datastorage, arguments)
        assert result.exit_code == 0
    assert "datastorage import cloudtrail --shift-to-now" in result.output
    assert "Exit codes" in result.output


def test_progress_on_a_pipe_is_a_line_now_and_then(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.jsonl", fresh(4))
    assert "of 4 records" not in run(path, "--batch", 2).stderr
    monkeypatch.setattr(progress, "PROGRESS_EVERY_S", 0.0)
    assert run(path, "--batch", 2).stderr.splitlines()[:2] == ["2 of 4 records", "4 of 4 records"]


def test_one_is_told_as_one(run: Run, tmp_path: Path) -> None:
    [one] = fresh(1)
    result = run(write(tmp_path / "x.jsonl", [{**one, "eventID": "no-uuid"}]))
    assert result.stdout.startswith("1 record of 1 file: 1 stored, ")
    assert "1 record has no UUID as eventID" in result.stdout


def test_progress_on_a_terminal_is_a_bar(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    result = run(write(tmp_path / "x.jsonl", [*fresh(4), record()]))
    assert "━━━" in result.stderr
    assert "5/5" in result.stderr
    assert "refused " in result.stderr
    assert "━" not in result.stdout


# Moving times


def test_shift_to_now_puts_the_newest_at_now(run: Run, stub: StubService, tmp_path: Path) -> None:
    values = records(20)
    random.Random(1).shuffle(values)
    before = datetime.now(UTC) - timedelta(seconds=1)
    result = run(write(tmp_path / "x.jsonl", values), "--shift-to-now")
    assert result.exit_code == 0
    newest = datetime.fromisoformat(stub.stored()[0]["event_timestamp"])
    assert before <= newest <= datetime.now(UTC)
    (offset,) = shifts(stub)
    assert offset.microseconds == 0
    assert f"times moved by {readable(offset)} (--shift-by {written(offset)})\n" in result.stdout
    assert stub.stored()[0]["event_data"]["eventTime"] == "2023-07-10T11:42:37Z"


def test_a_second_run_reuses_the_offset(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{**r, "eventTime": r["eventTime"][:-1] + ".123456Z"} for r in records(20)])
    assert count(run(path, "--shift-to-now"))["stored"] == 20
    offset = shifts(stub)
    later = stub.now
    stub.now = lambda: later() + timedelta(days=2)
    second = run(path, "--shift-to-now")
    assert count(second) == {"records": 20, "stored": 0, "existing": 20, "accepted": 0, "refused": 0}
    assert "as by an earlier import" in second.stdout
    assert shifts(stub) == offset
    assert summary(run(path, "--shift-to-now", "--json"))["shift_reused"] is True


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_a_run_that_was_killed_is_continued(
    run: Run, stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """However far the first run came, the second gives the rest the same offset."""
    path = write(tmp_path / "x.jsonl", records(500))
    monkeypatch.setattr(command, "HTTPClient", lambda url, token: HTTPClient(url, retry_limit_s=0.0))
    # The probes find nothing; then some batches are taken, the last of them without an answer, and all is over.
    probes = len(survey(read_records(str(path))).probes) - 1  # the last record is the newest too
    stub.script.extend([None] * (probes + batches - 1))
    stub.script.append(Canned(0, act=True))
    assert run(path, "--shift-to-now", "--batch", 10).exit_code == 1
    assert len(stub.rows) == 10 * batches
    stub.script.clear()
    monkeypatch.setattr(command, "datetime", _Later)
    second = run(path, "--shift-to-now", "--batch", 10)
    assert second.exit_code == 0
    assert count(second) == {
        "records": 500,
        "stored": 500 - 10 * batches,
        "existing": 10 * batches,
        "accepted": 0,
        "refused": 0,
    }
    assert len(shifts(stub)) == 1
    assert len(stub.rows) == 500


class _Later(datetime):
    """A clock some minutes ahead: an offset that is not reused shows."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=123)


def test_the_first_records_were_refused_in_the_killed_run(run: Run, stub: StubService, tmp_path: Path) -> None:
    values = records(100)
    for r in values[:3]:
        r["eventName"] = ""
    for r in values[3:10]:
        r["text"] = "\x00"
    path = write(tmp_path / "x.jsonl", values)
    assert count(run(path, "--shift-to-now"))["stored"] == 90
    assert count(run(path, "--shift-to-now"))["existing"] == 90
    assert len(shifts(stub)) == 1


def test_another_event_under_the_id_gives_no_offset(run: Run, stub: StubService, tmp_path: Path) -> None:
    values = records(10)
    foreign = write(tmp_path / "foreign.jsonl", [{**values[0], "other": True}])
    assert run(foreign, "--shift-by", written(to_now(START, datetime.now(UTC)) - timedelta(days=3))).exit_code == 0
    result = run(write(tmp_path / "x.jsonl", values), "--shift-to-now")
    assert result.exit_code == 0
    assert count(result)["stored"] == 10
    assert "as by an earlier import" not in result.stdout


def test_records_that_were_imported_unmoved_stay_so(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", fresh(10))
    assert run(path).exit_code == 0
    result = run(path, "--shift-to-now")
    assert count(result)["existing"] == 10
    assert "times moved by +0s (--shift-by 0s), as by an earlier import" in result.stdout


def test_the_offset_of_most_records_wins(stub: StubService, run: Run, tmp_path: Path) -> None:
    values = records(30)
    base = to_now(START, datetime.now(UTC)) - timedelta(days=1)
    assert run(write(tmp_path / "a.jsonl", values), "--shift-by", written(base)).exit_code == 0
    later = base + timedelta(hours=26)
    assert run(write(tmp_path / "b.jsonl", values[:2]), "--shift-by", written(later)).exit_code in (0, 1)
    found = survey(FileRecord("x", i, i, v) for i, v in enumerate(values))
    assert stored_offset(found.probes, HTTPClient(stub.url)) == base


def test_probing_needs_the_services_own_word(run: Run, stub: StubService, tmp_path: Path) -> None:
    """A 404 of something else must not pass for an empty store, nor an outage."""
    path = write(tmp_path / "x.jsonl", records(2))
    stub.script.append(Canned(404, b"<html>"))
    result = run(path, "--shift-to-now")
    assert result.exit_code == 1
    assert "datastorage: HTTP 404" in result.stderr
    stub.script.append(Canned(200, jsonvalue.compact({"event_data": records(1)[0], "event_timestamp": "?"}), ()))
    assert run(path, "--shift-to-now").exit_code == 1
    assert stub.rows == {}


def test_too_old_for_the_offset_of_the_first_run(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", records(5))
    assert run(path, "--shift-to-now").exit_code == 0
    stub.now = lambda: datetime.now(UTC) + timedelta(days=8)
    result = run(path, "--shift-to-now")
    assert result.exit_code == 1
    assert "hint: an earlier import moved these records, and so moved they are by now older" in result.stderr
    assert "--shift" not in result.stderr, "moved by another time they would be stored twice"


def test_a_span_of_more_than_the_service_takes(run: Run, stub: StubService, tmp_path: Path) -> None:
    """Is told as such in every run, and never with advice that would store what is there a second time."""
    values = records(2)
    values[0]["eventTime"] = "2023-06-30T11:42:19Z"  # ten days before the other
    path = write(tmp_path / "x.jsonl", values)
    for existing in (0, 1, 1):
        result = run(path, "--shift-to-now")
        assert result.exit_code == 1
        assert count(result) == {
            "records": 2,
            "stored": 1 - existing,
            "existing": existing,
            "accepted": 0,
            "refused": 1,
        }
        [hint] = [line for line in result.stderr.splitlines() if line.startswith("hint: ")]
        assert hint.startswith("hint: the records span 10d, more than the service takes back from now (7 days)")
        assert "--shift" not in hint
    moved = run(path, "--shift-by", written(shifts(stub).pop()))
    assert "hint: the records span 10d" in moved.stderr
    assert len(stub.rows) == 1


def test_what_the_service_takes_is_told_in_its_words(run: Run, stub: StubService, tmp_path: Path) -> None:
    stub._validator = Validator(AuditSettings(max_event_age=7200.0), lambda: datetime.now(UTC))
    values = fresh(2)
    values[0]["eventTime"] = (datetime.now(UTC) - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    [one] = run(write(tmp_path / "x.jsonl", values[:1])).stderr.splitlines()[1:]
    assert one.startswith("hint: the service takes events of 2 hours back from now: --shift-to-now moves")
    [both] = run(write(tmp_path / "y.jsonl", values[:1] + records(1))).stderr.splitlines()[2:]
    assert "more than the service takes back from now (2 hours)" in both


def test_what_is_kept_is_never_to_be_moved(run: Run, stub: StubService, tmp_path: Path) -> None:
    values = fresh(2)
    path = write(tmp_path / "x.jsonl", values)
    between = datetime.fromisoformat(values[0]["eventTime"]) + timedelta(days=7, seconds=0.5)
    stub.now = lambda: between
    result = run(path)
    assert (result.exit_code, count(result)["stored"]) == (1, 1)
    assert "moved by another time, the 1 record that it has would be stored twice" in result.stderr
    assert "--shift" not in result.stderr


def test_hints_on_times(run: Run, stub: StubService, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", records(2))
    assert "--shift-to-now moves the newest record to now, or all as an earlier import did" in (
        run(path, "--shift-by", "1d").stderr
    )
    ahead = written(to_now(START, datetime.now(UTC)) + timedelta(days=1))
    assert "hint: events may lie at most minutes ahead of now" in run(path, "--shift-by", ahead).stderr
    wide = records(2)
    wide[0]["eventTime"] = "2023-06-10T00:00:00Z"
    spanning = run(write(path, wide), "--shift-to-now")
    assert count(spanning)["stored"] == 1
    assert "hint: the records span 30d 11h 42m 19s, more than the service takes back" in spanning.stderr
    grown = [*wide, {**records(3)[2], "eventTime": "2023-07-11T11:42:18Z"}]
    assert "they can be imported when their time has come" in run(write(path, grown), "--shift-to-now").stderr


@pytest.mark.parametrize("shift", ["-90m", "1d12h", "-0.000001s", "0"])
def test_shift_by(run: Run, stub: StubService, tmp_path: Path, shift: str) -> None:
    values = fresh(3)
    moved = run(write(tmp_path / "x.jsonl", values), "--shift-by", shift)
    if shift == "1d12h":
        assert moved.exit_code == 1
        assert "is in the future" in moved.stderr
    else:
        assert moved.exit_code == 0
        expected = {"-90m": timedelta(minutes=-90), "-0.000001s": timedelta(microseconds=-1), "0": timedelta(0)}
        assert shifts(stub) == {expected[shift]}


@pytest.mark.parametrize(
    ("offset", "text", "shown"),
    [
        (timedelta(0), "0s", "+0s"),
        (timedelta(days=1180, seconds=3725), "101955725s", "+1180d 1h 2m 5s"),
        (timedelta(days=-1, microseconds=500_000), "-86399.5s", "-23h 59m 59s"),
        (timedelta(days=1, microseconds=1), "86400.000001s", "+1d"),
    ],
)
def test_offsets_in_words(offset: timedelta, text: str, shown: str) -> None:
    assert (written(offset), readable(offset)) == (text, shown)
    assert command._duration(None, None, text) == offset  # type: ignore[arg-type]


def test_survey_keeps_little_and_covers_the_file() -> None:
    values = (FileRecord("x", i, i, r) for i, r in enumerate(itertools.chain([{"odd": 1}], records(5000)), 1))
    found = survey(values)
    assert (found.count, found.oldest, found.newest) == (5001, START, START + timedelta(seconds=4999))
    numbers = [p.value["n"] for p in found.probes]
    assert numbers[:5] == [0, 1, 2, 3, 4]
    assert numbers[-1] == 4999
    assert len(numbers) == 17
    assert max(numbers[5:15]) > 2500


@pytest.mark.nightly
def test_the_real_records(run: Run, stub: StubService) -> None:
    assert count(run(CORPUS, "--shift-to-now"))["stored"] == 2274
    assert count(run(CORPUS, "--shift-to-now"))["existing"] == 2274
    by_id = {row["event_id"]: row["event_data"] for row in stub.stored()}
    for r in read_records(str(CORPUS)):
        assert jsonvalue.canonical(by_id[to_event(r.value)["event_id"]]) == jsonvalue.canonical(r.value)


def test_reasons_are_counted_up_to_a_number(run: Run, stub: StubService, tmp_path: Path) -> None:
    errors = {f"[{i}].event_data": f"reason {i}" for i in range(12)}
    body = json.dumps({"type": "x/y", "title": "T", "detail": "d", "field_errors": errors}).encode()
    stub.script.append(Canned(400, body, (("Content-Type", "application/problem+json"),)))
    result = run(write(tmp_path / "x.jsonl", fresh(12)), "--json")
    assert len(summary(result)["reasons"]) == 11
    assert summary(result)["reasons"]["other reasons"] == 2
