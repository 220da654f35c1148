"""One request, one answer: whatever a stranger sends, it has no answer too many and touches no other client.

Exchanges of raw HTTP (`raw_http`) are made up from a seed and sent on the bare wire, and through proxies that share
their connections among clients. Writers and a reader with tokens work beside it. FUZZ_SEED is another seed;
FUZZ_ONLY=number sends one exchange of that seed over and over, FUZZ_EXCHANGES so many in each setup.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import socket
import struct
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import Database, GunicornService, PostgresServer, event, wait_until
from tests.system import proxies, raw_http
from tests.system.raw_http import EVENTS, Exchange, Generator, Tokens
from tests.tokens import entry, write_tokens

SEED = int(os.environ.get("FUZZ_SEED", "13"))
ONLY = os.environ.get("FUZZ_ONLY")
SETUPS = ("bare", *proxies.KINDS)
# In each setup: 2,000 in all, and at night 20,000.
EVERY_DAY, NIGHTLY = 2_000 // len(SETUPS), 20_000 // len(SETUPS)
STRANGERS, WRITERS = 4, 3
# Between two pieces: enough for the first to be read alone, most times.
PIECE_SECONDS = 0.002
# A proxy waits for what an exchange leaves out, so the stranger leaves when nothing has come for so long. Not judged.
QUIET_SECONDS = 0.15

WRITER, READER, OTHER, CLUMSY = (f"dst_{name}-0123456789abcdefghijklmnopqrstuvwxyz" for name in "wroc")


@pytest.fixture(scope="module")
def store(postgres: PostgresServer) -> Iterator[Database]:
    """A database for all setups."""
    made = postgres.make_database()
    yield made
    made.drop()


@pytest.fixture(scope="module")
def service(store: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornService]:
    """One worker, so that all clients share it, with tokens, and with small bodies so that large ones are cheap."""
    folder = tmp_path_factory.mktemp("raw-http")
    tokens = write_tokens(
        folder / "tokens.yaml",
        entry("writer", WRITER, "audit:write"),
        entry("reader", READER, "audit:read"),
        entry("other", OTHER, "metrics"),
        entry("clumsy", CLUMSY, "audit:write"),
    )
    running = GunicornService(
        {
            **store.environ,
            "DATASTORAGE_AUTH__MODE": "token",
            "DATASTORAGE_AUTH__TOKENS_FILE": str(tokens),
            "DATASTORAGE_SERVER__WORKERS": "1",
            "DATASTORAGE_SERVER__MAX_BODY_SIZE": "64KiB",
        },
        folder / "gunicorn.log",
    )
    running.start()
    yield running
    running.stop()


@dataclass
class Bystanders:
    """Clients with tokens on connections that stay: what they were answered, and what they were not."""

    port: int
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    # The exchanges that ended last, to say which may have caused what.
    lately: deque[Exchange] = field(default_factory=lambda: deque(maxlen=2 * STRANGERS))
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Write and read until the end of the block."""
        clients = [threading.Thread(target=self._write) for _ in range(WRITERS)] + [threading.Thread(target=self._read)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._stop.set()
            for client in clients:
                client.join(90)

    def _write(self) -> None:
        connection = self._connection()
        while not self._stop.wait(0.001):
            ident = str(uuid.uuid4())
            body = json.dumps(event(event_id=ident)).encode()
            answer = self._ask(connection, "POST", EVENTS, WRITER, f"writer-{ident}", body)
            if answer is None:
                continue
            status, data = answer
            if status not in (200, 201):
                self._note(f"a write was answered {status}: {data[:300]!r}")
            elif json.loads(data).get("event_id") != ident:
                self._note(f"a write of {ident} was answered {data[:300]!r}")
            else:
                self.acknowledged.append(ident)
        connection.close()

    def _read(self) -> None:
        connection = self._connection()
        while not self._stop.wait(0.005):
            answer = self._ask(
                connection, "GET", f"{EVENTS}?limit=3&count=none", READER, f"reader-{uuid.uuid4()}", None
            )
            if answer is None:
                continue
            status, data = answer
            if status != 200 or "data" not in json.loads(data):
                self._note(f"a read was answered {status}: {data[:300]!r}")
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, token: str, ident: str, body: bytes | None
    ) -> tuple[int, bytes] | None:
        """Status and body of the answer; None where there is none, or one that is not ours, which is noted."""
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": ident, "Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as e:
            connection.close()
            self.statuses[f"{method} {type(e).__name__}"] += 1
            self._note(f"{method} {ident}: {e!r}")
            return None
        self.statuses[f"{method} {response.status}"] += 1
        if response.headers["X-Request-ID"] != ident:
            self._note(
                f"{method} {ident} was answered {response.status} to {response.headers['X-Request-ID']}: {data[:200]!r}"
            )
            return None
        return response.status, data

    def _note(self, what: str) -> None:
        last = "" if self.wrong else "".join(f"\n  {each.replay()}" for each in list(self.lately))
        self.wrong.append(what + (f"\n the exchanges before it, the last one at the end:{last}" if last else ""))


