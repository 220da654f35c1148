"""The two servers of the dead letter queue: a primary and its replica, behind one address that follows the roles."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bench.campaign.disks import SmallDisk
from devserver import EmbeddedValkey
from tests.relay import Relay
from tests.support import free_port, wait_until

_DISK_BYTES = 768 << 20  # the queue's bytes, its append-only file that doubles before it is rewritten, and a copy


class QueueServers:
    """A primary and its replica. What the faults do to "Valkey" they do to the primary of the moment."""

    def __init__(self, directory: Path, binary: Path | None) -> None:
        password = secrets.token_urlsafe(24)
        self._servers: list[EmbeddedValkey] = []
        self.disks: dict[EmbeddedValkey, SmallDisk] = {}
        for number in range(2):
            mount = directory / f"queue-{number}"
            disk = SmallDisk.mount(mount, _DISK_BYTES)
            server = EmbeddedValkey(
                _folder(mount / "valkey", password),
                port=free_port(),
                binary=binary,
                # The roles change, so each may have to follow the other with the password of both.
                settings={"masterauth": password, "repl-diskless-sync-delay": "0"},
            )
            self._servers.append(server)
            if disk is not None:
                self.disks[server] = disk
        self.relay: Relay

    @property
    def primary(self) -> EmbeddedValkey:
        return self._servers[0]

    @property
    def replica(self) -> EmbeddedValkey:
        return self._servers[1]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Both servers and the relay before them, for a block."""
        try:
            self.primary.start()
            self._tell_roles()
            self.replica.start()
            with Relay(self.primary.port) as self.relay:
                yield
        finally:
            for server in self._servers:
                with contextlib.suppress(Exception):
                    server.thaw()
                with contextlib.suppress(Exception):
                    server.close()
            for disk in self.disks.values():
                disk.unmount()

    def url(self) -> str:
        """The one address, which leads to whichever is the primary."""
        return self.primary.url(0).replace(f":{self.primary.port}/", f":{self.relay.port}/")

    @contextlib.contextmanager
    def client(self, server: EmbeddedValkey | None = None) -> Iterator[redis.Redis]:
        """A client of the primary, or of the one that is named, past the relay."""
        url = (server or self.primary).url(0)
        with redis.Redis.from_url(url, socket_timeout=10, retry=Retry(NoBackoff(), 0)) as client:
            yield client

    def wait_for_replica(self, seconds: float = 60) -> None:
        """Until the replica holds all that the primary held, on its disk too."""
        wait_until(self._is_safe, seconds, "the replica of Valkey follows")

    def swap(self) -> None:
        """The replica is the primary from now on; to be told of it are the relay and the next starts."""
        self._servers.reverse()
        self._tell_roles()
        self.relay.target = self.primary.port

    def _tell_roles(self) -> None:
        self.primary.settings.pop("replicaof", None)
        self.replica.settings["replicaof"] = f"127.0.0.1 {self.primary.port}"

    def _is_safe(self) -> bool:
        # After a full copy a replica writes a new append-only file, and until that is whole it has none.
        wanted = {
            "master_link_status": "up",
            "aof_enabled": 1,
            "aof_rewrite_in_progress": 0,
            "aof_rewrite_scheduled": 0,
        }
        try:
            with self.client(self.replica) as replica, self.client() as primary:
                told = {**replica.info("replication"), **replica.info("persistence")}
                if any(told.get(name) != value for name, value in wanted.items()):
                    return False
                return bool(told["slave_repl_offset"] >= primary.info("replication")["master_repl_offset"])
        except redis.RedisError:
            return False


def _folder(path: Path, password: str) -> Path:
    """A server's folder with the password in it: both have the same, as behind one address they must."""
    path.mkdir(parents=True)
    secret = path / "passwords.json"
    secret.touch(mode=0o600)
    secret.write_text(json.dumps({"default": password}))
    return path
