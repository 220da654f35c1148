"""POST /workflows/search against worked examples, and against the formula written down a second time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.audit.ingest import Ingest
from app.workflows import search_request
from app.workflows.search import Search, custom_pairs, detected_terms, search_sql
from tests.integration.service import Service, problem, running
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS, created, found, ids, workflow
from tests.support import Answer, Database, GunicornService, PostgresServer, wait_until

NAMES = tuple(LABELS)
FLAGS = {"gitOpsManaged": "0.10", "pdbProtected": "0.05", "networkIsolated": "0.03"} | dict.fromkeys(
    ("helmManaged", "stateful", "hpaEnabled"), "0.02"
)
CHOICES = {"gitOpsTool": ("0.10", ("argocd", "flux", "*")), "serviceMesh": ("0.05", ("istio", "linkerd", "*"))}
ALL_EIGHT = {**dict.fromkeys(FLAGS, True), "gitOpsTool": "flux", "serviceMesh": "linkerd"}
TEN = {f"k{i}": [f"v{j}" for j in range(5)] for i in range(10)}


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


@pytest.fixture
def component() -> str:
    """A label value that no other test uses."""
    return uuid.uuid4().hex


def d(text: str) -> Any:
    return Decimal(text)


# --- the formula ------------------------------------------------------------------------------------------------

MANAGED = {"gitOpsManaged": True}
ARGO, FLUX = {**MANAGED, "gitOpsTool": "argocd"}, {**MANAGED, "gitOpsTool": "flux"}
PDB = {"pdbProtected": True}
PAYMENTS = {"team": ["payments"]}
BOTH = {**PAYMENTS, "constraint": ["cost-sensitive"]}

# number, query (detected, custom), stored (detected, custom), boost, penalty, confidence
EXAMPLES: list[tuple[int, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], str, str, str]] = [
    (1, {}, {}, ALL_EIGHT, TEN, "0", "0", "0.5"),
    (2, MANAGED, {}, MANAGED, {}, "0.10", "0", "0.51"),
    (3, MANAGED, {}, {}, {}, "0", "0.10", "0.49"),
    (4, ARGO, {}, ARGO, {}, "0.20", "0", "0.52"),
    (5, ARGO, {}, FLUX, {}, "0.10", "0.10", "0.50"),
    (6, ARGO, {}, {}, {}, "0", "0.20", "0.48"),
    (7, {"gitOpsTool": "argocd"}, {}, {"gitOpsTool": "*"}, {}, "0.05", "0", "0.505"),
    (8, {"gitOpsTool": "*"}, {}, {"gitOpsTool": "argocd"}, {}, "0.05", "0", "0.505"),
    (9, {"gitOpsTool": "*"}, {}, {}, {}, "0", "0", "0.5"),
    (10, {"serviceMesh": "*"}, {}, {"serviceMesh": "istio"}, {}, "0.025", "0", "0.5025"),
    (11, {"serviceMesh": "istio"}, {}, {"serviceMesh": "linkerd"}, {}, "0", "0", "0.5"),
    (12, PDB, {}, {}, {}, "0", "0", "0.5"),
    (13, ALL_EIGHT, {}, ALL_EIGHT, {}, "0.39", "0", "0.539"),
    (14, {}, BOTH, {}, BOTH, "0.10", "0", "0.51"),
    (15, {}, PAYMENTS, {}, {"team": ["*"]}, "0.025", "0", "0.5025"),
    (16, {}, {"constraint": ["a", "b"]}, {}, {"constraint": ["a", "b", "c"]}, "0.10", "0", "0.51"),
    (17, {}, {"constraint": ["a", "b"]}, {}, {"constraint": ["a", "*"]}, "0.075", "0", "0.5075"),
    (18, {**ARGO, **PDB}, PAYMENTS, {**FLUX, **PDB}, PAYMENTS, "0.20", "0.10", "0.51"),
    (19, {**PDB, "failed_detections": ["pdbProtected"]}, {}, PDB, {}, "0", "0", "0.5"),
    (20, {}, TEN, {}, TEN, "2.5", "0", "0.75"),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"example-{e[0]}")
def test_worked_examples(service: Service, component: str, example: tuple[Any, ...]) -> None:
    _, detected, custom, stored_detected, stored_custom, boost, penalty, confidence = example
    labels = {**LABELS, "component": component}
    created(service, labels=labels, detected_labels=stored_detected, custom_labels=stored_custom)
    filters = {"component": component, "detected_labels": detected, "custom_labels": custom}
    answer = found(service, filters=filters, explain=True)
    (result,) = answer["workflows"]
    shown = [result[k] for k in ("label_boost", "label_penalty", "confidence", "final_score", "rank")]
    assert shown == [d(boost), d(penalty), d(confidence), d(confidence), 1]
    assert sum(t["points"] for t in result["score_breakdown"]) / 10 == d(confidence)
    assert answer["filters"] == {**LABELS, **filters}


def reference(asked: dict[str, Any], custom: dict[str, Any], stored: dict[str, Any], kept: dict[str, Any]) -> Any:
    """The contract's formula, written without a look at the service: boost, penalty, score."""
    boost = penalty = Decimal(0)
    ignored = asked.get("failed_detections", [])
    asked = {k: v for k, v in asked.items() if k not in ignored}
    for field, weight in FLAGS.items():
        if asked.get(field) and stored.get(field):
            boost += Decimal(weight)
    for field, (weight, _) in CHOICES.items():
        q, s = asked.get(field), stored.get(field)
        if q and q == s:
            boost += Decimal(weight)
        elif q and s and "*" in (q, s):
            boost += Decimal(weight) / 2
    if asked.get("gitOpsManaged") and not stored.get("gitOpsManaged"):
        penalty += Decimal("0.10")
    if asked.get("gitOpsTool", "*") != "*" and stored.get("gitOpsTool") not in (asked["gitOpsTool"], "*"):
        penalty += Decimal("0.10")
    for key, values in custom.items():
        for value in values:
            if value in kept.get(key, []):
                boost += Decimal("0.05")
            elif "*" in kept.get(key, []):
                boost += Decimal("0.025")
    return boost, penalty, round(min(Decimal(1), (5 + boost - penalty) / 10), 4)


