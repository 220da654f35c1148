"""The counts hold against the baseline, and do not hold for a service that was made slower."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.counts import baseline
from tests.counts.baseline import FIGURES, Row
from tests.counts.measure import Counts, Servers, measure, servers

pytestmark = [
    pytest.mark.skipif(
        baseline.load() is None,
        reason=f"tests/counts/baseline.json has nothing of Python {baseline.PYTHON}: {baseline.UPDATE} adds it",
    ),
    # Everything is measured before the first test; on a busy machine that takes minutes, and nothing is timed.
    pytest.mark.timeout(600),
]

_PLANTED = "tests.counts.planted:application"


@pytest.fixture(scope="module")
def real() -> Iterator[Servers]:
    with servers() as made:
        yield made


def compared(counts: Counts) -> dict[tuple[str, str], Row]:
    known = baseline.load()
    assert known is not None
    return {(row.scenario, row.figure): row for row in baseline.compare(known, counts)}


@pytest.fixture(scope="module")
def unchanged(real: Servers) -> dict[tuple[str, str], Row]:
    return compared(measure(real))


@pytest.mark.parametrize(
    ("scenario", "figure"), [(scenario, figure) for scenario, figures in FIGURES.items() for figure in figures]
)
def test_it_holds(unchanged: dict[tuple[str, str], Row], scenario: str, figure: str) -> None:
    row = unchanged[scenario, figure]
    if row.skipped:
        pytest.skip(row.verdict)
    if not row.ok:
        pytest.fail(row.explain(), pytrace=False)


def planted(
    real: Servers, changes: str, *scenarios: str, system_calls: bool = False, allocations: bool = False
) -> dict[tuple[str, str], Row]:
    """The rows of a service with these changes, counted less often."""
    return compared(
        measure(
            real,
            scenarios,
            module=_PLANTED,
            environ={"PLANTED": changes},
            repeats=3,
            system_calls=system_calls,
            allocations=allocations,
        )
    )


@pytest.fixture(scope="module")
def with_calls_and_sleep(real: Servers) -> dict[tuple[str, str], Row]:
    return planted(real, "calls,sleep", "event", "start")


@pytest.fixture(scope="module")
def with_statements_and_import(real: Servers) -> dict[tuple[str, str], Row]:
    return planted(real, "round trip,statement,import", "event", "search", "start")


@pytest.fixture(scope="module")
def with_bytes_and_system_calls(real: Servers) -> dict[tuple[str, str], Row]:
    return planted(real, "bytes and system calls", "event", system_calls=True, allocations=True)


def refused(row: Row) -> list[str]:
    """What has grown, by name; the figure does not hold and says what has grown the most."""
    assert not row.ok
    said = row.explain()
    grown = [name for name, then, now in row.differences if now > then]
    assert said.startswith(f"{row.scenario} {row.figure.replace('_', ' ')}: more than ")
    assert f"baseline {row.then:,}, now {row.now:,}, tolerance " in said
    assert all(name in said for name in grown[:10])
    return grown


def test_30_percent_more_calls_in_the_write_path_fail(with_calls_and_sleep: dict[tuple[str, str], Row]) -> None:
    row = with_calls_and_sleep["event", "calls"]
    assert refused(row)[0] == "tests/counts/planted.py:needless"
    assert row.now == pytest.approx(1.3 * (row.then or 0), rel=0.02)


def test_a_sleep_at_import_fails(with_calls_and_sleep: dict[tuple[str, str], Row]) -> None:
    assert refused(with_calls_and_sleep["start", "sleeps"]) == ["tests/counts/planted.py:<module>"]


def test_what_is_not_slower_holds_beside_it(with_calls_and_sleep: dict[tuple[str, str], Row]) -> None:
    held = [("event", "statements"), ("event", "round_trips"), ("start", "calls"), ("start", "modules")]
    assert [with_calls_and_sleep[each].explain() for each in held if not with_calls_and_sleep[each].ok] == []


def test_one_more_round_trip_a_flush_fails(with_statements_and_import: dict[tuple[str, str], Row]) -> None:
    assert refused(with_statements_and_import["event", "round_trips"]) == ["flusher"]
    assert refused(with_statements_and_import["event", "statements"]) == ["SELECT 'one more round trip'"]


def test_one_more_statement_a_search_fails(with_statements_and_import: dict[tuple[str, str], Row]) -> None:
    assert "SELECT 'one more statement'" in refused(with_statements_and_import["search", "statements"])


def test_another_module_at_the_start_fails(with_statements_and_import: dict[tuple[str, str], Row]) -> None:
    grown = refused(with_statements_and_import["start", "modules"])
    assert {"unittest.mock", "xmlrpc.server"} <= set(grown)


def test_more_bytes_for_an_event_fail(with_bytes_and_system_calls: dict[tuple[str, str], Row]) -> None:
    grown = refused(with_bytes_and_system_calls["event", "bytes"])
    assert grown[0] == "tests/counts/planted.py:_with_bytes_and_system_calls"


def test_more_system_calls_for_an_event_fail(with_bytes_and_system_calls: dict[tuple[str, str], Row]) -> None:
    row = with_bytes_and_system_calls["event", "system_calls"]
    if row.skipped:
        pytest.skip(row.verdict)
    # stat() has another name on other processors.
    assert [(now - then, "stat" in name) for name, then, now in row.differences] == [(5, True)]
    refused(row)


def a_row(then: dict[str, int] | None, now: dict[str, int] | None, figure: str = "calls") -> Row:
    """What comes of a baseline and a count of one figure."""
    known = {} if then is None else {"event": {figure: {"total": sum(then.values()), "by": then}}}
    rows = baseline.compare(known, {"event": {} if now is None else {figure: now}})
    return next(row for row in rows if row.figure == figure)


def test_less_holds_and_says_how_to_keep_it_so() -> None:
    row = a_row({"a": 100, "b": 100}, {"a": 100, "b": 90})
    assert (row.ok, row.verdict) == (True, "less: make update-counts keeps it so")


def test_a_little_more_holds() -> None:
    row = a_row({"a": 100, "b": 100}, {"a": 100, "b": 104})
    assert (row.ok, row.verdict) == (True, "holds")


def test_what_is_not_measured_or_not_known_does_not_hold() -> None:
    assert a_row({"a": 1}, None).verdict == "not measured"
    assert not a_row({"a": 1}, None).ok
    assert not a_row(None, {"a": 1}).ok
    assert a_row({"read": 1}, None, "system_calls").skipped


def test_a_difference_is_named_the_most_grown_first() -> None:
    row = a_row({"a": 100, "b": 100, "gone": 5}, {"a": 110, "b": 130, "new": 7})
    assert row.explain().splitlines() == [
        "event calls: more than 2% more",
        "baseline 205, now 247, tolerance 2%; what has grown the most:",
        "         +30  b  (100 → 130)",
        "         +10  a  (100 → 110)",
        "          +7  new  (0 → 7)",
    ]
