"""What becomes of a batch, answer by answer."""

from __future__ import annotations

from typing import Any

import pytest
from datastorage_client import Backoff, BufferedAuditStore, DataStorageError, ProblemError
from datastorage_client.buffered.sender import refused_positions

from tests.support import wait_until
from tests.unit.client.fakes import Judge, Service, away, refusal
from tests.unit.fakes import HOUR

SOON = Backoff(first=0.001, longest=0.002)
Refused = list[tuple[int, DataStorageError]]


def run(service: Service, count: int, **options: Any) -> tuple[Refused, BufferedAuditStore]:
    """Store events numbered from 0, wait until all are settled; those refused."""
    refused: Refused = []
    store = BufferedAuditStore(
        service,
        backoff=SOON,
        flush_interval=HOUR,
        on_refused=lambda event, problem: refused.append((event["n"], problem)),
        **options,
    )
    with store:
        for n in range(count):
            assert store.store({"n": n})
        assert store.flush(HOUR)
    return refused, store


def numbers(service: Service) -> list[int]:
    return sorted(e["n"] for e in service.stored.values())


def test_batches_are_full_and_in_order() -> None:
    service = Service()
    run(service, 1200, batch_size=500)
    assert [e["n"] for batch in service.batches for e in batch] == list(range(1200))
    assert max(map(len, service.batches)) <= 500


def test_bytes_bound_a_batch_too() -> None:
    service = Service()
    with BufferedAuditStore(service, max_batch_bytes=1000, flush_interval=HOUR) as store:
        for _ in range(20):
            store.store({"blob": "x" * 300})
    assert {len(batch) for batch in service.batches} == {2}
    assert len(service.stored) == 20


@pytest.mark.parametrize("status", [429, 500, 502, 503, 401, 403, 404, 405, 422])
def test_a_batch_that_was_not_taken_is_sent_again_with_the_same_ids(status: int) -> None:
    service = Service(ProblemError(status, {}), refusal("service-unavailable", 503, outcome="unknown"), away())
    refused, store = run(service, 3)
    assert not refused
    assert len(service.batches) == 4
    assert all([e["event_id"] for e in b] == [e["event_id"] for e in service.batches[0]] for b in service.batches)
    assert store.stats().written == 3


def naming(bad: set[int], how: str) -> Judge:
    """Refuses batches with a bad number in them, and says which in one of the service's ways."""

    def judge(events: list[dict[str, Any]]) -> DataStorageError | None:
        found = [i for i, e in enumerate(events) if e["n"] in bad]
        if not found:
            return None
        if how == "field_errors":
            return refusal("validation-error", field_errors={f"[{i}].event_type": "is required" for i in found})
        if how == "element":
            return refusal("invalid_request", field_errors={f"[{i}]": "must be a JSON object" for i in found})
        if how == "indexes":
            return refusal("conflict", 409, indexes=found)
        if how == "detail":
            return refusal("invalid_event_data", detail=f"event at index {found[0]}: cannot be stored")
        return refusal("validation-error")

    return judge


@pytest.mark.parametrize("how", ["field_errors", "element", "indexes", "detail", "unnamed"])
@pytest.mark.parametrize("bad", [{0}, {7, 8, 30}, {39}, set(range(40))])
def test_refused_events_are_told_and_the_rest_is_stored(how: str, bad: set[int]) -> None:
    service = Service(judge=naming(bad, how))
    refused, store = run(service, 40)
    assert sorted(n for n, _ in refused) == sorted(bad), "each once"
    assert all(isinstance(problem, ProblemError) for _, problem in refused)
    assert numbers(service) == sorted(set(range(40)) - bad)
    assert store.stats().dropped == {"refused": len(bad)}


def test_a_proxy_that_says_400_refuses_nothing() -> None:
    service = Service(ProblemError(400, {}), ProblemError(400, {}))
    refused, _ = run(service, 5)
    assert not refused
    assert numbers(service) == list(range(5))


def test_the_size_of_batches_is_learned() -> None:
    def judge(events: list[dict[str, Any]]) -> DataStorageError | None:
        return refusal("batch-size-exceeded") if len(events) > 100 else None

    service = Service(judge=judge)
    refused, _ = run(service, 1000, batch_size=500)
    assert not refused
    assert numbers(service) == list(range(1000))
    too_large = [n for n, batch in enumerate(service.batches) if len(batch) > 100]
    assert too_large == list(range(len(too_large))), "once learned it is kept to"
    assert len(too_large) <= 3


