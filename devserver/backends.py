"""The PostgreSQL and the Valkey behind the service of a local run: embedded, or servers that are there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devserver.postgres import SERVICE_ROLE, EmbeddedPostgres
from devserver.server import Server
from devserver.valkey import EmbeddedValkey


@dataclass(frozen=True, kw_only=True)
class Backends:
    """Addresses of the servers behind the service, and the embedded ones among them."""

    database_url: str
    direct_url: str
    service_role: str | None  # None: DATABASE_URL names the database, and its roles are there
    redis_url: str
    embedded: tuple[Server, ...]

    @property
    def database_embedded(self) -> bool:
        """Whether PostgreSQL is one of them."""
        return any(isinstance(server, EmbeddedPostgres) for server in self.embedded)

    @property
    def redis_embedded(self) -> bool:
        """Whether Valkey is one of them."""
        return any(isinstance(server, EmbeddedValkey) for server in self.embedded)


def start_backends(
    environ: Mapping[str, str],
    data_dir: Path,
    stack: contextlib.ExitStack,
    cancel: threading.Event,
    say: Callable[[str], None],
) -> Backends:
    """Start an embedded server for each that ``environ`` does not name, all at once; ``stack`` stops them.

    ``cancel`` gives up the start. DevError if one does not start.
    """
    given_database = environ.get("DATASTORAGE_DATABASE__URL")
    given_redis = environ.get("DATASTORAGE_REDIS__URL")
    postgres = EmbeddedPostgres(data_dir / "postgresql")
    valkey = EmbeddedValkey(data_dir / "valkey")
    embedded: list[Server] = [
        *([] if given_redis else [valkey]),
        *([] if given_database else [postgres]),
    ]
    if embedded:
        names = " and ".join(server.name for server in reversed(embedded))
        say(f"starting {names}, data in {data_dir}")
    for server in embedded:
        server.launch()
        stack.callback(server.close)
    for server in embedded:
        server.wait_ready(cancel)
    direct = environ.get("DATASTORAGE_DATABASE__DIRECT_URL")
    return Backends(
        database_url=given_database or postgres.url("service"),
        direct_url=direct or given_database or postgres.url("owner"),
        service_role=None if given_database else SERVICE_ROLE,
        redis_url=given_redis or valkey.url(),
        embedded=tuple(embedded),
    )
