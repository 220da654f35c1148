"""Limits under gunicorn: two workers, two instances, a client that asks on regardless, and clients that wait."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from datastorage_client import Backoff, BufferedAuditStore, DataStorageClient

from app.cli.token import append, entry_text
from app.config.settings import ServerSettings
from tests.support import Answer, Database, GunicornService, event, valkey_server, wait_until
from tests.tree import ROOT

CORPUS = ROOT / "loadtests" / "corpus" / "cloudtrail.jsonl.gz"
RECORDS = 2274
EVENTS = "/api/v1/audit/events"
GREEDY, OTHER = (f"dst_{name}-0123456789abcdefghijklmnopqrstuvwxyz" for name in "go")
SCOPES = ("audit:write", "audit:read")
Run = Callable[..., GunicornService]


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "tokens.yaml"
    append(file, entry_text(GREEDY, "greedy", SCOPES, None))
    append(file, entry_text(OTHER, "other", SCOPES, None))
    return {"auth__mode": "token", "auth__tokens_file": str(file)}


def ask(service: GunicornService, token: str = GREEDY, body: Any = None, path: str = f"{EVENTS}/nothing") -> Answer:
    method = "GET" if body is None else "POST"
    return service.request(method, path, body, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("redis", ["shared", "killed", "none"])
def test_two_instances_of_two_workers(run_service: Run, tokens: dict[str, str], redis: str) -> None:
    with valkey_server() as server:
        keys = {**tokens, "server__workers": "2", "limits__principal_requests": "100/day"}
        if redis != "none":
            keys["redis__url"] = server.url(0)
        services = [run_service(**keys) for _ in range(2)]
        if redis == "killed":
            server.kill()
        # Connections of their own, so that each worker has some.
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda n: ask(services[n % 2]), range(600)))
        count = Counter(answer.status for answer in answers)
        assert count.keys() == {404, 429}, "nothing else, whatever becomes of Redis"
        if redis == "shared":
            assert 100 - 3 * 2 <= count[404] <= 100
        else:
            assert 50 < count[404] <= 200, "each worker has its share of its instance's"
        refused = next(answer for answer in answers if answer.status == 429)
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["RateLimit-Policy"] == '"principal";q=100;w=86400'
        assert ask(services[0], OTHER).status == 404
        limited = [s.metrics()['datastorage_rate_limited_total{limit="principal"}'] for s in services]
        assert sum(limited) == count[429]


@pytest.mark.skipif(ServerSettings().effective_workers() < 2, reason="one core, so one worker")
def test_as_many_workers_as_cores_share_a_limit_out(run_service: Run, tokens: dict[str, str]) -> None:
    # Each worker is pinned to a core of its own, and still knows of the others.
    workers = ServerSettings().effective_workers()
    limit = {"limits__principal_requests": f"{50 * workers}/day", "server__pin_workers": "always"}
    service = run_service(**tokens, **limit, server__workers="0")
    assert ask(service).headers["RateLimit"].startswith('"principal";r=49;')


def test_events_over_the_limit_are_not_kept(run_service: Run, database: Database, tokens: dict[str, str]) -> None:
    service = run_service(**tokens, server__workers="1", limits__principal_events="10/day")
    assert ask(service, body=[event() for _ in range(6)], path=f"{EVENTS}/batch").status == 201
    assert ask(service, body=[event() for _ in range(5)], path=f"{EVENTS}/batch").status == 429
    assert ask(service, body=[event() for _ in range(11)], path=f"{EVENTS}/batch").status == 400
    assert [ask(service, body=event(), path=EVENTS).status for _ in range(5)] == [201] * 4 + [429]
    assert database.count() == 10
    assert ask(service, OTHER, event(), EVENTS).status == 201


def test_a_request_whose_body_comes_late_counts_once(run_service: Run, tokens: dict[str, str]) -> None:
    service = run_service(**tokens, server__workers="1", limits__principal_requests="3/day")
    body = json.dumps(event()).encode()
    head = (
        f"POST {EVENTS} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {GREEDY}\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        stream = client.makefile("rb")
        for left in (2, 1):
            client.sendall(head)
            assert stream.readline() == b"HTTP/1.1 100 Continue\r\n", "the application was asked and wants the body"
            stream.readline()
            client.sendall(body)
            assert stream.readline().startswith(b"HTTP/1.1 201")
            headers = http.client.parse_headers(stream)
            assert str(headers["RateLimit"]).startswith(f'"principal";r={left};')
            stream.read(int(headers["Content-Length"]))


def test_who_asks_on_regardless_is_heard_seldom_and_others_are_served(run_service: Run, tokens: dict[str, str]) -> None:
    service = run_service(**tokens, server__workers="1", limits__principal_requests="20/day")
    ended = threading.Event()
    refused: Counter[int] = Counter()

    def greedy(number: int) -> None:
        conn = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not ended.is_set():
                conn.request("GET", f"{EVENTS}/nothing", headers={"Authorization": f"Bearer {GREEDY}"})
                answer = conn.getresponse()
                answer.read()
                refused[number] += answer.status == 429
        conn.close()

    threads = [threading.Thread(target=greedy, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len([n for n in range(16) if refused[n]]) == 16, what="all are over the limit")
    before = refused.total()
    conn = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    statuses: Counter[int] = Counter()
    while refused.total() < before + 32:
        conn.request("GET", "/health/live")
        assert conn.getresponse().read() is not None
        statuses[200] += 1
    ended.set()
    for thread in threads:
        thread.join(60)
    conn.close()
    # Sixteen that ask all the time are answered less often than the one that is well behaved.
    assert statuses[200] > 32


def test_a_buffered_store_keeps_its_events_and_goes_on_later(
    run_service: Run, database: Database, tokens: dict[str, str]
) -> None:
    service = run_service(**tokens, server__workers="1", limits__principal_events="100/second")
    with (
        DataStorageClient(service.url, token=GREEDY) as client,
        # Batches larger than the limit: the store finds out and makes smaller ones.
        BufferedAuditStore(client, batch_size=300, backoff=Backoff(first=0.01), flush_interval=0.05) as store,
    ):
        for _ in range(500):
            store.store(event())
        assert store.flush(120)
    assert database.count() == 500
    limited = service.metrics()['datastorage_rate_limited_total{limit="events"}']
    assert limited > 0, "it was refused, waited, and went on"


def test_the_importer_goes_on_where_the_limit_is_whole_again(
    run_service: Run, database: Database, tokens: dict[str, str]
) -> None:
    service = run_service(**tokens, server__workers="1", limits__principal_events="700 per 5 seconds")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "datastorage_client.cli.main", "import", "cloudtrail"),
            *("--shift-to-now", "--batch", "100", "--url", service.url, str(CORPUS)),
        ],
        env={**os.environ, "DATASTORAGE_TOKEN": GREEDY},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert run.returncode == 0, run.stderr
    assert database.count() == RECORDS
    assert service.metrics()['datastorage_rate_limited_total{limit="events"}'] > 0