@pytest.mark.parametrize("said", [90, 600, 0, "90", True, None])
def test_the_size_that_the_service_names_is_used_whole(said: Any) -> None:
    most = said if said == 90 else 100

    def judge(events: list[dict[str, Any]]) -> DataStorageError | None:
        return refusal("batch-size-exceeded", max_batch_size=said) if len(events) > most else None

    service = Service(judge=judge)
    refused, _ = run(service, 500, batch_size=500)
    assert not refused
    assert numbers(service) == list(range(500))
    sizes = [len(batch) for batch in service.batches]
    assert sizes == ([500] + [90] * 5 + [50] if said == 90 else [500, 250, 125] + [62] * 8 + [4])


def test_a_limit_is_waited_for_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "datastorage_client")
    limited = refusal("rate-limit-exceeded", 429, retry_after="0")
    run(Service(limited, None, limited), 3, batch_size=1)
    about = [r for r in caplog.records if "audit events" in r.message]
    assert len(about) >= 2
    assert {r.levelname for r in about} == {"DEBUG"}
    caplog.clear()
    run(Service(limited, away(), None), 3, batch_size=1)
    assert [r.levelname for r in caplog.records if "audit events" in r.message] == ["DEBUG", "WARNING", "INFO"]


def test_the_bytes_of_batches_are_learned_from_413_of_anybody() -> None:
    def judge(events: list[dict[str, Any]]) -> DataStorageError | None:
        return ProblemError(413, {}) if len(str(events)) > 3000 else None

    service = Service(judge=judge)
    refused: Refused = []
    with BufferedAuditStore(
        service, backoff=SOON, on_refused=lambda event, problem: refused.append((event["n"], problem))
    ) as store:
        for n in range(50):
            store.store({"n": n, "blob": "x" * (5000 if n == 20 else 200)})
        assert store.flush(HOUR)
    assert [n for n, _ in refused] == [20], "too large even alone"
    assert len(service.stored) == 49
    tail = service.batches[-5:]
    assert all(len(str(batch)) <= 3000 for batch in tail)


def test_an_event_that_breaks_the_service_does_not_hold_the_others_up() -> None:
    def judge(events: list[dict[str, Any]]) -> DataStorageError | None:
        return refusal("internal-error", 500) if any(e["n"] == 5 for e in events) else None

    service = Service(judge=judge)
    refused, _ = run(service, 20)
    assert [n for n, _ in refused] == [5]
    assert numbers(service) == [n for n in range(20) if n != 5]


def test_a_connection_that_breaks_over_large_batches_gets_smaller_ones() -> None:
    def judge(events: list[dict[str, Any]]) -> DataStorageError | None:
        return away(sent=True) if len(events) > 10 else None

    service = Service(judge=judge)
    run(service, 40)
    assert numbers(service) == list(range(40))


def test_a_callback_that_fails_holds_nothing_up() -> None:
    def fail(event: dict[str, Any], problem: DataStorageError) -> None:
        raise RuntimeError("not our day")

    service = Service(judge=naming({1}, "field_errors"))
    with BufferedAuditStore(service, on_refused=fail) as store:
        for n in range(3):
            store.store({"n": n})
        assert store.flush(HOUR)
    assert numbers(service) == [0, 2]


def test_a_transport_with_a_fault_of_its_own_is_tried_again() -> None:
    class Odd(Service):
        def send_events(self, body: bytes, count: int) -> int:
            if not self.batches:
                self.batches.append([])
                raise KeyError("odd")
            return super().send_events(body, count)

    service = Odd()
    run(service, 2)
    assert numbers(service) == [0, 1]


def test_positions() -> None:
    problem = refusal(
        "validation-error", field_errors={"[3].a": "", "[12]": "", "[99].b": "", "x": ""}, indexes=[0, "1"]
    )
    assert isinstance(problem, ProblemError)
    assert refused_positions(problem, 20) == [0, 3, 12]
    assert refused_positions(ProblemError(400, {"detail": "event at index 4: no"}), 5) == [4]
    assert refused_positions(ProblemError(400, {"detail": "event at index 4: no"}), 4) == []


def test_back_off() -> None:
    full = Backoff(first=0.25, longest=30.0, random=lambda: 1.0)
    assert [full.wait(n) for n in (1, 2, 3, 8, 1000)] == [0.25, 0.5, 1.0, 30.0, 30.0]
    assert Backoff(random=lambda: 0.0).wait(9) == 0.0, "full jitter goes down to nothing"
    assert full.wait(2, 5.0) == 5.5, "never sooner than asked"


@pytest.mark.parametrize(("slug", "status"), [("dlq-full", 503), ("rate-limit-exceeded", 429)])
def test_retry_after_is_waited_for(slug: str, status: int) -> None:
    service = Service(refusal(slug, status, retry_after="600"))
    with BufferedAuditStore(service, backoff=SOON, flush_interval=0.01) as store:
        store.store({"n": 1})
        wait_until(lambda: service.batches, what="the first attempt")
        assert not store.flush(0.1)
        assert len(service.batches) == 1
        # Closing makes one last attempt, whatever the wait.
        assert store.close()
    assert len(service.stored) == 1
