"""How long after its answer an event is in a signed checkpoint that clients are given."""

from __future__ import annotations

import threading
import time
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg
from datastorage_common.notes import make_key

from app.transparency.entries import event_key
from bench.client import Connection, WrongAnswerError
from bench.harness import Bench
from bench.load import percentile
from bench.requests import event_bytes, get, now, post
from tests.support import Database, valkey_server, wait_until

_SECONDS = 30.0
_SENDERS = 4
_BATCH = 50
_LOOK_SECONDS = 0.02
_CHECKPOINT = get("/api/v1/log/checkpoint")
_GOAL_SECONDS = 2.0


@dataclass
class _Served:
    """Which size was given to clients from when on."""

    times: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def see(self, size: int) -> None:
        if not self.sizes or size > self.sizes[-1]:
            self.times.append(time.monotonic())
            self.sizes.append(size)

    def when(self, index: int) -> float:
        """When a checkpoint of more than ``index`` entries was given first."""
        return self.times[bisect_right(self.sizes, index)]


def signed_lag(bench: Bench, rate: float) -> None:
    """At a few events a second, and at ``rate`` in batches: until 99 % of the events are in a checkpoint."""
    for name, size, each in (("few events", 1, 5.0), (f"batches of {_BATCH}", _BATCH, rate / _BATCH)):
        database = bench.database.server.make_database()
        try:
            lags = _lags(bench, database, size, each)
        finally:
            database.drop()
        bench.add(
            "log", f"{name}: time until a signed checkpoint has the event, p99", percentile(lags, 99), "s",
            _GOAL_SECONDS, at_least=False,
            note=f"{size * each:,.0f}/s, {len(lags):,} events; median {percentile(lags, 50):.2f} s, "
            f"longest {max(lags):.2f} s; a key, Redis and a file that remember",
            key=f"log.signed_{'idle' if size == 1 else 'load'}_p99_s",
        )  # fmt: skip


def _lags(bench: Bench, database: Database, size: int, rate: float) -> list[float]:
    """Of each event, the seconds from its answer to the first checkpoint that has it; ``rate`` requests a second."""
    key_file = bench.folder / "log-key"
    key_file.touch(0o600)
    key_file.write_text(make_key("log.example/bench", uuid.uuid4().bytes * 2).encode() + "\n")
    memory = bench.folder / f"remembered-{size}"
    with (
        valkey_server() as valkey,
        bench.service(
            database=database, redis__url=valkey.url(), log__key_file=str(key_file), log__checkpoint_file=str(memory)
        ) as service,
    ):
        Connection(service.port).ask(next(_batches(1)).body, 201)
        wait_until(lambda: _size(service.port) > 0, 60, "a checkpoint")
        served, over = _Served(), threading.Event()
        with ThreadPoolExecutor(_SENDERS + 1) as threads:
            looking = threads.submit(_look, service.port, served, over)
            try:
                sending = [threads.submit(_send, service.port, size, rate / _SENDERS, n) for n in range(_SENDERS)]
                answered = {ident: at for each in sending for ident, at in each.result().items()}
                places = _places(database, answered)
                wait_until(lambda: served.sizes and served.sizes[-1] > max(places.values()), 60, "all are signed")
            finally:
                over.set()
            looking.result()
    memory.unlink()
    return [served.when(places[ident]) - at for ident, at in answered.items()]


@dataclass(frozen=True)
class _Batch:
    idents: list[uuid.UUID]
    body: bytes


def _batches(size: int) -> Iterator[_Batch]:
    for number in range(1 << 30):
        idents = [uuid.uuid4() for _ in range(size)]
        moment = now()
        events = (
            b'{"event_id":"%s",' % str(ident).encode() + event_bytes("signed", number * size + i, moment)[1:]
            for i, ident in enumerate(idents)
        )
        if size == 1:
            yield _Batch(idents, post("/api/v1/audit/events", next(events)))
        else:
            yield _Batch(idents, post("/api/v1/audit/events/batch", b"[" + b",".join(events) + b"]"))


def _send(port: int, size: int, rate: float, number: int) -> dict[uuid.UUID, float]:
    """Send so many requests a second, on one connection; when each event was answered."""
    found: dict[uuid.UUID, float] = {}
    connection = Connection(port)
    began = time.monotonic() + number / _SENDERS / rate
    for turn, batch in enumerate(_batches(size)):
        due = began + turn / rate
        if due - began > _SECONDS:
            return found
        time.sleep(max(0.0, due - time.monotonic()))
        connection.ask(batch.body, 201)
        at = time.monotonic()
        found.update(dict.fromkeys(batch.idents, at))
    raise AssertionError


def _look(port: int, served: _Served, over: threading.Event) -> None:
    connection = Connection(port)
    while not over.wait(_LOOK_SECONDS):
        served.see(_size_in(connection.ask(_CHECKPOINT, 200)))


def _size(port: int) -> int:
    try:
        return _size_in(Connection(port).ask(_CHECKPOINT, 200))
    except WrongAnswerError:
        return 0


def _size_in(answer: bytes) -> int:
    return int(answer.split(b"\n")[1])


def _places(database: Database, idents: dict[uuid.UUID, float]) -> dict[uuid.UUID, int]:
    """The index of each event, when all have one."""
    by_key = {event_key(ident): ident for ident in idents}
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:

        def rows() -> list[tuple[int, int]]:
            return conn.execute(
                "SELECT id_hash, log_index FROM log_places WHERE id_hash = ANY(%s)", (list(by_key),)
            ).fetchall()

        wait_until(lambda: len(rows()) >= len(by_key), 60, "every event has its place")
        return {by_key[key]: index for key, index in rows()}