detected_labels = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FLAGS, st.booleans()),
        **{name: st.sampled_from(values) for name, (_, values) in CHOICES.items()},
        "failed_detections": st.lists(st.sampled_from([*FLAGS, *CHOICES]), unique=True, max_size=3),
    },
)
words = st.sampled_from(["a", "b", "*", 'q"', "b\\s", "dot.ted", "é😀", "it's", "%s {}"])
custom_labels = st.dictionaries(words, st.lists(words, unique=True, max_size=4), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=detected_labels, custom=custom_labels, stored=detected_labels, kept=custom_labels)
def test_the_score_is_the_formulas(service: Service, asked: Any, custom: Any, stored: Any, kept: Any) -> None:
    component = uuid.uuid4().hex
    created(service, labels={**LABELS, "component": component}, detected_labels=stored, custom_labels=kept)
    filters = {"component": component, "detected_labels": asked, "custom_labels": custom}
    (result,) = found(service, filters=filters, explain=True)["workflows"]
    boost, penalty, score = reference(asked, custom, stored, kept)
    assert (result["label_boost"], result["label_penalty"], result["final_score"]) == (boost, penalty, score)
    points = [t["points"] for t in result["score_breakdown"]]
    assert min(Decimal(1), sum(points) / 10) == score
    assert -sum(p for p in points if p < 0) == penalty


def test_the_score_ends_at_one(service: Service, component: str) -> None:
    many = {"k": [str(i) for i in range(100)]}
    created(service, labels={**LABELS, "component": component}, custom_labels=many, detected_labels=PDB)
    filters = {"component": component, "custom_labels": many, "detected_labels": PDB}
    (result,) = found(service, filters=filters)["workflows"]
    assert (result["label_boost"], result["final_score"]) == (d("5.05"), 1)


# --- which rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_any_and_lists_match_on_every_label(service: Service, component: str, name: str) -> None:
    base = {**LABELS, ("environment" if name == "component" else "component"): component}
    other = {"severity": "low", "priority": "P3"}.get(name, "other")
    forms: list[Any] = ["*", [other, "*"], [other, base[name]], base[name], other, [other]]
    made = [created(service, labels={**base, name: form})["workflow_id"] for form in forms]
    answer = found(service, filters=base)
    # Exactly matched ones first, then newest first.
    assert ids(answer) == [made[3], made[2], made[1], made[0]]
    if name == "signal_type":
        assert [w["signal_type"] for w in answer["workflows"]] == [forms[3], forms[2], forms[1], forms[0]]
    if name not in ("severity", "priority"):
        assert ids(found(service, filters={**base, name: "*"})) == [made[1], made[0]]


