"""What is read for a reader with limits depends on what may be read: among a great many rows of others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from datastorage_common.times import rfc3339

from app.audit import queries
from app.audit.filters import event_query
from app.auth.read_limits import ReadLimits
from tests.integration.test_explain import MAX_BYTES, NOW, Explaining, cursor, midnight
from tests.read_limits import within
from tests.support import Database, PostgresServer

OTHERS, OWN = 60_000, 300
# The rows of others have the members that are asked for below; those of the reader are few, and all the older.
FILL = """
INSERT INTO audit_events (event_id, event_date, event_version, event_type, event_timestamp, event_category,
    event_action, event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id,
    namespace, cluster_name, severity, digest)
SELECT ('00000000-0000-0000-' || %(kind)s || '-' || lpad(to_hex(i), 12, '0'))::uuid, (ts AT TIME ZONE 'UTC')::date,
    '1.0', 'type', ts, %(category)s, 'a', 'success', 'c-' || i %% 3, jsonb_build_object('k', i %% 10), 'service',
    'actor', 'kind', 'resource', %(namespace)s, 'cluster', 'info', '\\x00'::bytea
FROM (SELECT i, %(since)s::timestamptz + (%(until)s::timestamptz - %(since)s::timestamptz) * (i::float8 / %(n)s) AS ts
      FROM generate_series(0, %(n)s - 1) i) s
"""
LIMITS = {
    "a namespace": within({"payments"}),
    "two": within({"payments", "nobodys"}),
    "none": within({""}),
    "none and one": within({"", "payments"}),
    "a category": within(None, {"gateway"}),
    "both": within({"payments"}, {"gateway"}),
    "unknown": within({"nobodys"}),
    "an unknown category": within(None, {"nobodys"}),
}
FORMS: list[dict[str, str]] = [
    {},
    {"limit": "1"},
    {"offset": "100"},
    {"cursor": cursor(NOW)},
    {"since": rfc3339(midnight(-1))},
    {"until": "1h"},
    {"correlation_id": "c-1"},
    {"actor_id": "actor"},
    {"actor_id": "nobody"},
    {"event_type": "type"},
    {"resource_id": "resource"},
    {"data": '{"k": 3}'},
    {"data": '{"k": -1}'},
    {"namespace": "bank"},
    {"namespace": "payments"},
    {"event_category": "workflow"},
    {"severity": "info", "cluster_name": "cluster"},
]


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, template: str) -> Iterator[Database]:
    database = postgres.make_database(template)
    kinds: list[dict[str, Any]] = [
        {"kind": "0001", "n": OTHERS, "namespace": "bank", "category": "workflow"},
        {"kind": "0002", "n": OTHERS, "namespace": "shop", "category": "analysis"},
        {"kind": "0003", "n": OWN, "namespace": "payments", "category": "gateway"},
        {"kind": "0004", "n": OWN, "namespace": None, "category": "gateway"},
    ]
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for kind in kinds:
            ends = NOW if kind["n"] == OTHERS else NOW - timedelta(days=2)
            conn.execute(FILL, {**kind, "since": midnight(-1), "until": ends})
        conn.execute("VACUUM ANALYZE audit_events")
    yield database
    database.drop()


@pytest.fixture
def explaining(filled: Database) -> Iterator[Explaining]:
    with psycopg.connect(filled.service_url, autocommit=True) as conn:
        yield Explaining(conn)


def rows_read(explaining: Explaining) -> int:
    """Rows of the table and entries of its indexes that were looked at, by all statements."""
    total = 0.0
    for plan in explaining.plans:
        for node in plan.nodes:
            if "Scan" in node["Node Type"] and "audit_events" in f"{node.get('Relation Name')}{node.get('Index Name')}":
                each = [node.get(key, 0) for key in ("Actual Rows", "Rows Removed by Filter")]
                total += node["Actual Loops"] * (sum(each) + node.get("Rows Removed by Index Recheck", 0))
    return round(total)


# One look for the keys, one for the rows, one for the count, with entries of indexes beside the rows.
MOST = 6 * 2 * OWN


@pytest.mark.parametrize("who", LIMITS)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f) or "all")
def test_a_list_walks_through_no_rows_of_others(explaining: Explaining, who: str, form: dict[str, str]) -> None:
    for count in ("none", "exact"):
        if count == "exact" and "cursor" in form:
            continue
        query = event_query({"limit": "50", **form, "count": count}, NOW, LIMITS[who])
        queries.list_events(explaining, query, MAX_BYTES)  # type: ignore[arg-type]
    assert rows_read(explaining) <= MOST


def test_a_page_without_filters_reads_no_more_than_a_page(explaining: Explaining) -> None:
    query = event_query({"limit": "5", "count": "none"}, NOW, LIMITS["a namespace"])
    queries.list_events(explaining, query, MAX_BYTES)  # type: ignore[arg-type]
    assert rows_read(explaining) < 60


@pytest.mark.parametrize("who", LIMITS)
def test_one_that_may_not_be_read_is_one_look_as_one_that_is_not_there(explaining: Explaining, who: str) -> None:
    others, missing = UUID("00000000-0000-0000-0001-000000000007"), UUID(int=7)
    for ident in (others, missing):
        assert queries.get_event(explaining, ident, LIMITS[who]) is None  # type: ignore[arg-type]
    assert len(explaining.plans) == 2
    used = [sorted(str(n.get("Index Name")) for n in plan.nodes) for plan in explaining.plans]
    assert used[0] == used[1]
    assert all("_pkey" in name for name in used[0] if "audit_events" in name)


def test_the_check_sees_rows_of_others(explaining: Explaining) -> None:
    by_hand = ReadLimits(None, None)
    query = event_query({"namespace": "payments", "actor_id": "actor"}, NOW, by_hand)
    queries.list_events(explaining, query, MAX_BYTES)  # type: ignore[arg-type]
    explaining.execute("SELECT * FROM audit_events WHERE error_message = %s", ("x",))
    assert rows_read(explaining) > OTHERS
