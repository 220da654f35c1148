"""`datastorage export --format parquet`, read back: the rows of the service by day, with types and every digit."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage

from app.audit.shapes import EVENT_MEMBERS, NOTIFICATION_MEMBERS
from tests.unit.client.cli.deaths import dies_at
from tests.unit.client.export_service import ExportService, event
from tests.unit.client.feed_service import notification

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: make venv")
pq = pytest.importorskip("pyarrow.parquet")
parquet = pytest.importorskip("datastorage_client.cli.exports.parquet")

Run = Callable[..., Result]
EXACT = 123456789012345678901234567890


def on(index: int, day: str, **members: Any) -> dict[str, Any]:
    """An event of a day."""
    moment = f"{day}T10:00:00.00000{index % 10}Z"
    return event(index) | {"event_date": day, "event_timestamp": moment, **members}


ITEMS = [
    on(0, "2026-01-05", duration_ms=7, parent_event_date="2026-01-04", severity="high"),
    on(1, "2026-01-06", is_sensitive=True, error_message='"é\r\n='),
    on(2, "2026-01-05", event_data={"exact": EXACT, "text": "\u0001é"}, log_index=2**40),
    on(3, "2026-01-07", log_index=None),
]


@pytest.fixture
def stub() -> Iterator[ExportService]:
    with ExportService([*ITEMS]) as running:
        yield running


@pytest.fixture
def run(stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("DATASTORAGE_URL", stub.url)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        made = CliRunner().invoke(
            datastorage, ["export", "--format", "parquet", "--output", "out", *map(str, arguments)]
        )
        if made.exception is not None and not isinstance(made.exception, SystemExit):
            raise made.exception
        return made

    return invoke


def rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """By the name of the file."""
    return {path.name: pq.read_table(path).to_pylist() for path in sorted(folder.iterdir())}


def as_read(item: dict[str, Any]) -> dict[str, Any]:
    """A row of the service as a reader of Parquet has it."""
    dates, moments = ("event_date", "parent_event_date"), ("event_timestamp", "recorded_at")
    moments += ("sent_at", "created_at", "updated_at")
    found = {name: value for name, value in item.items() if name != "kind"}
    for name, value in found.items():
        if value is not None and name in dates:
            found[name] = date.fromisoformat(value)
        if value is not None and name in moments:
            found[name] = datetime.fromisoformat(value).astimezone(UTC)
    if "event_data" in found:
        found["event_data"] = json.dumps(found["event_data"], separators=(",", ":"), ensure_ascii=False)
    return found


def test_a_file_a_day_with_types_and_every_digit(run: Run, stub: ExportService, tmp_path: Path) -> None:
    result = run("--json")
    assert result.exit_code == 0, result.stderr
    found = rows(tmp_path / "out")
    assert found == {
        "audit-events-2026-01-05.parquet": [as_read(ITEMS[0]), as_read(ITEMS[2])],
        "audit-events-2026-01-06.parquet": [as_read(ITEMS[1])],
        "audit-events-2026-01-07.parquet": [as_read(ITEMS[3])],
    }
    assert str(EXACT) in found["audit-events-2026-01-05.parquet"][1]["event_data"]
    assert json.loads(result.stdout)["files"] == [f"out/{name}" for name in found]
    schema = pq.read_schema(tmp_path / "out" / "audit-events-2026-01-05.parquet")
    types = {"event_date": pa.date32(), "event_timestamp": pa.timestamp("us", tz="UTC"), "is_sensitive": pa.bool_()}
    types |= {"duration_ms": pa.int32(), "log_index": pa.int64(), "event_data": pa.string(), "event_id": pa.string()}
    assert {name: schema.field(name).type for name in types} == types


def test_its_columns_are_the_members_of_the_service() -> None:
    assert parquet.MEMBERS == {"audit-events": EVENT_MEMBERS, "notifications": NOTIFICATION_MEMBERS}


def test_both_kinds_and_their_salts(run: Run, stub: ExportService, tmp_path: Path) -> None:
    stub.items = [ITEMS[0] | {"salt": "ab"}, notification(1) | {"digest": "cd"}]
    assert run("--kinds", "audit_event,notification", "--salts").exit_code == 0
    found = rows(tmp_path / "out")
    [of_event], [record] = found["audit-events-2026-01-05.parquet"], found["notifications-2026-01-05.parquet"]
    assert (of_event["salt"], record["digest"], record["id"]) == ("ab", "cd", 1)
    assert record["sent_at"] == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert record["delivery_status"] is None


def test_more_days_than_files_are_open(
    run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(parquet, "_MOST_OPEN", 2)
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 1500)
    monkeypatch.setattr(parquet, "_GROUP_BYTES", 4000)
    stub.items = [on(index, f"2026-01-{1 + index % 9:02}") for index in range(270)]
    assert run().exit_code == 0
    found = rows(tmp_path / "out")
    for day, of_day in enumerate(found.values()):
        assert of_day == [as_read(item) for item in stub.items[day::9]]
    assert len(found) == 9
    assert 3 < pq.ParquetFile(tmp_path / "out" / "audit-events-2026-01-01.parquet").num_row_groups < 30


def test_no_row_makes_no_file(run: Run, stub: ExportService, tmp_path: Path) -> None:
    stub.items = []
    assert run().exit_code == 0
    assert os.listdir(tmp_path / "out") == []


def test_a_member_that_this_release_does_not_know_is_told(run: Run, stub: ExportService) -> None:
    stub.items = [ITEMS[0] | {"mood": "good"}]
    result = run()
    assert (result.exit_code, "does not know it: mood" in result.stderr) == (0, True)


@pytest.mark.parametrize(
    "members", [{"event_date": "../../../x"}, {"event_date": "2026-01-05/.."}, {"duration_ms": "7"}]
)
def test_what_is_no_row_is_refused(run: Run, stub: ExportService, tmp_path: Path, members: dict[str, Any]) -> None:
    stub.items = [ITEMS[0] | members]
    result = run()
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert not [*tmp_path.rglob("*.parquet"), *tmp_path.parent.glob("x*")]


def test_what_is_there_stays_without_force_and_with_it_no_day_of_before_is_left(
    run: Run, stub: ExportService, tmp_path: Path
) -> None:
    assert run().exit_code == 0
    (tmp_path / "out" / "mine.parquet").write_text("mine")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    stub.items = stub.items[:1]
    refused = run()
    assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert run("--force").exit_code == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["audit-events-2026-01-05.parquet", "mine.parquet"]


def test_killed_between_any_two_steps(
    run: Run, stub: ExportService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = {path: [as_read(item) for item in ITEMS if item["event_date"] in path] for path in (
        "audit-events-2026-01-05.parquet", "audit-events-2026-01-06.parquet", "audit-events-2026-01-07.parquet",
    )}  # fmt: skip
    for step in range(80):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder, monkeypatch.context() as patched:
            patched.chdir(folder)
            with dies_at(step, "replace", "unlink", "fsync", "write", "mkdir") as death:
                run()
            assert run().exit_code == (0 if death.came else 2)
            assert rows(Path(folder) / "out") == expected
        if not death.came:
            break
    else:
        pytest.fail("it has more steps than that")
