"""What a reader may read, as SQL: the one place where the limits of a principal become conditions.

Each function gives what stands behind FROM in a statement: the table itself for a reader without limits, and the rows
that may be read for one with limits. No other module names the tables in a statement that reads for a client.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from app.audit.event import NOTIFICATION_CATEGORY
from app.auth.read_limits import OWN_CATEGORIES, ReadLimits
from app.postgres.statements import Sql, all_of, statements

_SQL = statements("readable")
_EVENTS = "audit_events"
_NOTIFICATIONS = "notification_audit"
# Conditions on what lists are sorted by, and on the day that follows from it. They end the range of an index and may
# stand before the fence; every other condition would make PostgreSQL look at rows of others.
_BOUNDS = ("event_timestamp ", "event_date ", "(event_timestamp, event_id) ")
_MAX_ROWS = 2**63 - 1


def events(reads: ReadLimits) -> Sql:
    """The events, to be looked up by id. Has no alias where there are limits."""
    if not reads.narrow:
        return Sql(_EVENTS)
    # As expressions that no index holds: the row is found by its key, and left out then.
    limits = joined(
        [
            Sql(f"{expression} = ANY(%s::text[])", (sorted(values),))
            for expression, values in (
                ("coalesce(namespace, '')", reads.namespaces),
                ("event_category || ''", reads.categories),
            )
            if values is not None
        ]
        + _no_own_records(reads)
    )
    return Sql(_SQL["rows"].format(table=_EVENTS, limits=limits.text), limits.parameters)


def notifications(reads: ReadLimits) -> Sql:
    """The notifications, all or none: they count as records of one category, without a namespace."""
    if reads.admits(None, NOTIFICATION_CATEGORY):
        return Sql(_NOTIFICATIONS)
    return Sql(f"{_SQL['rows'].format(table=_NOTIFICATIONS, limits='false')} AS {_NOTIFICATIONS}")


def countable(reads: ReadLimits, conditions: Sequence[Sql]) -> tuple[Sql, Sql]:
    """The events for a statement that counts them, and the conditions that are left for its WHERE."""
    if not reads.narrow:
        return Sql(_EVENTS), joined(conditions)
    bounds, others = _split(conditions)
    limits = joined([*_limits(reads), *bounds])
    return Sql(_SQL["rows_to_count"].format(limits=limits.text), limits.parameters), joined(others)


def newest(reads: ReadLimits, conditions: Sequence[Sql], rows: int) -> tuple[Sql, Sql]:
    """The events for a statement that picks the newest ``rows``, and the conditions that are left for its WHERE.

    It has the columns event_id, event_date and event_timestamp.
    """
    if not reads.narrow:
        return Sql(_EVENTS), joined(conditions)
    bounds, others = _split(conditions)
    filters = joined(others)
    texts: list[str] = []
    parameters: list[object] = []
    for allowed, limits in _ranges(reads):
        inside = joined([*limits, *bounds])
        texts.append(_SQL["newest_of_each"].format(allowed=allowed.text, limits=inside.text, conditions=filters.text))
        parameters += [*allowed.parameters, *inside.parameters, *filters.parameters, min(rows, _MAX_ROWS)]
    return Sql(f"({' UNION ALL '.join(texts)}) AS {_EVENTS}", tuple(parameters)), Sql("true")


def joined(conditions: Sequence[Sql]) -> Sql:
    """All conditions as one."""
    return Sql(all_of(c.text for c in conditions), tuple(p for c in conditions for p in c.parameters))


def one_event(event_id: UUID, day: date | None) -> Sql:
    """The condition for events of this id: those of every day, or the one of the day that is named."""
    return joined([Sql("event_id = %s", (event_id,)), *([Sql("event_date = %s", (day,))] if day is not None else [])])


def _split(conditions: Sequence[Sql]) -> tuple[list[Sql], list[Sql]]:
    bounds = [c for c in conditions if c.text.startswith(_BOUNDS)]
    return bounds, [c for c in conditions if not c.text.startswith(_BOUNDS)]


def _limits(reads: ReadLimits) -> list[Sql]:
    """The limits as conditions that hold for every row that may be read."""
    limits = []
    if reads.namespaces is not None:
        named = sorted(reads.namespaces - {""})
        either = [Sql("namespace = ANY(%s::text[])", (named,))] if named else []
        either += [Sql("namespace IS NULL")] if "" in reads.namespaces else []
        one_of = " OR ".join(c.text for c in either) or "false"
        limits.append(Sql(f"({one_of})", tuple(p for c in either for p in c.parameters)))
    return [*limits, *_categories(reads), *_no_own_records(reads)]


def _no_own_records(reads: ReadLimits) -> list[Sql]:
    """What leaves out the service's own records, for one who may read records without a namespace: see `ReadLimits`."""
    if reads.categories is not None or "" not in (reads.namespaces or ()):
        return []
    return [Sql("(namespace IS NOT NULL OR NOT starts_with(event_category, %s))", (OWN_CATEGORIES,))]


def _categories(reads: ReadLimits) -> list[Sql]:
    if reads.categories is None:
        return []
    return [Sql("event_category = ANY(%s::text[])", (sorted(reads.categories),))]


def _ranges(reads: ReadLimits) -> list[tuple[Sql, list[Sql]]]:
    """The ranges of an index that hold what may be read: what each is made of, a value at a time, and its limits."""
    each = "unnest(%s::text[]) AS allowed(value)"
    if reads.namespaces is None:
        values = Sql(each, (sorted(reads.categories or ()),))
        return [(values, [Sql("event_category = allowed.value")])]
    ranges = []
    named = sorted(reads.namespaces - {""})
    if named or not reads.namespaces:
        ranges.append((Sql(each, (named,)), [Sql("namespace = allowed.value"), *_categories(reads)]))
    if "" in reads.namespaces:
        ranges.append(
            (
                Sql("(VALUES (0)) AS allowed(value)"),
                [Sql("namespace IS NULL"), *_categories(reads), *_no_own_records(reads)],
            )
        )
    return ranges
