"""Which workflows fit a signal, best first: one matcher and one scorer, both in SQL (contract 2, section 3).

The scorer's terms are objects. Each renders itself into SQL, which gives its points, and into the explanation,
which shows them. Points are whole thousandths, so sums are exact whatever their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, cast
from uuid import UUID

import orjson
import psycopg

LABELS = ("signal_type", "severity", "component", "environment", "priority")
STATUSES = ("active", "disabled", "deprecated", "archived")
ANY = "*"

# All in thousandths. A half of each weight is a whole number too.
_BASE = 5000
_MAXIMUM = 10_000  # final_score 1, in ten-thousandths: (5.0 + …) / 10 moves the point by one
FLAG_WEIGHTS = {
    "gitOpsManaged": 100,
    "pdbProtected": 50,
    "networkIsolated": 30,
    "helmManaged": 20,
    "stateful": 20,
    "hpaEnabled": 20,
}
CHOICE_WEIGHTS = {"gitOpsTool": 100, "serviceMesh": 50}
_PENALTIES = {"gitOpsManaged": 100, "gitOpsTool": 100}
_CUSTOM, _CUSTOM_ANY = 50, 25


@dataclass(frozen=True, kw_only=True)
class Search:
    """A checked search request."""

    labels: Mapping[str, str]  # the five, concrete
    custom_labels: Mapping[str, Sequence[str]]
    detected_labels: Mapping[str, Any]
    statuses: Sequence[str] | None  # None: any
    top_k: int
    min_score: Decimal
    remediation_id: str | None
    asked: Mapping[str, Any]  # the filters as they came

    @property
    def fingerprint(self) -> str:
        """What the audit event calls the search: the first 16 hex digits of SHA-256 over the five labels."""
        return hashlib.sha256("-".join(self.labels[name] for name in LABELS).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Sql:
    """A piece of SQL with its parameters."""

    text: str
    parameters: tuple[object, ...] = ()


@dataclass(frozen=True)
class Term:
    """One term of the score: SQL for its points, and what the explanation says of it."""

    name: str
    asked: bool | str
    penalty: bool
    sql: Sql


def label_condition(name: str, value: str, *, expand_any: bool) -> Sql:
    """The matcher of one label: a stored value or list member equal to it or, with ``expand_any``, a stored ``*``."""
    keys = [f"{name}={value}"]
    if expand_any and value != ANY:
        keys.append(f"{name}={ANY}")
    # Plain parameters: psycopg takes several times as long over a list.
    return Sql(f"label_keys && ARRAY[{', '.join(['%s::text'] * len(keys))}]", tuple(keys))


def detected_terms(search: Search) -> list[Term]:
    """The terms of the detected labels that the query sets; those whose detection failed are ignored."""
    asked = search.detected_labels
    failed = set(asked.get("failed_detections", ()))
    terms = []
    for name in (*FLAG_WEIGHTS, *CHOICE_WEIGHTS):
        value = asked.get(name)
        if name in failed or value is None or value is False:
            continue
        label = f"detected_labels.{name}"
        if name in FLAG_WEIGHTS:
            stored_true = f"detected_labels -> '{name}' = 'true'"
            boost = Sql(f"CASE WHEN {stored_true} THEN {FLAG_WEIGHTS[name]} ELSE 0 END")
            loss = Sql(f"CASE WHEN {stored_true} THEN 0 ELSE {_PENALTIES.get(name)} END")
        else:
            weight = CHOICE_WEIGHTS[name]
            # Half when exactly one side is '*': the other is then a set value.
            either = "IS NOT NULL" if value == ANY else f"= '{ANY}'"
            stored = f"detected_labels ->> '{name}'"
            boost = Sql(
                f"CASE WHEN {stored} = %s THEN {weight} WHEN {stored} {either} THEN {weight // 2} ELSE 0 END", (value,)
            )
            loss = Sql(f"CASE WHEN {stored} IN (%s, '{ANY}') THEN 0 ELSE {_PENALTIES.get(name)} END", (value,))
        terms.append(Term(label, value, False, boost))
        if name in _PENALTIES and value != ANY:
            terms.append(Term(label, value, True, loss))
    return terms


def custom_pairs(search: Search) -> list[tuple[str, str]]:
    """Each (key, value) of the query's custom labels once, in its order."""
    return list(dict.fromkeys((key, value) for key, values in search.custom_labels.items() for value in values))


_CUSTOM_POINTS = (
    f"CASE WHEN custom_labels -> q.key ? q.value THEN {_CUSTOM} "
    f"WHEN custom_labels -> q.key ? '{ANY}' THEN {_CUSTOM_ANY} ELSE 0 END"
)


def _custom(pairs: Sequence[tuple[str, str]], aggregate: str) -> Sql:
    """An aggregate over the points of all custom terms: one statement for any number of them."""
    return Sql(
        f"(SELECT {aggregate} FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS q(key, value, n))",  # noqa: S608
        ([k for k, _ in pairs], [v for _, v in pairs]),
    )


def _sum(parts: Sequence[Sql]) -> Sql:
    return Sql(" + ".join(["0", *(p.text for p in parts)]), tuple(v for p in parts for v in p.parameters))


