"""A primary and a standby that streams from it, both real, to be killed and promoted."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from devserver import DevError, EmbeddedPostgres, postgres_binaries
from devserver.accounts import unprivileged
from tests.support import Database, PostgresServer, scratch_dir, wait_until, with_dbname

STANDBY = "standby"


@dataclass
class Pair:
    """A primary and its standby."""

    primary: EmbeddedPostgres
    standby: EmbeddedPostgres
    database: Database

    @property
    def url(self) -> str:
        """Both servers: whichever takes writes is connected to."""
        parts = urlsplit(self.database.service_url)
        who = parts.netloc.rpartition("@")[0]
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{who}@{hosts}{parts.path}?target_session_attrs=read-write"

    def standby_database(self) -> Database:
        server = self.standby
        urls = (server.url("superuser"), server.url("owner"), server.url("service"))
        held = self.database
        return Database(held.name, *(with_dbname(url, held.name) for url in urls), server=held.server)

    def cut_off(self) -> None:
        """The primary waits for no standby, and the standby hears no more of it."""
        superuser(self.primary, "ALTER SYSTEM RESET synchronous_standby_names")
        superuser(self.primary, "SELECT pg_reload_conf()")
        self.standby.kill()

    def promote(self) -> Database:
        """The primary is gone; the standby, with what it has got, takes its place."""
        self.primary.kill()
        with contextlib.suppress(DevError):  # it runs
            self.standby.start()
        assert superuser(self.standby, "SELECT pg_promote()") == [(True,)]
        return self.standby_database()


def superuser(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url("superuser", "postgres"), autocommit=True) as conn:
        cursor = conn.execute(statement)
        return cursor.fetchall() if cursor.description else []


def copy(primary: EmbeddedPostgres, folder: Path) -> EmbeddedPostgres:
    """A standby that streams from the primary."""
    account = unprivileged()
    folder.mkdir()
    shutil.copy(primary.data_dir / "passwords.json", folder)
    home = folder / "pgdata"
    home.mkdir(mode=0o700)
    if account is not None:
        os.chown(home, account.uid, account.gid)
    source = f"{primary.url('superuser', 'postgres')}?application_name={STANDBY}"
    subprocess.run(
        [postgres_binaries(account) / "pg_basebackup", "-D", home, "-d", source, "-R", "-X", "stream", "-c", "fast"],
        check=True,
        capture_output=True,
        cwd="/",
        **({} if account is None else {"user": account.uid, "group": account.gid}),  # type: ignore[arg-type]
    )
    return EmbeddedPostgres(folder)


@contextlib.contextmanager
def asynchronous_pair() -> Iterator[Pair]:
    """A primary that does not wait for its standby."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_dir())
        primary = EmbeddedPostgres(folder / "primary")
        primary.start()
        stack.callback(primary.stop, "immediate")
        server = PostgresServer(primary.url("superuser"), primary.url("owner"), primary.url("service"), primary)
        database = server.make_database()
        standby = copy(primary, folder / "standby")
        standby.start()
        stack.callback(standby.stop, "immediate")
        yield Pair(primary, standby, database)


@contextlib.contextmanager
def synchronous_pair() -> Iterator[Pair]:
    """A primary that answers a commit only when its standby has it too."""
    with asynchronous_pair() as pair:
        primary = pair.primary
        superuser(primary, f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({STANDBY})'")
        superuser(primary, "SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        wait_until(lambda: superuser(primary, state) == [("quorum",)], what="the standby is a synchronous one")
        yield pair