def test_latest_versions_by_status(service: Service, component: str) -> None:
    labels = {**LABELS, "component": component}
    old = created(service, labels=labels, version="1")
    new = created(service, labels=labels, version="2", workflow_name=old["workflow_name"])["workflow_id"]
    ident = created(service, labels=labels)["workflow_id"]
    service.client.patch(f"{WORKFLOWS}/{ident}", json={"status": "deprecated"})

    def search(**request: Any) -> list[str]:
        filters = {"component": component, **request.pop("filters", {})}
        return ids(found(service, filters=filters, **request))

    assert search() == [new]
    assert search(filters={"status": []}) == [new]
    assert search(filters={"status": ["deprecated"]}) == [ident]
    assert search(filters={"status": "deprecated"}) == [ident]
    assert search(filters={"status": ["deprecated", "active"]}) == [ident, new]
    assert search(include_disabled=True) == [ident, new]
    assert search(top_k=1, include_disabled=True) == [ident]
    assert search(min_score=0.5) == [new]
    assert search(min_score=0.50001) == []


def test_labels_are_ordinary_values(service: Service) -> None:
    for value in (
        "it's",
        'a"b',
        "back\\slash",
        "d.o.t",
        "{a,b}",
        "x=y",
        "%s",
        "é😀",
        "ä" * 255,
        "NULL",
        " ",
        "[1]",
        "P0|x",
        "1:a",
    ):
        value = (uuid.uuid4().hex + value)[-255:]
        made = created(service, labels={**LABELS, "environment": value})["workflow_id"]
        assert ids(found(service, filters={"environment": value})) == [made]
        listed = service.client.get(WORKFLOWS, query_string={"environment": value}).json
        assert [w["workflow_id"] for w in listed["workflows"]] == [made]


def test_labels_do_not_run_into_each_other(service: Service, component: str) -> None:
    """Index keys put labels together: where one ends and the next begins has to be part of them."""
    made = created(service, labels={**LABELS, "component": component + "x", "environment": "y"})["workflow_id"]
    assert ids(found(service, filters={"component": component, "environment": "xy"})) == []
    assert ids(found(service, filters={"component": component + "xy", "environment": "*"})) == []
    assert ids(found(service, filters={"component": component + "x", "environment": "y"})) == [made]


# --- order ------------------------------------------------------------------------------------------------------


def test_ties_are_broken_as_the_contract_says(service: Service, component: str) -> None:
    labels = {**LABELS, "component": component}
    made = service.post([workflow(labels=labels) for _ in range(20)], WORKFLOWS + "/batch").json["workflow_ids"]
    expected = made[::-1]
    assert ids(found(service, top_k=100, filters={"component": component})) == expected
    service.database.query(
        "UPDATE remediation_workflow_catalog SET created_at = '2026-01-01' WHERE labels->>'component' = %s", component
    )
    vague = created(service, labels={**labels, "environment": "*"})["workflow_id"]
    better = created(service, labels={**labels, "environment": "*"}, detected_labels=PDB)["workflow_id"]
    filters = {"component": component, "detected_labels": PDB}
    first = [better, *sorted(made), vague]
    for _ in range(100):
        answer = found(service, top_k=100, filters=filters)
        assert ids(answer) == first
    assert [w["rank"] for w in answer["workflows"]] == list(range(1, 23))
    assert answer["total_results"] == 22


# --- requests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"filters"}),
        ({"filters": {}}, {f"filters.{n}" for n in NAMES}),
        *(({"filters": {**LABELS, n: ""}}, {f"filters.{n}"}) for n in NAMES),
        ({"filters": {**LABELS, "severity": "*", "priority": "p0"}}, {"filters.severity", "filters.priority"}),
        ({"filters": LABELS, "top_k": 0, "min_score": 1.5}, {"top_k", "min_score"}),
        ({"filters": LABELS, "top_k": 101, "include_disabled": "yes"}, {"top_k", "include_disabled"}),
        ({"filters": {**LABELS, "status": ["x"]}}, {"filters.status"}),
        ({"filters": {**LABELS, "custom_labels": {"k": "v"}}}, {"filters.custom_labels"}),
        ({"filters": {**LABELS, "detected_labels": {"gitOpsTool": "x"}}}, {"filters.detected_labels.gitOpsTool"}),
        ({"filters": {**LABELS, "component": "\0"}}, {"filters.component"}),
        ({"filters": {**LABELS, "unknown": "\0"}}, {"filters"}),
    ],
)
def test_wrong_searches_name_every_field(service: Service, body: Any, fields: set[str]) -> None:
    assert problem(service.post(body, SEARCH), 400, "validation-error", SEARCH)["field_errors"].keys() == fields


