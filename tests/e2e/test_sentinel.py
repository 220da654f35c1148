"""Redis behind three sentinels: the primary is killed under load, and nothing that was acknowledged is missing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.dlq.keys import KEYS
from devserver import EmbeddedValkey
from devserver.processes import Guarded
from devserver.valkey import valkey_binary
from tests.e2e.load import Load
from tests.support import Database, GunicornService, free_port, scratch_dir, wait_until

pytestmark = pytest.mark.embedded
SERVICE = "audit"
PASSWORD, SENTINELS_PASSWORD = "of-the-servers", "of-the-sentinels"
KILLS = int(os.environ.get("SENTINEL_KILLS", "1"))


class Watched:
    """A primary with two replicas, and three sentinels that watch them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = [free_port() for _ in range(3)]
        self.servers = [self._server(n, port, ports[0]) for n, port in enumerate(ports)]
        self.sentinel_ports = [free_port() for _ in range(3)]
        self.sentinels: list[Guarded] = []

    def _server(self, number: int, port: int, primary: int) -> EmbeddedValkey:
        data = self._folder / f"server-{number}"
        data.mkdir()
        (data / "passwords.json").write_text(json.dumps({"default": PASSWORD}))
        settings = {"primaryauth": PASSWORD, "repl-diskless-sync-delay": "0"}
        if port != primary:
            settings["replicaof"] = f"127.0.0.1 {primary}"
        return EmbeddedValkey(data, port=port, settings=settings)

    def start(self) -> None:
        for server in self.servers:
            server.start()
        with self.client(self.servers[0].port) as client:
            wait_until(lambda: client.wait(2, 100) == 2, what="both replicas follow")
        for port in self.sentinel_ports:
            self.sentinels.append(self._sentinel(port))
        wait_until(self.agreed, what="the sentinels know each other and the replicas")

    def _sentinel(self, port: int) -> Guarded:
        folder = self._folder / f"sentinel-{port}"
        folder.mkdir()
        lines = [
            *(f"port {port}", "bind 127.0.0.1", f"dir {folder}", "protected-mode no"),
            *(f"requirepass {SENTINELS_PASSWORD}", f"sentinel sentinel-pass {SENTINELS_PASSWORD}"),
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.servers[0].port} 2",
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 6000",
        ]
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        with open(folder / "log", "ab") as log:
            command: list[str | Path] = [valkey_binary(), folder / "sentinel.conf", "--sentinel"]
            return Guarded(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)

    def states(self) -> list[dict[str, Any]]:
        """What each sentinel says of the primary."""
        found = []
        for port in self.sentinel_ports:
            with redis.Redis("127.0.0.1", port, password=SENTINELS_PASSWORD) as client:
                found.append(client.sentinel_master(SERVICE))  # type: ignore[arg-type]
        return found  # type: ignore[return-value]

    def agreed(self) -> bool:
        """Whether all three name one primary that lives, with two replicas that follow it."""
        with contextlib.suppress(redis.ConnectionError):
            states = self.states()
            well = all(
                (s["num-other-sentinels"], s["num-slaves"], s["is_sdown"]) == (2, 2, False) and s["is_master"]
                for s in states
            )
            if not well or len({s["port"] for s in states}) != 1:
                return False
            with self.client(states[0]["port"]) as client:
                return int(client.info("replication")["connected_slaves"]) == 2
        return False

    def primary(self) -> EmbeddedValkey:
        port = self.states()[0]["port"]
        return next(server for server in self.servers if server.port == port)

    def wait_for_another(self, port: int) -> None:
        wait_until(lambda: self.states()[0]["port"] != port, what="another primary")

    def client(self, port: int) -> redis.Redis:
        return redis.Redis("127.0.0.1", port, password=PASSWORD, socket_timeout=10)

    def stop(self) -> None:
        for sentinel in self.sentinels:
            sentinel.send_signal(signal.SIGCONT)
            sentinel.terminate()
            sentinel.wait(30)
        for server in self.servers:
            server.stop()


@pytest.fixture
def watched() -> Iterator[Watched]:
    with scratch_dir() as folder:
        made = Watched(folder)
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture
def keys(watched: Watched, tmp_path: Path) -> dict[str, str]:
    for name, password in (("password", PASSWORD), ("sentinels-password", SENTINELS_PASSWORD)):
        (tmp_path / name).write_text(password + "\n")
    return {
        "redis__sentinels": ",".join(f"127.0.0.1:{port}" for port in watched.sentinel_ports),
        "redis__sentinel_service": SERVICE,
        "redis__sentinel_password_file": str(tmp_path / "sentinels-password"),
        "redis__password_file": str(tmp_path / "password"),
        "redis__min_replicas": "1",
        "dlq__max_len": "100000",
        "server__workers": "2",
    }


@pytest.mark.timeout(600)
def test_the_primary_is_killed_under_load(
    run_service: Callable[..., GunicornService], database: Database, watched: Watched, keys: dict[str, str]
) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    service = run_service(**keys, database__url=nowhere)
    with Load(lambda: [service.port], 100) as load:
        load.until(202, 50)
        for _ in range(KILLS):
            victim = watched.primary()
            before = load.answers[202]
            victim.kill()
            watched.wait_for_another(victim.port)
            load.until(202, before + 100)
            # It follows from the start, as it would by the hand of the sentinels some seconds later.
            victim.settings["replicaof"] = f"127.0.0.1 {watched.states()[0]['port']}"
            victim.start()
            wait_until(watched.agreed, what="all three are there again")
    assert len(load.acknowledged) >= 50 + KILLS * 100
    service.stop()
    # An instance that has a database writes all of them, each once.
    other = run_service(**keys)
    with watched.client(watched.primary().port) as client:
        wait_until(lambda: client.xlen(KEYS["events"].stream) == 0, 120, "drained")
    rows = dict(database.query("SELECT event_id::text, count(*) FROM audit_events GROUP BY 1"))
    assert set(load.acknowledged) - rows.keys() == set(), "acknowledged and missing"
    assert set(rows.values()) == {1}
    assert "queue_lost" not in service.log.read_text()
    # Each worker has its own view, which is a second old.
    wait_until(lambda: other.request("GET", "/health").json["status"] == "healthy", what="healthy again")


def test_sentinels_that_are_gone_or_frozen_are_done_without(
    run_service: Callable[..., GunicornService], watched: Watched, keys: dict[str, str]
) -> None:
    watched.sentinels[0].kill()
    watched.sentinels[0].wait(30)
    watched.sentinels[1].send_signal(signal.SIGSTOP)
    service = run_service(**keys, database__url="postgresql://nobody@127.0.0.1:9/none")
    with Load(lambda: [service.port], 20) as load:
        load.until(202, 20)
    assert re.search(r"the sentinels name 127\.0\.0\.1:\d+ as the primary of audit", service.log.read_text())