def search_sql(search: Search, *, explain: bool) -> Sql:
    """The statement that ranks; with ``explain`` it gives each term's points as well, as two arrays."""
    terms = detected_terms(search)
    pairs = custom_pairs(search)
    boosts = [t.sql for t in terms if not t.penalty]
    if pairs:
        boosts.append(_custom(pairs, f"coalesce(sum({_CUSTOM_POINTS}), 0)::int"))
    boost = _sum(boosts)
    penalty = _sum([t.sql for t in terms if t.penalty])
    exact = _sum([Sql("(%s = ANY(label_keys))::int", (f"{n}={search.labels[n]}",)) for n in LABELS])
    matches = [label_condition(name, search.labels[name], expand_any=True) for name in LABELS]
    if search.statuses is not None:
        matches.append(Sql(f"status IN ({', '.join(['%s'] * len(search.statuses))})", tuple(search.statuses)))
    shown: list[Sql] = []
    if explain:
        points = ", ".join(t.sql.text for t in terms)
        shown.append(Sql(f"ARRAY[{points}]::int[]", tuple(v for t in terms for v in t.sql.parameters)))
        shown.append(_custom(pairs, f"array_agg({_CUSTOM_POINTS} ORDER BY q.n)"))
    least = int(search.min_score.quantize(Decimal("0.0001"), rounding=ROUND_CEILING).scaleb(4))
    # OFFSET 0 keeps each row's points from being worked out again wherever they are named; what only the results
    # show is worked out for those alone.
    text = f"""
        SELECT workflow_id, name, description, (labels -> 'signal_type')::text, container_image, container_digest,
               boost, penalty, final, custom_labels::text, detected_labels::text{"".join(", " + s.text for s in shown)}
        FROM (
            SELECT *, least({_MAXIMUM}, {_BASE} + boost - penalty) AS final
            FROM (SELECT workflow_id, created_at, name, description, labels, container_image, container_digest,
                         custom_labels, detected_labels,
                         {boost.text} AS boost, {penalty.text} AS penalty, {exact.text} AS exact
                  FROM remediation_workflow_catalog
                  WHERE is_latest_version AND {" AND ".join(m.text for m in matches)} OFFSET 0) AS scored
            WHERE least({_MAXIMUM}, {_BASE} + boost - penalty) >= %s
            ORDER BY final DESC, exact DESC, created_at DESC, workflow_id
            LIMIT %s
        ) AS ranked
        ORDER BY final DESC, exact DESC, created_at DESC, workflow_id"""  # noqa: S608 - put together from this module's constants
    parts = [boost, penalty, exact, *matches]
    parameters = [v for p in parts for v in p.parameters]
    return Sql(text, (*(v for s in shown for v in s.parameters), *parameters, least, search.top_k))


def _points(thousandths: int) -> float:
    # The nearest double to a short decimal prints as that decimal.
    return thousandths / 1000


def _breakdown(terms: Sequence[Term], pairs: Sequence[tuple[str, str]], row: Sequence[Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [{"term": "base", "points": _points(_BASE)}]
    for term, points in zip(terms, row[0], strict=True):
        if term.penalty:
            entries.append({"term": f"{term.name} missing", "asked": term.asked, "points": _points(-points)})
        else:
            entries.append({"term": term.name, "asked": term.asked, "points": _points(points)})
    for (key, value), points in zip(pairs, row[1] or (), strict=True):
        entries.append({"term": f"custom_labels.{key}", "asked": value, "points": _points(points)})
    return entries


@dataclass(frozen=True)
class Found:
    """One result: what the client reads, and the part of it that goes into the audit event."""

    answer: dict[str, Any]

    @property
    def audit(self) -> dict[str, Any]:
        """The result as contract 2 wants it in event_data."""
        a = self.answer
        # Decimals, as a parsed event has them: its digest must be the same after a way through the queue.
        scoring = {k: Decimal(str(a[k])) for k in ("confidence", "label_boost", "label_penalty")}
        return {"workflow_id": str(a["workflow_id"]), "title": a["title"], "rank": a["rank"], "scoring": scoring}


def search(conn: psycopg.Connection, query: Search, *, explain: bool = False) -> list[Found]:
    """The best ``top_k`` workflows, best first; the same order for the same catalogue, every time."""
    sql = search_sql(query, explain=explain)
    # The statement is put together from constants of this module; values are parameters only.
    rows = conn.execute(cast("Any", sql.text), sql.parameters).fetchall()
    terms, pairs = detected_terms(query), custom_pairs(query)
    found = []
    for rank, row in enumerate(rows, start=1):
        ident, title, description, signal_type, image, digest, boost, penalty, final, custom, detected = row[:11]
        score = final / _MAXIMUM
        answer: dict[str, Any] = {
            "workflow_id": cast("UUID", ident),
            "title": title,
            "description": description,
            "signal_type": orjson.Fragment(signal_type),
            "container_image": image,
            "container_digest": digest,
            "confidence": score,
            "label_boost": _points(boost),
            "label_penalty": _points(penalty),
            "final_score": score,
            "rank": rank,
            "custom_labels": None if custom is None else orjson.Fragment(custom),
            "detected_labels": orjson.Fragment(detected),
        }
        answer = {k: v for k, v in answer.items() if v is not None}
        if explain:
            answer["score_breakdown"] = _breakdown(terms, pairs, row[11:])
        found.append(Found(answer))
    return found