def test_custom_labels_are_a_hundred_at_most(service: Service) -> None:
    """Each of them is looked up in each workflow that fits; one that is repeated counts once."""
    most = {str(k): [str(i) for i in range(10)] for k in range(10)}
    repeated = {**most, "0": most["0"] * 3}
    assert found(service, filters={"component": "nothing", "custom_labels": repeated})["workflows"] == []
    body = {"filters": {**LABELS, "custom_labels": {**most, "one": ["more"]}}, "top_k": 0}
    errors = problem(service.post(body, SEARCH), 400, "validation-error", SEARCH)["field_errors"]
    assert errors.keys() == {"top_k", "filters.custom_labels"}
    assert errors["filters.custom_labels"] == "must hold at most 100 values in all (actual: 101)"


def test_a_wrong_parameter_and_a_wrong_body_are_said_in_one_answer(service: Service) -> None:
    answer = service.post({"top_k": 0}, SEARCH + "?explain=maybe")
    assert problem(answer, 400, "validation-error", SEARCH)["field_errors"].keys() == {"explain", "filters", "top_k"}


# --- the audit event --------------------------------------------------------------------------------------------


def search_events(service: Service, correlation: str) -> Any:
    return service.list(correlation_id=correlation, event_type="workflow.catalog.search_completed")["data"]


def test_every_search_leaves_its_event(service: Service) -> None:
    correlation = uuid.uuid4().hex
    for _ in range(3):
        created(service, detected_labels=PDB)
    answer = found(service, remediation_id=correlation, top_k=2, filters={"detected_labels": PDB})
    found(service, remediation_id=correlation, filters={"component": "nothing"})
    empty, event = wait_until(lambda: len(e := search_events(service, correlation)) == 2 and sorted(
        e, key=lambda e: e["event_data"]["results"]["returned"]))  # fmt: skip
    assert (event["resource_type"], event["resource_id"]) == ("workflow_catalog", "895759d18819db5c")
    assert (event["version"], event["event_action"], event["actor_id"]) == ("1.0", "search_completed", "datastorage")
    data = event["event_data"]
    assert data["query"] == {"top_k": 2, "min_score": 0, "filters": {**LABELS, "detected_labels": PDB}}
    assert data["results"]["returned"] == 2
    for told, shown in zip(data["results"]["workflows"], answer["workflows"], strict=True):
        assert told == {
            **{k: shown[k] for k in ("workflow_id", "title", "rank")},
            "scoring": {k: shown[k] for k in ("confidence", "label_boost", "label_penalty")},
        }
    assert data["search_metadata"]["duration_ms"] == event["duration_ms"]
    assert empty["event_data"]["results"] == {"total_found": 0, "returned": 0, "workflows": []}


def test_the_hash_correlates_a_search_without_remediation(service: Service) -> None:
    found(service)
    assert wait_until(lambda: search_events(service, "895759d18819db5c"))


def test_filters_too_big_for_an_event_are_cut_to_the_five(service: Service) -> None:
    correlation = uuid.uuid4().hex
    found(service, remediation_id=correlation, filters={"note": ["x" * 255] * 2000})
    (event,) = wait_until(lambda: search_events(service, correlation))
    assert event["event_data"]["query"]["filters"] == LABELS


@pytest.mark.parametrize("number", ["1e401", "1e131080", "1e99999999999999999999", "9" * 401])
@pytest.mark.parametrize("place", ['"x": %s', '"detected_labels": {"x": %s}'])
def test_a_number_that_cannot_be_stored_is_refused_wherever_it_stands(
    service: Service, place: str, number: str
) -> None:
    """Unknown members come back in the answer and stand in the audit event."""
    body = json.dumps({"filters": LABELS})[:-2] + f", {place % number}}}}}"
    assert problem(service.post(body.encode(), SEARCH), 400, "validation-error", SEARCH)["field_errors"] == {
        "filters": "holds something that cannot be stored"
    }


