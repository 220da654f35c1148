"""A client that asks too often is put aside: its next request waits, and that costs nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest

from app.http.environ import KEPT, PUT_ASIDE
from app.server import clients
from tests.support import wait_until
from tests.unit.fakes import HOUR
from tests.unit.server.world import World, request, sized

# How long who is refused has to wait.
PAUSE = {"seconds": HOUR}


@pytest.fixture
def world(world: World) -> World:
    def refuse(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        environ[PUT_ASIDE] = PAUSE["seconds"]
        return world.app.answer(start, b"too many", "429 Too Many Requests")

    world.app.handlers["/refused"] = refuse
    return world


def aside(world: World) -> int:
    return len(world.worker._waiting.aside)


def test_the_next_request_waits_and_others_do_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAUSE, "seconds", HOUR)
    greedy, other = world.start().client(), world.client()
    greedy.sendall(request("/refused"))
    assert greedy.answer()[0] == 429
    wait_until(lambda: aside(world) == 1)
    greedy.sendall(request("/hello"))
    for _ in range(20):
        other.sendall(sized("/echo", b"x"))
        assert other.answer()[0] == 200
    assert greedy.silent()
    assert "/hello" not in world.app.calls


def test_it_is_heard_again_after_a_moment_in_the_order_it_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAUSE, "seconds", 0.01)
    greedy = world.start().client()
    greedy.sendall(request("/refused") + sized("/echo", b"pipelined") + request("/refused"))
    greedy.sendall(sized("/echo", b"later"))
    assert [greedy.answer()[0] for _ in range(4)] == [429, 200, 429, 200]
    assert world.app.bodies == [b"pipelined", b"later"]


def test_many_are_heard_again_one_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAUSE, "seconds", 1e-9)
    monkeypatch.setattr(clients, "HEAR_SECONDS", HOUR)
    greedy = [world.start().client()] + [world.client() for _ in range(19)]
    world.worker._clients._hear_at = time.monotonic() + HOUR
    for client in greedy:
        client.sendall(request("/refused"))
        assert client.answer()[0] == 429
    wait_until(lambda: aside(world) == 20)
    for client in greedy:
        client.sendall(request("/hello"))
    world.worker._clients._hear_at = 0.0
    wait_until(lambda: world.app.calls.count("/hello") == 1)
    assert aside(world) == 19


def test_shutdown_does_not_wait_for_it_and_answers_what_it_has_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PAUSE, "seconds", HOUR)
    asking, silent = world.start().client(), world.client()
    for client in (asking, silent):
        client.sendall(request("/refused"))
        assert client.answer()[0] == 429
    wait_until(lambda: aside(world) == 2)
    asking.sendall(request("/hello"))
    world.worker.handle_quit(0, None)
    status, headers, body = asking.answer()
    assert (status, headers["connection"], body) == (200, "close", b"hello")
    assert silent.end() == b""
    assert world.thread is not None
    world.thread.join(60)
    assert not world.thread.is_alive()


def test_where_places_are_scarce_it_gives_its_own_to_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAUSE, "seconds", HOUR)
    world.start(connections=8)
    limit = world.worker._clients.limit
    greedy = [world.client() for _ in range(limit - 1)]
    for client in greedy:
        client.sendall(request("/refused"))
        assert client.answer()[0] == 429
    wait_until(lambda: aside(world) == limit - 1)
    others = [world.client() for _ in range(3)]
    for client in others:
        client.sendall(request("/hello"))
        assert client.answer()[0] == 200
    assert aside(world) < limit - 1


def test_what_is_kept_of_a_request_is_there_when_it_is_asked_for_again(world: World) -> None:
    kept: list[Any] = []

    def look(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        kept.append(environ.get(KEPT))
        if kept[-1] is not None:
            kept[-1].setdefault("seen", []).append(len(kept))
        return world.app.answer(start, world.app.body(environ))

    world.app.handlers["/look"] = look
    client = world.start().client()
    wire = sized("/look", b"hello")
    client.sendall(wire[:-3])
    wait_until(lambda: len(kept) == 1)
    client.sendall(wire[-3:])
    assert client.answer()[2] == b"hello"
    assert kept[1] is kept[0] == {"seen": [1, 2]}
    client.sendall(wire)
    assert client.answer()[2] == b"hello"
    assert kept[2] is None, "of a request that came whole"
