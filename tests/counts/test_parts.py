"""The parts that count: hooks, what strace writes, and the proxies that read along."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.counts import counter, systemcalls
from tests.counts.proxy import Heard, Postgres, Redis


def _three() -> Iterator[int]:
    yield from (1, 2, 3)


def _twice() -> int:
    return sum(_three()) + sum(_three())


def test_a_generator_is_one_call_however_often_it_goes_on() -> None:
    counting = counter.Counter()
    sys.setprofile(counting.hook)
    _twice()
    sys.setprofile(None)
    here = "tests/counts/test_parts.py"
    assert counter.by_name(counting.calls) == {f"{here}:_twice": 1, f"{here}:_three": 2}
    assert counter.by_module({f"{here}:_twice": 1, f"{here}:_three": 2}) == {here: 3}


def test_a_frozen_module_is_named_as_its_file() -> None:
    assert counter.place_of("<frozen posixpath>") == "posixpath.py"
    assert counter.place_of("<frozen importlib._bootstrap>") == "importlib/_bootstrap.py"
    assert counter.place_of(counter.__file__) == "tests/counts/counter.py"


def test_system_calls_are_told_apart_by_mark_and_thread(tmp_path: Path) -> None:
    file = tmp_path / "strace"
    file.write_text(
        '10 read(3, "a", 1) = 1\n'
        '11 newfstatat(AT_FDCWD, "/counts-mark-before", 0x7f, 0) = -1 ENOENT (No such file or directory)\n'
        "10 recvfrom(5,  <unfinished ...>\n"
        '12 sendto(6, "b", 1, 0, NULL, 0) = 1\n'
        '10 <... recvfrom resumed>"c", 1, 0, NULL, NULL) = 1\n'
        '11 newfstatat(AT_FDCWD, "/counts-mark-event", 0x7f, 0) = -1 ENOENT (No such file or directory)\n'
        "10 +++ exited with 0 +++\n"
    )
    found = list(systemcalls.sections(file))
    assert [mark for mark, _ in found] == ["before", "event"]
    assert systemcalls.of(found[1][1], [10]) == {"recvfrom": 1}
    assert systemcalls.of(found[1][1], [10, 12]) == {"recvfrom": 1, "sendto": 1}


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def test_statements_and_round_trips_of_postgresql_are_read() -> None:
    heard = Heard()
    said = Postgres(heard)
    start = b"\0\3\0\0user\0x\0application_name\0datastorage-query\0\0"
    said.from_client((len(start) + 4).to_bytes(4, "big") + start)
    ready = _message(b"Z", b"I")
    assert said.from_server(ready) == ready
    asked = _message(b"P", b"s1\0SELECT\n  1\0\0\0") + _message(b"B", b"\0s1\0") + _message(b"E", b"\0\0\0\0\0")
    said.from_client(asked[:7])
    said.from_client(asked[7:] + _message(b"S", b""))
    assert not heard.idle(("query",))
    assert said.from_server(_message(b"C", b"SELECT 1\0")) == b"", "an answer is passed on as a whole"
    assert said.from_server(ready) == _message(b"C", b"SELECT 1\0") + ready
    assert heard.idle(("query",))
    assert heard.take(("query",)) == ({"(parsed) SELECT 1": 1, "SELECT 1": 1}, {"query": 1})
    assert heard.take(("flusher",)) == ({}, {})


def test_commands_and_round_trips_of_redis_are_read() -> None:
    heard = Heard()
    said = Redis(heard)
    said.from_client(b"*2\r\n$4\r\nxlen\r\n$3\r\nke")
    said.from_client(b"y\r\n*1\r\n$4\r\nPING\r\n")
    said.from_server(b":0\r\n+PONG\r\n")
    assert heard.take(("redis",)) == ({"XLEN": 1, "PING": 1}, {"redis": 1})