def test_filters_that_grow_too_big_for_an_event_are_cut_to_the_five(service: Service) -> None:
    correlation = uuid.uuid4().hex
    body = json.dumps({"remediation_id": correlation, "filters": LABELS})
    numbers = ",".join(["1e400"] * 1000)
    answer = service.post((body[:-2] + f', "x": [{numbers}]}}}}').encode(), SEARCH)
    assert answer.status_code == 200
    answer.close()
    [event] = wait_until(lambda: search_events(service, correlation))
    assert event["event_data"]["query"]["filters"] == LABELS


def test_a_failing_audit_never_fails_the_search(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> bool:
        raise RuntimeError("no audit")

    monkeypatch.setattr(Ingest, "post", fail)
    assert found(service)["filters"] == LABELS


# --- scale ------------------------------------------------------------------------------------------------------


def fill(database: Database, n: int) -> None:
    """Workflows with random labels, some of them `*` and some of them lists."""
    database.query(
        """
        INSERT INTO remediation_workflow_catalog
            (workflow_id, workflow_name, version, name, description, content, content_hash, execution_engine,
             is_latest_version, labels)
        SELECT gen_random_uuid(), 'w' || i, '1', 'n', 'd', repeat('step ', 200), repeat('0', 64), 'tekton', true,
               jsonb_build_object(
                   'signal_type', to_jsonb(CASE WHEN i %% 20 = 0 THEN '*' ELSE 'signal-' || i %% 23 END),
                   'severity', CASE WHEN i %% 7 = 0 THEN '["critical", "high"]'::jsonb
                                    ELSE to_jsonb((ARRAY['critical', 'high', 'medium', 'low', '*'])[1 + i %% 5]) END,
                   'component', (ARRAY['pod', 'deployment', 'node', '*'])[1 + i %% 4],
                   'environment', CASE WHEN i %% 3 = 0 THEN '["production", "staging"]'::jsonb
                                       ELSE to_jsonb((ARRAY['production', 'test', '*'])[1 + i %% 3]) END,
                   'priority', (ARRAY['P0', 'P1', 'P2', 'P3', '*'])[1 + (i / 5) %% 5])
        FROM generate_series(1, %s) AS i""",
        n,
    )
    database.query("ANALYZE remediation_workflow_catalog")


def checked(filters: dict[str, Any]) -> Search:
    wanted = search_request.search({"filters": filters})
    assert isinstance(wanted, Search)
    return wanted


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_an_index_decides_the_labels_of_ten_thousand(database: Database, mode: str) -> None:
    fill(database, 10_000)
    filters = {**LABELS, "signal_type": "signal-7", "component": "pod", "detected_labels": ARGO, "custom_labels": TEN}
    wanted = checked(filters)
    sql = search_sql(wanted, detected_terms(wanted), custom_pairs(wanted), 8 * 1024**2, explain=False)
    with psycopg.connect(database.service_url) as conn:
        conn.execute(f"SET plan_cache_mode = {mode}")
        rows = conn.execute("EXPLAIN (FORMAT JSON) " + sql.text, sql.parameters, prepare=True).fetchone()  # type: ignore[arg-type]
    plan = json.dumps(rows)
    assert "remediation_workflow_catalog_match" in plan
    assert "Seq Scan" not in plan
    assert plan.count("match_keys &&") >= 2, "one condition decides three labels, the other two"
    for key in ("a:critical|P0|signal-7", "a:*|*|*", "b:3:podproduction", "b:1:**"):
        assert key in plan or mode == "force_generic_plan", key


def test_searches_queries_and_writes_share_a_small_pool(database: Database, tmp_path: Path) -> None:
    environ = {**database.environ, "DATASTORAGE_DATABASE__POOL_SIZE": "5"}
    gunicorn = GunicornService(environ, tmp_path / "log")
    gunicorn.start()

    def one(i: int) -> tuple[str, Answer]:
        match i % 4:
            case 0 | 1:
                return "search", gunicorn.request("POST", SEARCH, {"filters": LABELS})
            case 2:
                return "query", gunicorn.request("GET", "/api/v1/audit/events")
            case _:
                return "write", gunicorn.request("POST", WORKFLOWS, workflow())

    try:
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(one, range(400)))
    finally:
        gunicorn.stop()
    assert all(a.status in (200, 201) or (a.status == 503 and "Retry-After" in a.headers) for _, a in answers)
    written = {a.json["workflow_id"] for kind, a in answers if kind == "write" and a.status == 201}
    assert written
    assert {str(r[0]) for r in database.query("SELECT workflow_id FROM remediation_workflow_catalog")} == written
