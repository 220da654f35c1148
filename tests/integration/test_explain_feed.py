"""What the feed reads depends on how many entries it looks at: among a great many rows of others, and months."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from datastorage_common.times import rfc3339

from app.audit import by_key
from app.audit.by_key import EventKey
from app.audit.filters import event_query
from app.audit.shapes import ITEMS
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.postgres.partitions import add_months
from app.postgres.statements import Sql
from tests.integration.test_explain import MAX_BYTES, NOW, TODAY, Explaining, midnight
from tests.integration.test_explain_read_limits import FILL, LIMITS, OTHERS, OWN
from tests.support import Database, PostgresServer

Keys = Callable[..., list[EventKey]]

MONTHS = {n: f"{add_months(TODAY, n):%Y_%m}" for n in (-1, 0, 1)}
READERS: dict[str, ReadLimits] = {"unlimited": EVERYTHING, **LIMITS}
# What very many rows have, a few, or none.
FORMS: list[dict[str, str]] = [
    {},
    {"namespace": "bank"},
    {"namespace": "payments"},
    {"namespace": "nobodys"},
    {"namespace": "bank", "event_category": "workflow", "event_outcome": "success"},
    {"event_category": "workflow"},
    {"event_type": "type"},
    {"severity": "info", "cluster_name": "cluster"},
    {"actor_type": "service", "actor_id": "actor"},
    {"resource_type": "kind", "resource_id": "resource"},
    {"correlation_id": "c-1"},
    {"correlation_id": "nothing"},
    {"request_id": "nothing"},
    {"data": '{"k": 3}'},
    {"data": "{}"},
    {"data": '{"k": -1}'},
    {"since": rfc3339(midnight(0))},
    {"until": rfc3339(midnight(0))},
    {"since": rfc3339(midnight(-1)), "until": rfc3339(midnight(1)), "namespace": "bank"},
]


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, template: str) -> Iterator[Database]:
    """A great many events of two teams and few of others, over this month and last month; and notifications."""
    database = postgres.make_database(template)
    kinds: list[dict[str, Any]] = [
        {"kind": "0001", "n": OTHERS, "namespace": "bank", "category": "workflow"},
        {"kind": "0002", "n": OTHERS, "namespace": "shop", "category": "analysis"},
        {"kind": "0003", "n": OWN, "namespace": "payments", "category": "gateway"},
        {"kind": "0004", "n": OWN, "namespace": None, "category": "gateway"},
    ]
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for kind in kinds:
            conn.execute(FILL, {**kind, "since": midnight(-1), "until": midnight(0) + timedelta(days=20)})
        conn.execute(
            "INSERT INTO notification_audit (remediation_id, notification_id, recipient, channel, message_summary, "
            "status, sent_at, digest) SELECT 'r', n, 'x', 'email', 'm', 'sent', now(), '' "
            "FROM generate_series(1, %s) AS n",
            (OTHERS,),
        )
        conn.execute("VACUUM ANALYZE audit_events, notification_audit")
    yield database
    database.drop()


@pytest.fixture
def explaining(filled: Database) -> Iterator[Explaining]:
    with psycopg.connect(filled.service_url, autocommit=True) as conn:
        yield Explaining(conn)


@pytest.fixture(scope="module")
def keys(filled: Database) -> Keys:
    """Keys of events as entries of the log name them, of every kind in turn, of one month or of all."""

    @functools.cache
    def of(number: int, month: int | None = None) -> list[EventKey]:
        first = midnight(-1 if month is None else month)
        rows = filled.query(
            "SELECT event_id::text, event_date FROM audit_events WHERE event_timestamp >= %s AND event_timestamp < %s "
            "ORDER BY md5(event_id::text) LIMIT %s",
            *(first, midnight(2 if month is None else month + 1), number),
        )
        assert len(rows) == number
        return [EventKey(ident, day, at) for at, (ident, day) in enumerate(rows)]

    return of


def conditions(form: dict[str, str]) -> list[Sql]:
    return event_query(form, NOW, EVERYTHING).filters


def executed(explaining: Explaining) -> list[dict[str, Any]]:
    """The nodes of all plans that were run: for a month that no key is of, none is."""
    return [node for plan in explaining.plans for node in plan.nodes if node["Actual Loops"]]


def partitions(explaining: Explaining) -> set[str]:
    return {month for plan in explaining.plans for month in plan.partitions}


def rows_read(explaining: Explaining, table: str) -> int:
    """Rows of a table that were looked at, whether they were wanted or not."""
    total = 0.0
    for node in executed(explaining):
        if str(node.get("Relation Name", "")).startswith(table):
            each = [node.get(key, 0) for key in ("Actual Rows", "Rows Removed by Filter")]
            total += node["Actual Loops"] * (sum(each) + node.get("Rows Removed by Index Recheck", 0))
    return round(total)


def assert_by_key(explaining: Explaining) -> None:
    """Each row of the audit was found by the primary key of its table."""
    for node in executed(explaining):
        if "audit" in str(node.get("Relation Name", "")):
            assert node["Node Type"] in ("Index Scan", "Index Only Scan"), node
            assert node["Index Name"].endswith("_pkey"), node


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f) or "all")
def test_what_is_asked_for_is_picked_by_key(explaining: Explaining, keys: Keys, who: str, form: dict[str, str]) -> None:
    """Whatever an index may have of it, and whoever asks."""
    looked_at = keys(256)
    picked = by_key.pick_events(explaining, looked_at, conditions(form), READERS[who], 100)  # type: ignore[arg-type]
    assert len(picked) <= 100
    assert_by_key(explaining)
    assert rows_read(explaining, "audit_events") == pytest.approx(256, rel=0.02), "averages of loops are rounded"


@pytest.mark.parametrize("number", [1, 256, 4096])
@pytest.mark.parametrize("month", [-1, 0])
def test_months_that_no_entry_names_are_left_alone(explaining: Explaining, keys: Keys, number: int, month: int) -> None:
    looked_at = keys(number, month)
    for who in ("unlimited", "a namespace"):
        by_key.pick_events(explaining, looked_at, conditions({"namespace": "bank"}), READERS[who], number)  # type: ignore[arg-type]
    assert partitions(explaining) == {MONTHS[month]}
    assert_by_key(explaining)
    assert rows_read(explaining, "audit_events") == pytest.approx(2 * number, rel=0.02)


@pytest.mark.parametrize("number", [1, 7, 100])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("who", ["unlimited", "a namespace"])
def test_a_page_is_read_by_key(explaining: Explaining, keys: Keys, number: int, large: bool, who: str) -> None:
    for month in (-1, 0):
        explaining.plans.clear()
        wanted = keys(number, month)
        found = by_key.events(explaining, wanted, READERS[who], ITEMS, MAX_BYTES, salts=True, large=large)  # type: ignore[arg-type]
        assert list(found.records) == [key.at for key in wanted]
        assert_by_key(explaining)
        assert partitions(explaining) == {MONTHS[month]}
        # Those that are there are numbered first, where there may not be room for all.
        assert rows_read(explaining, "audit_events") == number * (2 if large else 1)


@pytest.mark.parametrize("number", [1, 100])
def test_notifications_are_read_by_key(explaining: Explaining, number: int) -> None:
    wanted = [(1 + n * OTHERS // number, n) for n in range(number)]
    found = by_key.notifications(explaining, wanted, EVERYTHING, ITEMS, salts=True)  # type: ignore[arg-type]
    assert list(found.records) == list(range(number))
    assert_by_key(explaining)
    assert rows_read(explaining, "notification_audit") == number


def test_who_may_read_no_notifications_makes_nobody_look(explaining: Explaining) -> None:
    found = by_key.notifications(explaining, [(1, 0), (2, 1)], READERS["a namespace"], ITEMS, salts=True)  # type: ignore[arg-type]
    assert found.records == {}
    assert rows_read(explaining, "notification_audit") == 0


def test_a_month_that_was_empty_when_the_feed_was_first_read(database: Database) -> None:
    """A plan that was right then is not kept: nobody has said since that there are rows."""
    kind = {"kind": "0001", "n": 2000, "namespace": "bank", "category": "workflow"}
    read = (
        "SELECT coalesce(sum(seq_tup_read), 0)::int FROM pg_stat_xact_all_tables WHERE starts_with(relname, 'audit_ev')"
    )
    with (
        psycopg.connect(database.owner_url, autocommit=True) as writer,
        psycopg.connect(database.service_url, autocommit=True) as reader,
    ):
        reader.prepare_threshold = 0
        for month in (-1, 0):
            writer.execute(FILL, {**kind, "since": midnight(month), "until": midnight(month + 1)})
            rows = writer.execute(
                "SELECT event_id::text, event_date FROM audit_events WHERE event_timestamp >= %s LIMIT 100",
                (midnight(month),),
            )
            wanted = [EventKey(ident, day, at) for at, (ident, day) in enumerate(rows)]
            if month < 0:
                writer.execute("ANALYZE audit_events")
            with reader.transaction():
                for _ in range(10):
                    assert len(by_key.pick_events(reader, wanted, [], EVERYTHING, 100)) == 100
                    for large in (False, True):
                        page = by_key.events(reader, wanted, EVERYTHING, ITEMS, MAX_BYTES, salts=False, large=large)
                        assert len(page.records) == 100
                seen = reader.execute(read).fetchone()
        assert seen is not None
        # A few times whole, each month, is no worse than a hundred keys by an index.
        assert seen[0] <= 10 * 4 * 2 * kind["n"]


def test_the_check_sees_rows_of_others(explaining: Explaining) -> None:
    statement = "SELECT count(*) FROM audit_events WHERE namespace = %s AND error_message IS NULL"
    explaining.execute(statement, ("bank",))
    assert rows_read(explaining, "audit_events") >= OTHERS
    with pytest.raises(AssertionError):
        assert_by_key(explaining)
