"""From the id of a request to what became of its events: by the API, and by the log of the service."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import GunicornService, event, postgres_server, valkey_server, wait_until

pytestmark = pytest.mark.embedded

EVENTS = "/api/v1/audit/events"


def said(service: GunicornService, request_id: str) -> list[dict[str, Any]]:
    """The lines of the log about a request; one that is being written is not looked at."""
    text = service.log.read_text()
    lines = [line for line in text[: text.rfind("\n") + 1].splitlines() if request_id in line]
    return [found for line in lines if (found := json.loads(line)).get("request_id") == request_id]


def line_of(service: GunicornService, request_id: str) -> dict[str, Any]:
    """The request's own line."""
    found: dict[str, Any] = wait_until(
        lambda: next((line for line in said(service, request_id) if line["logger"] == "app.request"), None),
        what=f"the line of {request_id}",
    )
    return found


def told(service: GunicornService, request_id: str, text: str) -> bool:
    return any(text in line["message"] for line in said(service, request_id))


def ids(service: GunicornService, request_id: str) -> set[str]:
    answer = service.request("GET", f"{EVENTS}?request_id={request_id}")
    # 503 until the service has found that PostgreSQL is back.
    return {row["event_id"] for row in answer.json.get("data", ())}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GunicornService]:
    with postgres_server() as postgres, valkey_server() as valkey:
        assert postgres.embedded is not None
        environ = {
            "DATASTORAGE_DATABASE__URL": postgres.make_database().service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(0),
            "DATASTORAGE_SERVER__WORKERS": "1",
            "DATASTORAGE_LOGGING__LEVEL": "debug",
        }
        running = GunicornService(environ, tmp_path / "gunicorn.log")
        running.postgres = postgres.embedded  # type: ignore[attr-defined]
        running.start()
        yield running
        running.stop()


def test_live_spilled_replayed_and_dead(service: GunicornService) -> None:
    def post(request_id: str, body: Any) -> Any:
        path = EVENTS + "/batch" if isinstance(body, list) else EVENTS
        return service.request("POST", path, body, headers={"X-Request-ID": request_id})

    taken = event(event_id=str(uuid.uuid4()))
    assert post("live-1", taken).status == 201
    assert ids(service, "live-1") == {taken["event_id"]}
    line = line_of(service, "live-1")
    assert (line["outcome"], line["records"], line["event_id"]) == ("stored", 1, taken["event_id"])

    postgres = service.postgres  # type: ignore[attr-defined]
    postgres.kill()
    batch = [event(event_id=str(uuid.uuid4())) for _ in range(3)]
    assert post("spilled-1", batch).status == 202
    # The queue takes it: that its id has another content, only PostgreSQL knows.
    assert post("dead-1", {**taken, "event_action": "another"}).status == 202
    line = line_of(service, "spilled-1")
    assert (line["status"], line["outcome"], line["records"]) == (202, "spilled", 3)
    assert line["event_id"] == batch[0]["event_id"]

    postgres.start()
    wait_until(lambda: service.probe("/health/ready") == 200, what="PostgreSQL is back")
    wanted = {body["event_id"] for body in batch}
    wait_until(lambda: ids(service, "spilled-1") == wanted, what="the batch is replayed")
    for ident in wanted:
        wait_until(lambda i=ident: told(service, "spilled-1", f"replay: {i} of events is stored"), what="a line of it")

    letters = "/api/v1/dlq/dead-letters"
    [letter] = wait_until(lambda: service.request("GET", letters).json["dead_letters"], what="a dead letter")
    assert (letter["entry"]["request_id"], letter["reason"]) == ("dead-1", "its id is stored with different content")
    assert ids(service, "dead-1") == set()
    wait_until(lambda: told(service, "dead-1", f"(its id: {taken['event_id']})"), what="a line of the dead letter")
    wait_until(lambda: "replayed 3 entries of events: 3 stored, 0 duplicates" in summed(service), what="the counts")


def summed(service: GunicornService) -> str:
    """What the lines of counts say, added up: how the entries fall into rounds is nobody's promise."""
    stored = known = 0
    for line in service.log.read_text().splitlines():
        if '"replayed ' in line:
            words = json.loads(line)["message"].split()
            stored, known = stored + int(words[5]), known + int(words[7])
    return f"replayed {stored + known} entries of events: {stored} stored, {known} duplicates"
