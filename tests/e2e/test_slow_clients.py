"""Clients that send or read by single bytes, twice as many as there are threads: others are served all the while."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.support import GunicornService, PostgresServer, event, wait_until

THREADS = 4
SLOW = 2 * THREADS
KEYS = {
    "server__workers": "1",
    "server__threads": str(THREADS),
    "server__header_timeout": "1s",
    "server__body_timeout": "1s",
    "server__answer_timeout": "1s",
}
# Nobody is ended for being slow: who is served is served beside them.
FAR = {**KEYS, "server__header_timeout": "10m", "server__body_timeout": "10m", "server__answer_timeout": "10m"}

RunService = Callable[..., GunicornService]


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornService]:
    database = postgres.make_database()
    environ = {f"DATASTORAGE_{key.upper()}": value for key, value in KEYS.items()}
    running = GunicornService(
        {"DATASTORAGE_DATABASE__URL": database.service_url, **environ}, tmp_path_factory.mktemp("slow") / "gunicorn.log"
    )
    running.start()
    yield running
    running.stop()
    database.drop()


@contextlib.contextmanager
def trickling(service: GunicornService, start: bytes, byte: bytes, count: int = SLOW) -> Iterator[list[socket.socket]]:
    """So many clients that send the start and then one byte after the other, for as long as they are let."""
    clients = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(count)]
    stop = threading.Event()

    def trickle() -> None:
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(start)
        while not stop.wait(0.1):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(byte)

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield clients
    finally:
        stop.set()
        thread.join()
        for client in clients:
            client.close()


def answer_of(client: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def assert_served(service: GunicornService) -> None:
    """Events are stored, one after the other."""
    statuses = [service.request("POST", "/api/v1/audit/events", event()).status for _ in range(10)]
    assert statuses == [201] * 10


def stored(service: GunicornService) -> bool:
    """Whether an event is stored. On a machine that stands still for a moment it may count as slow itself."""
    return service.request("POST", "/api/v1/audit/events", event()).status == 201


def assert_alive(service: GunicornService) -> None:
    wait_until(lambda: stored(service), what="an event stored")
    assert service.probe("/health/live", port=service.health_port) == 200
    wait_until(lambda: sum(v for k, v in service.metrics().items() if "threads_busy" in k) <= 1, what="threads free")
    assert "Traceback" not in service.log.read_text()


HALF_A_HEAD = b"POST /api/v1/audit/events HTTP/1.1\r\nHost: x\r\nX-Slow: "


def test_half_sent_heads_and_silence_hold_nobody_up(run_service: RunService) -> None:
    service = run_service(**FAR)
    silent = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(SLOW)]
    with trickling(service, HALF_A_HEAD, b"a"):
        assert_served(service)
    for client in silent:
        client.close()
    assert_alive(service)


def test_half_sent_heads_have_their_time(service: GunicornService) -> None:
    with trickling(service, HALF_A_HEAD, b"a") as clients:
        for client in clients:
            head, _, body = answer_of(client).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")
            assert json.loads(body)["type"].endswith("/request-timeout")
    assert_alive(service)


def test_connections_that_say_nothing_are_closed_without_a_word(service: GunicornService) -> None:
    clients = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(SLOW)]
    assert [answer_of(client) for client in clients] == [b""] * SLOW
    assert_alive(service)


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_bodies_held_open(service: GunicornService, framing: bytes) -> None:
    """They take every thread, and for the body's time at the most; probes are answered all the while."""
    head = (
        b"POST /api/v1/audit/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + framing + b"\r\n\r\n"
    )
    start, byte = (head + b"3e8\r\n", b" ") if b"chunked" in framing else (head, b" ")
    with trickling(service, start, byte) as clients:
        time.sleep(0.3)
        assert service.probe("/health/live", port=service.health_port) == 200
        # Twice as many as threads: the second half has its own time after the first.
        wait_until(lambda: stored(service), what="an event stored beside them")
        for client in clients:
            head_lines, _, body = answer_of(client).partition(b"\r\n\r\n")
            assert head_lines.startswith(b"HTTP/1.1 408 "), head_lines
            assert b"Connection: close" in head_lines
            assert json.loads(body)["detail"] == "the request took too long to arrive"
    assert_alive(service)


