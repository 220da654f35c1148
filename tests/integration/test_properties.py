"""What must hold for any event, any batch, any pages."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, timedelta
from itertools import pairwise
from typing import Any

import pytest
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.service import BATCH, NOW, Service, exact, running
from tests.support import PostgresServer, event
from tests.unit.common.test_jsonvalue import NUMBERS

CATEGORIES = ("gateway", "notification", "analysis", "signalprocessing", "workflow", "execution", "orchestration")


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


def text(low: int, high: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=low, max_size=high)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


numbers = st.integers() | st.integers(-(10**60), 10**60) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text(0, 20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text(0, 8), inner, max_size=4),
    max_leaves=15,
)
times = st.datetimes(
    (NOW - timedelta(days=7)).replace(tzinfo=None), (NOW + timedelta(minutes=5)).replace(tzinfo=None)
).map(lambda t: t.replace(tzinfo=UTC))
events = st.fixed_dictionaries(
    {
        "version": text(1, 20),
        "event_type": text(1, 100),
        "event_timestamp": times.map(rfc3339),
        "event_category": st.sampled_from(CATEGORIES) | st.from_regex("[a-z][a-z0-9._-]{0,49}", fullmatch=True),
        "event_action": text(1, 50),
        "event_outcome": st.sampled_from(["success", "failure", "pending"]),
        "correlation_id": text(1, 255),
        "event_data": st.dictionaries(text(0, 10), values, max_size=5),
    },
    optional={
        "actor_type": text(1, 50),
        "actor_id": text(1, 255),
        "resource_type": text(1, 50),
        "resource_id": text(1, 255),
        "namespace": maybe(text(0, 253)),
        "cluster_name": maybe(text(0, 255)),
        "severity": maybe(text(0, 20)),
        "duration_ms": maybe(st.integers(0, 2**31 - 1)),
        "trace_id": maybe(text(0, 255)),
        "span_id": maybe(text(0, 255)),
        "actor_ip": maybe(st.ip_addresses(v=4).map(str)),
        "error_code": maybe(text(0, 50)),
        "error_message": maybe(text(0, 300)),
        "is_sensitive": st.booleans(),
        "retention_days": st.integers(1, 2555),
    },
)


def expected(sent: dict[str, Any]) -> dict[str, Any]:
    """The contract's defaults, written out a second time."""
    category = sent["event_category"]
    row = {
        "actor_type": "service",
        "actor_id": f"{category}-service",
        "resource_type": category,
        "resource_id": sent["correlation_id"],
        **dict.fromkeys(("parent_event_id", "namespace", "cluster_name", "duration_ms", "trace_id", "span_id")),
        **dict.fromkeys(("actor_ip", "error_code", "error_message")),
        "severity": "info",
        "is_sensitive": False,
        "retention_days": 2555,
        **exact(json.dumps(sent).encode()),
    }
    row["namespace"] = row["namespace"] or None
    row["cluster_name"] = row["cluster_name"] or None
    row["severity"] = "info" if row["severity"] == "" else row["severity"]
    row["event_date"] = sent["event_timestamp"][:10]
    return row


@given(sent=events, own_id=st.booleans())
def test_any_accepted_event_reads_back_equal_and_is_recorded_once(
    service: Service, sent: dict[str, Any], own_id: bool
) -> None:
    if own_id:  # fresh each time: a drawn one comes again
        sent = {**sent, "event_id": str(uuid.uuid4())}
    first = service.post(sent)
    assert first.status_code == 201, first.text
    row = service.row(first.json["event_id"])
    wanted = expected(sent)
    assert {name: row[name] for name in wanted} == wanted
    before = service.database.count()
    again = service.post({**sent, "event_id": first.json["event_id"].upper()})
    assert (again.status_code, again.json["event_id"]) == (200, first.json["event_id"])
    assert service.database.count() == before


FAULTS: list[dict[str, Any]] = [
    {"version": ""},
    {"event_type": "x" * 101},
    {"event_outcome": "SUCCESS"},
    {"event_timestamp": "2026-01-05T10:05:00.000001Z"},
    {"event_data": {"k": "\0"}},
    {"event_data": []},
    {"actor_ip": "x"},
    {"parent_event_id": str(uuid.UUID(int=99))},
]


@given(batch=st.lists(st.tuples(events, st.none() | st.sampled_from(FAULTS)), min_size=1, max_size=6))
def test_any_batch_is_all_or_nothing(
    service: Service, batch: list[tuple[dict[str, Any], dict[str, Any] | None]]
) -> None:
    mark = uuid.uuid4().hex
    fixed = [{**e, "correlation_id": mark, "event_id": str(uuid.uuid4())} for e, _ in batch]
    body = [{**e, **(fault or {})} for e, (_, fault) in zip(fixed, batch, strict=True)]
    answer = service.post(body, BATCH)
    bad = [i for i, (_, fault) in enumerate(batch) if fault]
    stored = service.list(correlation_id=mark)["data"]
    if bad:
        assert answer.status_code == 400
        assert stored == []
        named = {int(key[1 : key.index("]")]) for key in answer.json["field_errors"]}
        # Missing parents are found when everything else is right.
        early = {i for i in bad if "parent_event_id" not in (batch[i][1] or {})}
        assert named == (early or set(bad))
    else:
        assert answer.status_code == 201, answer.text
        assert {row["event_id"] for row in stored} == {e["event_id"] for e in body} == set(answer.json["event_ids"])


@pytest.mark.parametrize("size", [3, 50])
def test_cursor_pages_give_each_row_once_while_writers_write(
    postgres: PostgresServer, template: str, size: int
) -> None:
    with running(postgres, template) as s:

        def some(n: int, mark: str) -> list[dict[str, Any]]:
            # Many share a moment, so that pages end inside of one.
            moments = [rfc3339(NOW - timedelta(hours=uuid.uuid4().int % 40)) for _ in range(n)]
            return [event(event_timestamp=t, correlation_id=mark) for t in moments]

        first = s.post(some(200, "before"), BATCH).json["event_ids"]
        stop = threading.Event()
        written: list[int] = []

        def write() -> None:
            while not stop.is_set():
                written.append(s.post(some(5, "during"), BATCH).status_code)

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        rows: list[dict[str, Any]] = []
        pages = 0
        parameters: dict[str, Any] = {"limit": size}
        try:
            while True:
                page = s.list(**parameters)
                rows += page["data"]
                pages += 1
                if not page["pagination"]["has_more"]:
                    break
                parameters["cursor"] = page["pagination"]["next_cursor"]
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        assert pages > 200 // size
        assert written
        assert set(written) == {201}
        times = Counter(row["event_id"] for row in rows)
        assert set(times.values()) == {1}
        assert set(first) <= set(times)
        assert any(row["correlation_id"] == "during" for row in rows)
        keys = [(row["event_timestamp"], row["event_id"]) for row in rows]
        assert all(a > b for a, b in pairwise(keys))


@given(st.lists(NUMBERS, max_size=20))
def test_numbers_are_measured_as_postgresql_writes_them(service: Service, numbers: list[Any]) -> None:
    written = jsonvalue.compact(numbers).decode()
    [(size,)] = service.database.query("SELECT octet_length(replace(%s::jsonb::text, ' ', ''))", written)
    # It writes -0 as 0.
    assert 0 <= jsonvalue.written_bytes(numbers) - size <= len(numbers)
