"""Which workflows fit a signal, best first: one matcher and one scorer, both in SQL (docs/workflows.md).

The scorer's terms are objects. Each renders itself into SQL, which gives its points, and into the explanation,
which shows them. Points are whole thousandths, so sums are exact whatever their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import orjson
import psycopg

from app.postgres import pages
from app.postgres.statements import Sql, all_of, statements
from app.workflows.labels import ANY, CHOICE_WEIGHTS, FLAG_WEIGHTS, LABELS

_SQL = statements("workflow_search")

# In thousandths, as the weights are.
_BASE = 5000
_MAXIMUM = 10_000  # final_score 1, in ten-thousandths: (5.0 + …) / 10 moves the point by one
_DETECTED = (*FLAG_WEIGHTS, *CHOICE_WEIGHTS)
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
class Term:
    """One term of the score: SQL for its points, and what the explanation says of it."""

    name: str
    asked: bool | str
    penalty: bool
    sql: Sql


def label_condition(name: str, value: str) -> Sql:
    """A stored value, or member of a stored list, that is equal to this one; a stored ``*`` is equal to ``*`` alone."""
    return Sql("label_keys && ARRAY[%s::text]", (f"{name}={value}",))


def matcher(labels: Mapping[str, str]) -> Sql:
    """The matcher of all five labels: each is equal to a stored value or list member, or ``*`` is stored.

    By the keys that workflow_match_keys (sql/0003) makes of a stored workflow's labels.
    """
    signals, severities, components, environments, priorities = (
        (labels[name],) if labels[name] == ANY else (labels[name], ANY) for name in LABELS
    )
    keys = (
        [f"a:{s}|{p}|{g}" for s in severities for p in priorities for g in signals],
        [f"b:{len(c)}:{c}{e}" for c in components for e in environments],
    )
    # Plain parameters: psycopg takes several times as long over a list.
    text = " AND ".join(f"match_keys && ARRAY[{', '.join(['%s::text'] * len(some))}]" for some in keys)
    return Sql(text, tuple(key for some in keys for key in some))


def detected_terms(search: Search) -> list[Term]:
    """The terms of the detected labels that the query sets; those whose detection failed are ignored."""
    asked = search.detected_labels
    failed = asked.get("failed_detections", ())
    terms: list[Term] = []
    for name in _DETECTED:
        value = asked.get(name)
        if value is not None and value is not False and name not in failed:
            terms += _terms_of(name, value)
    return terms


@lru_cache(1024)
def _terms_of(name: str, value: bool | str) -> tuple[Term, ...]:
    label = f"detected_labels.{name}"
    if name in FLAG_WEIGHTS:
        boost = Sql(_SQL["flag_boost"].format(name=name, points=FLAG_WEIGHTS[name]))
        loss = Sql(_SQL["flag_penalty"].format(name=name, points=_PENALTIES.get(name)))
    else:
        weight = CHOICE_WEIGHTS[name]
        # Where '*' is asked for, any stored value is the one side that is not.
        either = "IS NOT NULL" if value == ANY else f"= '{ANY}'"
        text = _SQL["choice_boost"].format(name=name, points=weight, half=weight // 2, one_side_any=either)
        boost = Sql(text, (value,))
        loss = Sql(_SQL["choice_penalty"].format(name=name, points=_PENALTIES.get(name)), (value,))
    terms = [Term(label, value, False, boost)]
    if name in _PENALTIES and value != ANY:
        terms.append(Term(label, value, True, loss))
    return tuple(terms)


def custom_pairs(search: Search) -> list[tuple[str, str]]:
    """Each (key, value) of the query's custom labels once, in its order."""
    return list(dict.fromkeys((key, value) for key, values in search.custom_labels.items() for value in values))


_CUSTOM_POINTS = _SQL["custom_points"].format(points=_CUSTOM, half=_CUSTOM_ANY)


def _custom(pairs: Sequence[tuple[str, str]], aggregate: str) -> Sql:
    """An aggregate over the points of all custom terms: one statement for any number of them."""
    return Sql(_SQL["custom"].format(aggregate=aggregate), ([k for k, _ in pairs], [v for _, v in pairs]))


def _sum(parts: Sequence[Sql]) -> Sql:
    return Sql(" + ".join(["0", *[p.text for p in parts]]), tuple([v for p in parts for v in p.parameters]))


_EXACT = " + ".join(["(%s = ANY(label_keys))::int"] * len(LABELS))


_COLUMNS = (
    *("workflow_id", "name", "description", "signal_type", "container_image", "container_digest"),
    *("boost", "penalty", "final", "custom_labels", "detected_labels"),
)
_DOCUMENTS = ("signal_type", "custom_labels", "detected_labels")
_TEXTS = ("name", "description", "container_image")
# Where a result is large, without these; the description is never NULL otherwise.
_LARGE = {"description": "description", "custom_labels": "custom_labels::text"}
_IS_SMALL = pages.is_small(["custom_labels"], ["description"])
_EXPRESSIONS = {
    "signal_type": "(labels -> 'signal_type')::text",
    "detected_labels": "detected_labels::text",
    **{c: f"CASE WHEN {_IS_SMALL} THEN {text} END" for c, text in _LARGE.items()},
}
_SMALL_SELECT = ", ".join(_EXPRESSIONS.get(c, c) for c in _COLUMNS)
_DESCRIPTION = _COLUMNS.index("description")


@lru_cache(1024)
def _ranked(boost: str, penalty: str, condition: str) -> str:
    return _SQL["ranked"].format(
        maximum=_MAXIMUM, base=_BASE, boost=boost, penalty=penalty, exact=_EXACT, conditions=condition
    )


