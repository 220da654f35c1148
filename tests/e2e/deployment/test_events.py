"""Events go in and come out: alone, in batches, twice, and from many clients at once."""

from __future__ import annotations

import gzip
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from tests.e2e.deployment.conftest import ACTOR, EVENTS, Deployment, event, own
from tests.support import wait_until

BATCH = f"{EVENTS}/batch"


def test_an_event_goes_in_and_comes_out(deployment: Deployment) -> None:
    sent = event()
    answer = deployment.request("POST", EVENTS, sent)
    assert answer.status == 201, answer.body
    assert answer.json["message"] == "Audit event created successfully"
    [row] = deployment.get(EVENTS, correlation_id=sent["correlation_id"])["data"]
    assert row["event_id"] == answer.json["event_id"]
    assert (row["actor_id"], row["actor_type"], row["severity"]) == (ACTOR, "service", "info")
    assert {k: row[k] for k in sent if k != "event_timestamp"} == {
        k: v for k, v in sent.items() if k != "event_timestamp"
    }
    assert deployment.get(f"{EVENTS}/{row['event_id']}")["event_id"] == row["event_id"]


def test_the_same_event_twice_is_stored_once(deployment: Deployment) -> None:
    sent = event(event_id=str(uuid.uuid4()))
    assert deployment.request("POST", EVENTS, sent).status == 201
    again = deployment.request("POST", EVENTS, sent)
    assert (again.status, again.json["event_id"]) == (200, sent["event_id"])
    different = deployment.request("POST", EVENTS, {**sent, "event_action": "changed"})
    assert different.status == 409
    assert different.json["type"].endswith("/conflict")
    rows = deployment.get(EVENTS, correlation_id=sent["correlation_id"])["data"]
    assert [row["event_action"] for row in rows] == [sent["event_action"]]


def test_values_survive_exactly(deployment: Deployment) -> None:
    numbers = b'"big": 123456789012345678901234567890, "price": 0.10000000000000000001'
    data = b"{" + numbers + b', "text": "\xc3\xa4\\u00f6", "none": null}'
    sent = json.dumps(event(event_data={})).encode().replace(b'"event_data": {}', b'"event_data": ' + data)
    answer = deployment.request("POST", EVENTS, sent)
    assert answer.status == 201, answer.body
    stored = deployment.request("GET", f"{EVENTS}/{answer.json['event_id']}").body
    row = json.loads(stored, parse_float=str)
    assert row["event_data"] == {
        "big": 123456789012345678901234567890,
        "price": "0.10000000000000000001",
        "text": "äö",
        "none": None,
    }


def test_a_batch_is_stored_whole_or_not_at_all(deployment: Deployment) -> None:
    correlation = own("correlation")
    batch = [event(correlation_id=correlation, event_id=str(uuid.uuid4()), event_data={"n": n}) for n in range(10)]
    refused = deployment.request("POST", BATCH, [*batch[:9], {**batch[9], "event_outcome": "perhaps"}])
    assert refused.status == 400
    assert list(refused.json["field_errors"]) == ["[9].event_outcome"]
    assert deployment.get(EVENTS, correlation_id=correlation)["data"] == []
    answer = deployment.request("POST", BATCH, batch)
    assert answer.status == 201, answer.body
    assert answer.json["event_ids"] == [e["event_id"] for e in batch]
    assert len(deployment.get(EVENTS, correlation_id=correlation)["data"]) == 10


def test_a_compressed_body_is_read(deployment: Deployment) -> None:
    sent = event()
    body = gzip.compress(json.dumps(sent).encode())
    assert deployment.request("POST", EVENTS, body, headers={"Content-Encoding": "gzip"}).status == 201
    assert len(deployment.get(EVENTS, correlation_id=sent["correlation_id"])["data"]) == 1


def test_queries_filter_and_page(deployment: Deployment) -> None:
    correlation = own("correlation")
    start = datetime.now(UTC) - timedelta(minutes=10)
    batch = [
        event(
            correlation_id=correlation,
            event_timestamp=(start + timedelta(seconds=n)).isoformat().replace("+00:00", "Z"),
            event_outcome="failure" if n % 3 == 0 else "success",
            event_data={"n": n},
        )
        for n in range(7)
    ]
    assert deployment.request("POST", BATCH, batch).status == 201
    seen, cursor = [], {}
    for _ in range(10):
        page = deployment.get(EVENTS, correlation_id=correlation, limit=3, **cursor)
        seen += [row["event_data"]["n"] for row in page["data"]]
        if not (following := page["pagination"].get("next_cursor")):
            break
        cursor = {"cursor": following}
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    failed = deployment.get(EVENTS, correlation_id=correlation, event_outcome="failure")
    assert [row["event_data"]["n"] for row in failed["data"]] == [6, 3, 0]
    assert failed["pagination"]["total"] == 3
    since = (start + timedelta(seconds=5)).isoformat().replace("+00:00", "Z")
    assert len(deployment.get(EVENTS, correlation_id=correlation, since=since)["data"]) == 2
    assert len(deployment.get(EVENTS, correlation_id=correlation, since="1h", data='{"n": 4}')["data"]) == 1


def test_many_clients_at_once_lose_nothing(deployment: Deployment) -> None:
    correlation = own("correlation")

    def send(_: int) -> str:
        answer = deployment.request("POST", EVENTS, event(correlation_id=correlation))
        assert answer.status == 201, answer.body
        return str(answer.json["event_id"])

    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(send, range(48)))
    # What reads may come from a replica, which follows in its own time.
    wait_until(
        lambda: (
            sorted(row["event_id"] for row in deployment.get(EVENTS, correlation_id=correlation, limit=100)["data"])
            == sorted(sent)
        ),
        10,
        "every answered event is there, once",
    )
