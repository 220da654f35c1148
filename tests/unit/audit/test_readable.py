"""What the limits of a reader become, and that no statement reads a table of the audit past them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.audit import queries, readable
from app.audit.filters import event_query, notification_query
from app.auth.read_limits import EVERYTHING, NOTHING, ReadLimits
from app.postgres.statements import Sql, statements
from tests.read_limits import LIMITS, NARROW
from tests.tree import ROOT, modules
from tests.unit.fakes import NOW, UUID_1

# What stands behind the name of a table of the audit, where rows are read.
READS = re.compile(r"\b(?:FROM|JOIN|TABLE|COPY)\s+(?:ONLY\s+)?(audit_events|notification_audit)\b", re.IGNORECASE)
# Statements that read the tables by name, and why they may.
BY_NAME = {
    ("audit_queries", "event_page"): "reads the rows whose keys event_keys has picked",
    ("audit_queries", "large_event_rows"): "reads the rows whose keys event_keys or events_picked has picked",
    ("audit_queries", "events_in_order"): "reads the rows whose keys events_picked has picked, for readers with limits",
    ("audit_queries", "event_keys_in_order"): "says which of those keys have rows",
    ("audit_queries", "holds_of_event"): "says by which holds an event is held whose row was read within the limits",
    ("audit", "event_digests"): "tells a writer whether what he has sent himself is there",
    ("audit", "notification_digests"): "tells a writer whether what he has sent himself is there",
    ("log", "old_events"): "gives the sequencer what the log has to take in, whoever may read it",
    ("log", "old_left"): "counts for the operator what the log has to take in",
    ("log", "without_place"): "counts for the operator what came past the log",
    ("log", "old_notifications"): "gives the sequencer what the log has to take in, whoever may read it",
    ("verify", "events"): "holds records against the log, for who owns the database",
    ("verify", "notifications"): "holds records against the log, for who owns the database",
    ("verify", "totals"): "counts the records that have to have an entry",
    ("verify", "old_waiting"): "counts what the log has to take in",
    ("verify", "event_rows"): "looks for records without an entry",
    ("verify", "notification_rows"): "looks for records without an entry",
    ("readable", "rows_to_count"): "holds the limits",
    ("readable", "newest_of_each"): "holds the limits",
}
NARROWED = {
    ("audit_queries", "event_keys"),
    ("audit_queries", "event"),
    ("audit_queries", "readable_parents"),
    ("audit_queries", "notification_page"),
    ("audit_queries", "count_events"),
    ("audit_queries", "count_notifications"),
    ("audit_queries", "events_picked"),
    ("audit_queries", "notifications_in_order"),
    ("audit_queries", "notifications_picked"),
    ("audit", "parents"),
    ("log_reads", "event"),
    ("log_reads", "notification"),
}
FILES = [p.stem for p in sorted((ROOT / "sql").glob("*.sql")) if not re.match(r"\d{4}_|grants", p.name)]
FORMS: list[dict[str, str]] = [
    {},
    {"severity": "a", "since": "1h", "until": "0h"},
    {"namespace": "n", "data": "{}", "offset": "7"},
]


def test_every_statement_that_reads_is_narrowed_or_has_a_reason() -> None:
    named, narrowed = set(), set()
    for file in FILES:
        for name, text in statements(file).items():
            if READS.search(text):
                named.add((file, name))
            if "{readable}" in text:
                narrowed.add((file, name))
    assert named == set(BY_NAME)
    assert narrowed == NARROWED
    assert "{limits}" in statements("readable")["newest_of_each"]
    assert "{limits}" in statements("readable")["rows_to_count"]


def test_no_module_reads_a_table_by_name() -> None:
    assert not [path for path in modules("app") if READS.search(path.read_text())]


def test_a_query_cannot_be_made_without_limits() -> None:
    with pytest.raises(TypeError):
        event_query({}, NOW)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        queries.Query((), (), 50, 0, None, True)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        queries.get_event(None, UUID_1)  # type: ignore[call-arg, arg-type]


def test_without_limits_the_tables_stand_there_alone() -> None:
    conditions = [Sql("severity = %s", ("a",)), Sql("event_timestamp >= %s", (NOW,))]
    whole = Sql("severity = %s AND event_timestamp >= %s", ("a", NOW))
    assert readable.events(EVERYTHING) == Sql("audit_events")
    assert readable.notifications(EVERYTHING) == Sql("notification_audit")
    assert readable.countable(EVERYTHING, conditions) == (Sql("audit_events"), whole)
    assert readable.newest(EVERYTHING, conditions, 51) == (Sql("audit_events"), whole)
    statement, parameters = queries._event_keys(event_query({"severity": "a"}, NOW, EVERYTHING))
    assert statement == (
        "SELECT event_id, event_date FROM audit_events WHERE severity = %s "
        "ORDER BY event_timestamp DESC, event_id DESC LIMIT %s OFFSET %s"
    )
    assert parameters == ["a", 51, 0]


@pytest.mark.parametrize("who", NARROW)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f) or "all")
def test_every_parameter_has_its_place(who: str, form: dict[str, str]) -> None:
    query = event_query(form, NOW, LIMITS[who])
    for statement, parameters in (
        queries.event_page_sql(query, 1),
        queries.large_event_page_sql(query, 1),
        queries._counting_events(query),
    ):
        assert statement.count("%s") == len(parameters)
    for source in (readable.events(LIMITS[who]), readable.notifications(LIMITS[who])):
        assert source.text.count("%s") == len(source.parameters)


@pytest.mark.parametrize("who", NARROW)
def test_what_is_asked_for_stays_behind_the_fence(who: str) -> None:
    """Before it stand the limits and what bounds the order alone."""
    form = {"correlation_id": "c", "actor_id": "a", "data": "{}", "since": "1h"}
    query = event_query(form, NOW, LIMITS[who])
    for statement in (queries._event_keys(query)[0], queries._counting_events(query)[0]):
        fenced = re.findall(r"FROM audit_events WHERE (.*?) (?:ORDER BY \S+ \S+ \S+ \S+ )?OFFSET 0", statement)
        assert fenced
        for inside in fenced:
            assert "event_timestamp >= %s AND event_date >= %s" in inside
            assert not any(name in inside for name in ("correlation_id", "actor_id", "event_data"))


NAMESPACE, CATEGORY = "coalesce(namespace, '') = ANY(%s::text[])", "event_category || '' = ANY(%s::text[])"
# What the service records of itself has no namespace either.
OTHERS, OWN = "(namespace IS NOT NULL OR NOT starts_with(event_category, %s))", "datastorage."


@pytest.mark.parametrize(
    ("limits", "by_key", "to_count"),
    [
        (
            ReadLimits(frozenset({"b", "a"})),
            (NAMESPACE, (["a", "b"],)),
            ("(namespace = ANY(%s::text[]))", (["a", "b"],)),
        ),
        (
            ReadLimits(frozenset({""})),
            (f"{NAMESPACE} AND {OTHERS}", ([""], OWN)),
            (f"(namespace IS NULL) AND {OTHERS}", (OWN,)),
        ),
        (
            ReadLimits(frozenset({"", "a"})),
            (f"{NAMESPACE} AND {OTHERS}", (["", "a"], OWN)),
            (f"(namespace = ANY(%s::text[]) OR namespace IS NULL) AND {OTHERS}", (["a"], OWN)),
        ),
        (ReadLimits(frozenset()), (NAMESPACE, ([],)), ("(false)", ())),
        (ReadLimits(None, frozenset({"g"})), (CATEGORY, (["g"],)), ("event_category = ANY(%s::text[])", (["g"],))),
        (
            NOTHING,
            (f"{NAMESPACE} AND {CATEGORY}", ([], [])),
            ("(false) AND event_category = ANY(%s::text[])", ([],)),
        ),
    ],
)
def test_limits_as_conditions(
    limits: ReadLimits, by_key: tuple[str, tuple[Any, ...]], to_count: tuple[str, tuple[Any, ...]]
) -> None:
    assert readable.events(limits) == Sql(f"(SELECT * FROM audit_events WHERE {by_key[0]})", by_key[1])
    fenced = f"(SELECT * FROM audit_events WHERE {to_count[0]} OFFSET 0) AS audit_events"
    assert readable.countable(limits, []) == (Sql(fenced, to_count[1]), Sql("true"))


def test_notifications_are_read_all_or_none() -> None:
    for limits in LIMITS.values():
        query = notification_query({}, NOW, limits)
        statement = queries._counting_notifications(query)[0]
        assert ("WHERE false" in statement) is not limits.admits(None, "notification")