def test_answers_that_nobody_reads(service: GunicornService) -> None:
    batch = [event(event_data={"text": "x" * 100_000}) for _ in range(10)]
    assert service.request("POST", "/api/v1/audit/events/batch", batch).status == 201
    deaf = []
    for _ in range(SLOW):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        with contextlib.suppress(OSError):  # ended already
            client.sendall(b"GET /api/v1/audit/events?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        deaf.append(client)
    wait_until(lambda: stored(service), what="an event stored beside them")
    for client in deaf:
        client.close()
    assert_alive(service)


BODY_HEAD = b"POST /api/v1/audit/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"])
def test_slow_bodies_hold_nobody_up(run_service: RunService, framing: bytes) -> None:
    service = run_service(**FAR)
    with trickling(service, BODY_HEAD + framing, b" "):
        assert_served(service)
    assert_alive(service)


def test_answers_that_nobody_reads_hold_nobody_up(run_service: RunService) -> None:
    service = run_service(**FAR)
    batch = [event(event_data={"text": "x" * 100_000}) for _ in range(10)]
    assert service.request("POST", "/api/v1/audit/events/batch", batch).status == 201
    with contextlib.ExitStack() as stack:
        for _ in range(SLOW):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", service.port))
            client.sendall(b"GET /api/v1/audit/events?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        assert_served(service)
    assert_alive(service)


def test_a_client_that_asks_before_it_sends(service: GunicornService) -> None:
    """`Expect: 100-continue` is met when the application reads, and not for what it refuses without reading."""
    body = json.dumps(event()).encode()
    expecting = f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(BODY_HEAD + expecting)
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(65536).startswith(b"HTTP/1.1 201 ")
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(BODY_HEAD.replace(b"POST", b"PUT") + expecting)
        answer = answer_of(client)
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"Connection: close\r\n" in answer


def test_more_connections_than_descriptors(run_service: RunService) -> None:
    """The worker stays, probes and others are served all the while."""
    service = run_service(**FAR | {"server__threads": "64"})
    assert service.process is not None
    (worker,) = psutil.Process(service.process.pid).children()
    assert service.request("POST", "/api/v1/audit/events", event()).status == 201
    worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds() + 50,) * 2)
    with contextlib.ExitStack() as stack:
        for n in range(200):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=60))
            client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" if n % 2 else b"GET /")
        wait_until(lambda: "no connection can be taken" in service.log.read_text(), what="no descriptor is left")
        assert service.probe("/health/live", port=service.health_port) == 200
        wait_until(lambda: stored(service), what="an event stored beside them")
    assert_alive(service)
    assert psutil.Process(service.process.pid).children() == [worker]


def test_more_slow_clients_than_connections(run_service: RunService) -> None:
    """Past the limit of connections the slowest head loses its place to whoever comes with a whole request."""
    service = run_service(**FAR)
    with trickling(service, b"GET /health HTTP/1.1\r\nX: ", b"a", count=160):
        assert service.request("POST", "/api/v1/audit/events", event(), timeout=60).status == 201
        assert service.probe("/health/live", port=service.health_port) == 200
    assert_alive(service)


@contextlib.contextmanager
def deaf(service: GunicornService, sent: bytes, count: int) -> Iterator[None]:
    """So many clients without a token that ask for much and read nothing of it."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.settimeout(60)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", service.port))
            client.sendall(sent)
        yield


def test_more_answers_that_nobody_reads_than_connections(run_service: RunService) -> None:
    """Past the limit of connections who does not read loses his place."""
    service = run_service(**FAR)
    with deaf(service, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50, 160):
        assert service.request("POST", "/api/v1/audit/events", event(), timeout=60).status == 201
    assert_alive(service)


def test_pipelined_requests_and_empty_lines(service: GunicornService) -> None:
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(b"\r\n" + request * 3 + request[:-10])
        got = b""
        while got.count(b'{"status"') < 3:
            got += client.recv(65536)
        # The rest of the fourth comes later, byte by byte.
        for byte in request[-10:]:
            client.sendall(bytes([byte]))
        while got.count(b'{"status"') < 4:
            got += client.recv(65536)
    assert got.count(b"HTTP/1.1 200 OK") == 4


def test_a_head_under_way_at_shutdown_is_still_answered(run_service: RunService) -> None:
    service = run_service(**FAR)
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\n")
        assert service.process is not None
        service.process.terminate()
        wait_until(lambda: "Handling signal: term" in service.log.read_text(), what="the signal")
        client.sendall(b"Host: x\r\n\r\n")
        assert select.select([client], [], [], 60)[0]
        assert answer_of(client).startswith(b"HTTP/1.1 200 OK")
    assert service.process.wait(60) == 0
