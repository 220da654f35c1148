"""An attempt ends at its deadline, whatever the other side does, and an answer has a size."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from datastorage_client import (
    AsyncDataStorageClient,
    Backoff,
    BufferedAuditStore,
    ConnectionFailedError,
    DataStorageClient,
)

from tests.support import event, wait_until
from tests.unit.fakes import HOUR
from tests.unit.stub_service import Canned, StubService

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
# One drop every so many seconds, far more often than the limit that it is about.
DROP_S = 0.01
LIMIT_S = 0.3
Act = Callable[[socket.socket, threading.Event], None]


def drip(connection: socket.socket, over: threading.Event, start: bytes, drops: Iterator[bytes]) -> None:
    connection.recv(65536)
    connection.sendall(start)
    for drop in drops:
        if over.wait(DROP_S):
            return
        connection.sendall(drop)


def head(connection: socket.socket, over: threading.Event) -> None:
    drip(connection, over, b"HTTP/1.1 200 OK\r\nX-Long: ", itertools.repeat(b"x"))


def interim(connection: socket.socket, over: threading.Event) -> None:
    drip(connection, over, b"", itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n"))


def body(connection: socket.socket, over: threading.Event) -> None:
    drip(connection, over, HEAD + b"Content-Length: 1000000\r\n\r\n", itertools.repeat(b" "))


def chunks(connection: socket.socket, over: threading.Event) -> None:
    drip(connection, over, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", itertools.repeat(b"1\r\n \r\n"))


def sip(connection: socket.socket, over: threading.Event) -> None:
    """Takes the request as slowly."""
    while not over.wait(DROP_S):
        connection.recv(4096)


def silence(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


@contextmanager
def serving(act: Act) -> Iterator[str]:
    """A server on loopback that treats every connection so."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def one(connection: socket.socket) -> None:
            with connection, suppress(ConnectionError):
                act(connection, over)

        def run() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def never_accepting() -> Iterator[str]:
    """An address whose backlog is full: connections are not made, and not refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            waiting.append(one)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def ask(kind: str, url: str, events: list[dict[str, Any]], **options: Any) -> None:
    if kind == "sync":
        with DataStorageClient(url, retry_for=0, **options) as client:
            client.create_events(events)
        return

    async def run() -> None:
        async with AsyncDataStorageClient(url, retry_for=0, **options) as client:
            await client.create_events(events)

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("act", [head, interim, body, chunks, sip, silence])
def test_an_attempt_ends_at_its_deadline(kind: str, act: Act) -> None:
    large = [event(event_data={"blob": "x" * 1_000_000}) for _ in range(8 if act is sip else 1)]
    with serving(act) as url, pytest.raises(ConnectionFailedError) as e:
        ask(kind, url, large, timeout=LIMIT_S)
    assert str(e.value) == f"{url.removeprefix('http://')}: no whole answer within {LIMIT_S} s"
    assert e.value.sent


def test_a_connection_that_is_not_made_has_the_same_deadline() -> None:
    with never_accepting() as url, pytest.raises(ConnectionFailedError, match=r": no connection within 0.3 s$") as e:
        ask("sync", url, [event()], timeout=LIMIT_S)
    assert not e.value.sent


@pytest.mark.parametrize("act", [head, body])
def test_a_store_goes_on_after_an_answer_that_drips(act: Act) -> None:
    with serving(act) as url, DataStorageClient(url, timeout=LIMIT_S) as client:
        store = BufferedAuditStore(client, flush_interval=0.01, backoff=Backoff(0.001, 0.002))
        store.store(event())
        failed = store._pipeline
        assert failed is not None
        wait_until(lambda: failed._sender._failures >= 2, what="the attempt after the first that hung")
        store.close(0)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), None])
@pytest.mark.parametrize("kind", [DataStorageClient, AsyncDataStorageClient])
def test_there_is_always_a_deadline(kind: Any, timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout is a number of seconds above 0"):
        kind("http://127.0.0.1:1", timeout=timeout)


def canned(content: bytes, *headers: tuple[str, str]) -> Canned:
    return Canned(201, content, (("Content-Type", "application/json"), *headers))


BLANKS = b" " * 2_000_000


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (canned(BLANKS), "larger than 1000000 bytes"),
        (canned(gzip.compress(BLANKS), ("Content-Encoding", "gzip")), "larger than 1000000 bytes"),
        (canned(gzip.compress(b"{}")[:-4], ("Content-Encoding", "gzip")), "in the middle of its gzip"),
        (canned(b"{}", ("Content-Encoding", "zstd")), "the coding 'zstd', which was not asked for"),
    ],
)
def test_an_answer_beyond_its_size_is_none(kind: str, answer: Canned, what: str) -> None:
    with StubService() as stub:
        stub.script.append(answer)
        with pytest.raises(ConnectionFailedError, match=what):
            ask(kind, stub.url, [event()], timeout=HOUR, max_answer_bytes=1_000_000)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_answer_may_come_compressed(kind: str) -> None:
    ident = str(uuid.uuid4())
    packed = gzip.compress(json.dumps({"event_ids": [ident], "message": "created", "duplicates": []}).encode())
    with StubService() as stub:
        stub.script.append(canned(packed, ("Content-Encoding", "gzip")))
        ask(kind, stub.url, [event(event_id=ident)])
        assert stub.requests[0].headers["Accept-Encoding"] == "gzip"
