"""PgBouncer in transaction mode in front of a test's PostgreSQL (Debian package pgbouncer)."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import conninfo

from devserver.processes import Guarded
from tests.support import PostgresServer, free_port, scratch_dir

BINARY = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def pgbouncer(server: PostgresServer) -> Iterator[PostgresServer]:
    """The server with the service's role going through a pooler, every database of it; the owner goes direct."""
    assert BINARY is not None, "PgBouncer is not installed (Debian package pgbouncer)"
    service = conninfo.conninfo_to_dict(server.service_url)
    port = free_port()
    with scratch_dir() as folder:
        users = folder / "users.txt"
        users.write_text(f'"{service["user"]}" "{service["password"]}"\n')
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"""[databases]
* = host={service["host"]} port={service["port"]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
auth_type = scram-sha-256
auth_file = {users}
max_client_conn = 1000
# Few, so that sessions are handed from one client to another all the time.
default_pool_size = 8
server_idle_timeout = 5
"""
        )
        # It refuses to run as root.
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        with open(folder / "log", "wb") as log:
            process = Guarded(
                [BINARY, str(config)],
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        try:
            pooled = urlsplit(server.service_url)
            url = pooled._replace(netloc=pooled.netloc.rpartition(":")[0] + f":{port}").geturl()
            _wait(process, url, folder / "log")
            yield PostgresServer(server.superuser_url, server.owner_url, url, server.embedded, pooled=True)
        finally:
            process.terminate()
            process.wait(60)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("PgBouncer did not start:\n" + log.read_text()) from None
            time.sleep(0.05)
        else:
            return
