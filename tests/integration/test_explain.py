"""Each form of query that the API has finds its rows by an index: among 100,000 events, and nightly a million."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from datastorage_common.times import rfc3339

from app.audit import queries
from app.audit.filters import event_query
from app.auth.read_limits import EVERYTHING
from app.postgres.lists import Cursor
from app.postgres.partitions import add_months
from tests.log_support import sequencers, turn, waiting
from tests.support import Database, PostgresServer

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()
MAX_BYTES = 8 * 1024**2
FILL = """
INSERT INTO audit_events (event_id, event_date, event_version, event_type, event_timestamp, event_category,
    event_action, event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id,
    namespace, cluster_name, severity, request_id, digest)
SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(i), 12, '0'))::uuid, (ts AT TIME ZONE 'UTC')::date, '1.0',
    'type.' || i %% 200, ts, (ARRAY['gateway', 'workflow', 'analysis'])[1 + i %% 3], 'a',
    (ARRAY['success', 'success', 'success', 'failure', 'pending'])[1 + i %% 5], 'c-' || i %% %s,
    jsonb_build_object('i', i, 'k', i %% 1000), 'service', 'actor-' || i %% 1000, 'kind-' || i %% 20,
    'resource-' || i %% 50000, 'ns-' || i %% 50, 'cluster-' || i %% 5, (ARRAY['info', 'warning'])[1 + i %% 2],
    CASE WHEN ts >= %s THEN 'request-' || i / 100 END, '\\x00'::bytea
FROM (SELECT i, %s::timestamptz + (%s::timestamptz - %s::timestamptz) * (i::float8 / %s) AS ts
      FROM generate_series(0, %s - 1) i) s
"""
SECONDARY = (
    "SELECT indexrelid::regclass::text, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index "
    "WHERE indrelid = 'audit_events'::regclass AND NOT indisprimary"
)


def midnight(months: int) -> datetime:
    return datetime.combine(add_months(TODAY, months), datetime.min.time(), UTC)


@pytest.fixture(scope="module", params=[100_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def rows(request: pytest.FixtureRequest) -> int:
    """How many events there are."""
    return int(request.param)


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, template: str, rows: int) -> Iterator[Database]:
    """So many events, evenly over last, this and next month."""
    database = postgres.make_database(template)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        # The primary key is there from the start; the others are built at the end, which is faster.
        indexes = conn.execute(SECONDARY).fetchall()
        assert indexes
        for name, _ in indexes:
            conn.execute(f"DROP INDEX {name}")
        # The events of last month are of a release that noted no request ids.
        conn.execute(FILL, (rows // 10, midnight(0), midnight(-1), midnight(2), midnight(-1), rows, rows))
        conn.execute("SET maintenance_work_mem = '128MB'")
        for _, definition in indexes:
            conn.execute(definition)
        # The month after next has no rows: reading nothing whole is right, and proves nothing.
        conn.execute(f"DROP TABLE audit_events_{add_months(TODAY, 2):%Y_%m}")
        conn.execute("ANALYZE audit_events")
    # Each row says where it is in the log: that has to be found by an index too.
    with sequencers(database) as [one]:
        while waiting(database):
            turn(one)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("ANALYZE log_places, log_bundles, log_tiles, log_salts")
    yield database
    database.drop()


@dataclass
class Plan:
    """What PostgreSQL did for a statement."""

    nodes: list[dict[str, Any]]

    @property
    def scanned(self) -> set[str]:
        """Partitions, and tables of the log, that a sequential scan reads whole; there are no old salts to be read."""
        return {n["Relation Name"] for n in self.nodes if n["Node Type"] == "Seq Scan"} - {"log_salts"}

    @property
    def partitions(self) -> set[str]:
        """Partitions that were touched at all."""
        names = {str(n.get("Relation Name")) for n in self.nodes if n["Actual Loops"]}
        return {n.removeprefix("audit_events_") for n in names if n.startswith("audit_events_")}


class Explaining:
    """Stands in for a connection: explains each statement before it runs it."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self.conn = conn
        self.plans: list[Plan] = []

    def execute(self, statement: str, parameters: Any, **_: Any) -> Any:
        row = self.conn.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).fetchone()
        assert row is not None
        nodes: list[dict[str, Any]] = []
        stack = [row[0][0]["Plan"]]
        while stack:
            node = stack.pop()
            nodes.append(node)
            stack += node.get("Plans", [])
        self.plans.append(Plan(nodes))
        return self.conn.execute(statement, parameters)


@pytest.fixture
def explaining(filled: Database) -> Iterator[Explaining]:
    with psycopg.connect(filled.service_url, autocommit=True) as conn:
        yield Explaining(conn)


def page(explaining: Explaining, **arguments: str) -> Plan:
    query = event_query({"count": "none", **arguments}, NOW, EVERYTHING)
    queries.list_events(explaining, query, MAX_BYTES)  # type: ignore[arg-type]
    (plan,) = explaining.plans
    return plan


def cursor(at: datetime) -> str:
    return Cursor(at, str(UUID(int=0))).encode()


