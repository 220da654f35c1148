"""The life of a worker: how it ends, and what it logs."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.config.settings import Settings, ShutdownSettings
from app.telemetry.log_writer import LineWriter
from tests.support import wait_until
from tests.unit.fakes import HOUR
from tests.unit.server.world import World, sized


def test_it_finishes_what_has_begun_and_then_flushes(world: World) -> None:
    world.start()
    idle, busy, begun, unbegun = (world.client() for _ in range(4))
    idle.send_request("/hello")
    assert idle.answer()[0] == 200
    busy.send_request("/block")
    begun.sendall(sized("/echo", b"hello")[:-1])
    wait_until(
        lambda: len(world.worker._clients.connections) == 4 and sorted(world.app.calls) == ["/block", "/echo", "/hello"]
    )
    wait_until(lambda: len(world.worker._waiting.bodies) == 1)
    world.worker.handle_exit(0, None)
    assert idle.end() == b""
    assert unbegun.end() == b""
    begun.sendall(b"o")
    assert begun.answer()[::2] == (200, b"hello")
    assert world.app.services.calls == ["start", "drain"]
    world.app.go_on.set()
    status, headers, _ = busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    for client in world.clients:
        client.close()
    assert world.thread is not None
    world.thread.join(120)
    assert world.app.services.calls == ["start", "drain", "stop"]
    with pytest.raises(ConnectionRefusedError):
        world.client()
    assert list(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).iterdir()) == []


def test_during_the_delay_it_takes_connections_and_closes_each_after_its_answer(world: World) -> None:
    worker = world.make()
    world.settings = Settings(
        server=world.settings.server,
        health=world.settings.health,
        shutdown=ShutdownSettings(endpoint_propagation_delay=HOUR),
    )
    worker.begin(world.settings)
    world.thread = threading.Thread(target=world._run, daemon=True)
    world.thread.start()
    client = world.client()
    client.send_request("/hello")
    assert client.answer()[1]["connection"] == "keep-alive"
    worker.handle_exit(0, None)
    for each in (client, world.client()):
        each.send_request("/hello")
        assert each.answer()[1]["connection"] == "close"
        assert each.end() == b""


def test_a_worker_without_a_master_ends_by_itself(world: World) -> None:
    world.start(ppid=2**22 + 1)
    assert world.thread is not None
    world.thread.join(120)
    assert world.app.services.calls == ["start", "drain", "stop"]
    assert any("has no master any more" in text for _, text in world.log.lines)


def test_told_to_stop_before_it_began(world: World) -> None:
    worker = world.make()
    worker.handle_exit(0, None)
    worker.handle_quit(0, None)
    worker.begin(world.settings)
    worker.run()
    worker.end()
    worker.close_log()
    assert world.app.services.calls == []


def test_told_to_stop_while_it_began(world: World) -> None:
    """By a signal that comes after the first look whether there was one, and before there is something to stop."""
    worker = world.make()
    worker.begin(world.settings)
    worker.alive = False
    worker.run()
    assert world.app.services.calls == ["start", "drain", "stop"]


def test_all_that_a_worker_logs_goes_through_one_queue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    writer = LineWriter(write=written.append)
    worker = world.make()
    services = SimpleNamespace(request_log=SimpleNamespace(writer=writer))
    worker.wsgi = SimpleNamespace(extensions={"datastorage": services})
    gunicorns = logging.Logger("gunicorn.error")
    worker.log = SimpleNamespace(error_log=gunicorns)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    worker.open_log(Settings())
    assert writer.running
    gunicorns.info("of gunicorn")
    logging.getLogger("app.x").warning("of ours")
    worker.close_log()
    worker.close_log()
    assert not writer.running
    gunicorns.info("after the end")
    lines = [json.loads(line)["message"] for line in b"".join(written).splitlines()]
    assert lines == ["of gunicorn", "of ours", "after the end"]