def send(port: int, exchange: Exchange, *, to_proxy: bool) -> tuple[bytes, bool]:
    """Everything that was answered to an exchange, and whether the connection ended without a reset."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        got = []
        try:
            try:
                for n, piece in enumerate(exchange.pieces):
                    if n:
                        time.sleep(PIECE_SECONDS)
                    sock.sendall(piece)
                if exchange.ending == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return b"", False
                if exchange.ending == "close":
                    return b"", False
                if to_proxy:
                    # A proxy takes half a close for a client that has gone.
                    sock.settimeout(QUIET_SECONDS)
                else:
                    sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it need not listen to all of it; what it said before can still be read
            while part := sock.recv(65536):
                got.append(part)
        except TimeoutError:
            assert to_proxy, f"no end within a minute: {exchange.replay()}"
        except ConnectionResetError:
            return b"".join(got), False
    return b"".join(got), True


def run(setup: str, port: int, store: Database, count: int) -> None:
    """Send so many exchanges while others work, and judge what all of them were answered."""
    generator = Generator(SEED, Tokens(without_scope=OTHER, writer=CLUMSY))
    bystanders = Bystanders(port)
    # Each setup has exchanges of its own.
    first = SETUPS.index(setup) * NIGHTLY
    numbers = itertools.repeat(int(ONLY), count) if ONLY else iter(range(first, first + count))
    taking = threading.Lock()
    wrong: list[str] = []
    kinds: Counter[str] = Counter()

    def stranger() -> None:
        while True:
            with taking:
                number = next(numbers, None)
            if number is None:
                return
            exchange = generator.exchange(number)
            try:
                data, ended = send(port, exchange, to_proxy=setup != "bare")
                found = raw_http.foreign(exchange, data)
                if setup == "bare" and exchange.ending == "half":
                    found += raw_http.faults(exchange, data, whole=ended)
            except (OSError, AssertionError) as e:
                found, data = [repr(e)], b""
            bystanders.lately.append(exchange)
            if found:
                strange = next((part.kind for part in exchange.parts if part.framing != "good"), "good")
                kinds[strange] += 1
                wrong.append(f"{'; '.join(found)}\n  {exchange.replay()}\n  answered: {data[:600]!r}")

    with bystanders.at_work():
        strangers = [threading.Thread(target=stranger) for _ in range(STRANGERS)]
        for each in strangers:
            each.start()
        for each in strangers:
            each.join()
        wait_until(lambda: bystanders.wrong or len(bystanders.acknowledged) > WRITERS, what="others served meanwhile")
    rows = {str(i): n for i, n in store.query("SELECT event_id, count(*) FROM audit_events GROUP BY 1")}
    lost = [ident for ident in bystanders.acknowledged if rows.get(ident) != 1]
    summary = f"{setup}, FUZZ_SEED={SEED}: {len(wrong)} of {count} exchanges went wrong"
    if wrong or bystanders.wrong:
        others = f"{len(bystanders.wrong)} requests of others went wrong of {dict(bystanders.statuses)}"
        said = "\n".join(wrong[:4] + bystanders.wrong[:4])
        pytest.fail(f"{summary} {dict(kinds.most_common())}; {others}\n{said}", pytrace=False)
    assert not lost, f"{len(lost)} acknowledged events are not stored once: {lost[:5]}"


def run_setup(setup: str, service: GunicornService, store: Database, folder: Path, count: int) -> None:
    """The exchanges of one setup; the service serves on afterwards, by the same worker."""
    count = int(os.environ.get("FUZZ_EXCHANGES", count))
    before = service.log.stat().st_size
    with contextlib.ExitStack() as stack:
        port = service.port if setup == "bare" else stack.enter_context(proxies.proxy(setup, folder, [service]))
        run(setup, port, store, count)
    log = service.log.read_bytes()[before:].decode(errors="replace")
    assert service.alive()
    assert "Booting worker" not in log, "a worker was replaced"
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("setup", SETUPS)
def test_a_stranger_gets_one_answer_a_request_and_touches_nobody(
    setup: str, service: GunicornService, store: Database, tmp_path: Path
) -> None:
    run_setup(setup, service, store, tmp_path, EVERY_DAY)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("setup", SETUPS)
def test_ten_times_as_many_exchanges(setup: str, service: GunicornService, store: Database, tmp_path: Path) -> None:
    run_setup(setup, service, store, tmp_path, NIGHTLY)