MIDDLE = midnight(0) + timedelta(days=10)
FORMS: list[dict[str, str]] = [
    {},
    {"limit": "one in a thousand"},
    {"offset": "2000"},
    {"cursor": cursor(MIDDLE)},
    {"since": rfc3339(MIDDLE)},
    {"until": rfc3339(MIDDLE)},
    {"since": "24h", "until": rfc3339(NOW)},
    {"data": '{"i": 4711}'},
    {"data": '{"i": 4711}', "correlation_id": "c-4711"},
    {"data": '{"i": -1}'},
    {"correlation_id": "c-5", "event_outcome": "failure", "since": rfc3339(MIDDLE)},
    {"event_category": "gateway", "event_outcome": "failure", "severity": "info", "namespace": "ns-5"},
    {"actor_id": "actor-5", "cursor": cursor(MIDDLE)},
]
FILTERS = {
    "event_type": "type.5",
    "event_category": "gateway",
    "event_outcome": "failure",
    "severity": "warning",
    "correlation_id": "c-5",
    "actor_type": "service",
    "actor_id": "actor-5",
    "resource_type": "kind-5",
    "resource_id": "resource-5",
    "namespace": "ns-5",
    "cluster_name": "cluster-3",
    "request_id": "request-500",
}
FORMS += [{name: value} for name, value in FILTERS.items()]
FORMS += [{name: value, "since": rfc3339(MIDDLE)} for name, value in FILTERS.items()]
FORMS += [{name: value, "cursor": cursor(MIDDLE)} for name, value in FILTERS.items()]
# Values that nothing has.
SELECTIVE = ("event_type", "correlation_id", "actor_id", "resource_id", "request_id")
FORMS += [{name: "nobody"} for name in SELECTIVE]


# By its members alone: values that go by today's date would make other names in another process.
@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f) or "all")
def test_each_form_uses_an_index(explaining: Explaining, form: dict[str, str], rows: int) -> None:
    if "limit" in form:
        form = {"limit": str(rows // 1000)}  # a page that is a larger part of the table is best read whole
    plan = page(explaining, **form)
    assert plan.scanned == set()
    assert any("Index" in n["Node Type"] for n in plan.nodes)
    # Whole months are left out where time bounds them, whichever side asks.
    previous, following = (add_months(TODAY, n).strftime("%Y_%m") for n in (-1, 1))
    if form.get("since") == rfc3339(MIDDLE):
        assert previous not in plan.partitions
    if form.get("until") or form.get("cursor"):
        assert following not in plan.partitions


@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f) or "all")
def test_a_page_of_large_events_uses_the_same_indexes(explaining: Explaining, form: dict[str, str], rows: int) -> None:
    if "limit" in form:
        form = {"limit": str(rows // 1000)}
    asked = event_query({"count": "none", **form}, NOW, EVERYTHING)
    queries.list_events(explaining, asked, 1, large=True)  # type: ignore[arg-type]
    assert explaining.plans[-1].scanned == set()


@pytest.mark.parametrize(
    "name", ["event_category", "severity", "actor_type", "resource_type", "namespace", "cluster_name"]
)
def test_a_value_that_nothing_has(explaining: Explaining, name: str) -> None:
    assert page(explaining, **{name: "nobody"}).scanned == set()


@pytest.mark.parametrize(
    ("form", "index"),
    [
        ({"request_id": "request-500"}, "request_id"),  # all of them in one month
        ({"request_id": "nobody"}, "request_id"),
        ({"namespace": "rare"}, "namespace"),
    ],
)
def test_an_index_of_its_own_is_used_in_every_month(explaining: Explaining, form: dict[str, str], index: str) -> None:
    plan = page(explaining, **form)
    months = {add_months(TODAY, n).strftime("%Y_%m") for n in (-1, 0, 1)}
    assert plan.partitions == months
    used = {n["Index Name"]: n for n in plan.nodes if n.get("Index Name", "").startswith("audit_events_2")}
    found = {m for m in months for name in used if m in name and index in name}
    assert found == months
    assert sum(n.get("Rows Removed by Filter", 0) for n in plan.nodes) == 0


def test_one_event_by_its_id(explaining: Explaining) -> None:
    found = queries.get_event(explaining, UUID(int=50_000), EVERYTHING)  # type: ignore[arg-type]
    assert found is not None
    assert b'"i": 50000' in found.body
    assert explaining.plans[0].scanned == set()


@pytest.mark.parametrize(
    "form", [{"correlation_id": "c-5"}, {"actor_id": "actor-5"}, {"since": "24h", "until": "0h"}, {"data": '{"k": 5}'}]
)
def test_counting_what_a_filter_picks(explaining: Explaining, form: dict[str, str]) -> None:
    queries.list_events(explaining, event_query({"limit": "1", **form}, NOW, EVERYTHING), MAX_BYTES)  # type: ignore[arg-type]
    assert len(explaining.plans) == 2
    assert explaining.plans[1].scanned == set()


def test_the_check_sees_a_sequential_scan(explaining: Explaining, filled: Database, rows: int) -> None:
    explaining.execute("SELECT * FROM audit_events WHERE error_message = %s", ("x",))
    assert len(explaining.plans[0].scanned) >= 3
    assert filled.count() == rows