@lru_cache(1024)
def _statement(ranked: str, shown: tuple[str, ...]) -> str:
    return _SQL["results"].format(columns=", ".join([_SMALL_SELECT, *shown]), ranked=ranked)


def _large_statement(ranked: str, shown: tuple[str, ...]) -> str:
    """As `_statement` for results of any size: only the first that fit, and behind each how many there are."""
    named = {f"shown_{i}": text for i, text in enumerate(shown)}
    made = ["labels -> 'signal_type' AS signal_type", *(f"{text} AS {name}" for name, text in named.items())]
    results = _SQL["large_results"].format(made=", ".join(made), ranked=ranked)
    return pages.page_sql(pages.numbered(results), (*_COLUMNS, *named), _DOCUMENTS, _TEXTS)


def search_sql(
    search: Search,
    terms: Sequence[Term],
    pairs: Sequence[tuple[str, str]],
    max_bytes: int,
    *,
    explain: bool,
    large: bool = False,
) -> Sql:
    """The statement that ranks; with ``explain`` it gives each term's points as well, as two arrays.

    ``terms`` and ``pairs``: what `detected_terms` and `custom_pairs` make of the search. The description is NULL where
    a result is not small; with ``large`` it is there, of the results that fit, and behind each how many there are.
    """
    boosts = [t.sql for t in terms if not t.penalty]
    if pairs:
        boosts.append(_custom(pairs, f"coalesce(sum({_CUSTOM_POINTS}), 0)::int"))
    boost = _sum(boosts)
    penalty = _sum([t.sql for t in terms if t.penalty])
    exact = [f"{n}={search.labels[n]}" for n in LABELS]
    matches = [matcher(search.labels)]
    if search.statuses is not None:
        matches.append(Sql(f"status IN ({', '.join(['%s'] * len(search.statuses))})", tuple(search.statuses)))
    shown: list[Sql] = []
    if explain:
        points = ", ".join(t.sql.text for t in terms)
        shown.append(Sql(f"ARRAY[{points}]::int[]", tuple(v for t in terms for v in t.sql.parameters)))
        shown.append(_custom(pairs, f"array_agg({_CUSTOM_POINTS} ORDER BY q.n)"))
    least = int(search.min_score.quantize(Decimal("0.0001"), rounding=ROUND_CEILING).scaleb(4))
    ranked = _ranked(boost.text, penalty.text, all_of([m.text for m in matches]))
    parameters: list[object] = [v for s in shown for v in s.parameters]
    parameters += [*boost.parameters, *penalty.parameters, *exact]
    for match in matches:
        parameters += match.parameters
    parameters += [least, search.top_k]
    texts = tuple([s.text for s in shown])
    if large:
        return Sql(_large_statement(ranked, texts), (*parameters, *pages.page_parameters(max_bytes)))
    small = [pages.small_bytes(max_bytes, search.top_k)] * len(_LARGE)
    return Sql(_statement(ranked, texts), (*small, *parameters))


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


@lru_cache(4096)
def _decimal(score: float) -> Decimal:
    return Decimal(str(score))


@dataclass(frozen=True)
class Found:
    """One result: what the client reads, and the part of it that goes into the audit event."""

    answer: dict[str, Any]

    @property
    def audit(self) -> dict[str, Any]:
        """The result as it stands in the search's event_data."""
        a = self.answer
        # Decimals, as a parsed event has them: its digest must be the same after a way through the queue.
        scoring = {k: _decimal(a[k]) for k in ("confidence", "label_boost", "label_penalty")}
        return {"workflow_id": str(a["workflow_id"]), "title": a["title"], "rank": a["rank"], "scoring": scoring}


def search(
    conn: psycopg.Connection, query: Search, max_bytes: int, *, explain: bool = False, large: bool = False
) -> tuple[list[Found], bool]:
    """The best ``top_k`` workflows, best first; the same order for the same catalogue, every time.

    Fewer of them where they are not much smaller than ``max_bytes``; and whether that is so. Raises
    pages.LargeRowsError where that takes ``large``.
    """
    terms, pairs = detected_terms(query), custom_pairs(query)
    sql = search_sql(query, terms, pairs, max_bytes, explain=explain, large=large)
    rows, more = conn.execute(sql.text, sql.parameters).fetchall(), False
    if large:
        more = bool(rows) and len(rows) < rows[0][-1]
        rows = [row[:-1] for row in rows]
    elif None in [row[_DESCRIPTION] for row in rows]:
        raise pages.LargeRowsError
    return [_found(rank, row, terms, pairs, explain=explain) for rank, row in enumerate(rows, start=1)], more


def _found(
    rank: int, row: Sequence[Any], terms: Sequence[Term], pairs: Sequence[tuple[str, str]], *, explain: bool
) -> Found:
    ident, title, description, signal_type, image, digest, boost, penalty, final, custom, detected = row[:11]
    score = final / _MAXIMUM
    answer: dict[str, Any] = {
        "workflow_id": cast("UUID", ident),
        "title": title,
        "description": description,
        "signal_type": orjson.Fragment(signal_type),
    }
    if image is not None:
        answer["container_image"] = image
    if digest is not None:
        answer["container_digest"] = digest
    answer["confidence"] = score
    answer["label_boost"] = _points(boost)
    answer["label_penalty"] = _points(penalty)
    answer["final_score"] = score
    answer["rank"] = rank
    if custom is not None:
        answer["custom_labels"] = orjson.Fragment(custom)
    answer["detected_labels"] = orjson.Fragment(detected)
    if explain:
        answer["score_breakdown"] = _breakdown(terms, pairs, row[11:])
    return Found(answer)
