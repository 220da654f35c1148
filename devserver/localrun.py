"""One run of `datastorage dev`: what is started in which order, watched, and stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from app.cli.migrate import record_migrations
from app.clock import Clock
from app.config.settings import Settings
from app.configuration import load_settings
from app.postgres.migrations import MigrationError, migrate
from devserver.backends import Backends, start_backends
from devserver.banner import banner
from devserver.errors import DevError, StartCancelledError
from devserver.keeper import Keeper, how
from devserver.processes import Child
from devserver.server import Server
from devserver.service import base_url, check_port, launch, probe, with_absolute_paths
from devserver.signed_log import advice, settings_before_key, with_log_key

# From the start of gunicorn to a service that says it is ready; workers import for a second or two.
SERVICE_READY_TIMEOUT = 60.0
# What names the database that is migrated, the first of them that is there.
_DATABASE_VARIABLES = ("DATASTORAGE_DATABASE__DIRECT_URL", "DATABASE_URL", "DATASTORAGE_DATABASE__URL")
# Beyond the service's own shutdown.timeout, before it is killed.
STOP_MARGIN = 10.0


class LocalRun:
    """One run of the command: what it starts, it stops."""

    def __init__(self, environ: Mapping[str, str], port: int, data_dir: Path) -> None:
        self._environ = {**with_absolute_paths(environ), "DATASTORAGE_SERVER__PORT": str(port)}
        # Looked at with all other settings, before anything is started.
        for short, name in (("DATABASE_URL", "DATASTORAGE_DATABASE__URL"), ("REDIS_URL", "DATASTORAGE_REDIS__URL")):
            if given := self._environ.get(short):
                self._environ[name] = given
        # Without a load balancer there is nothing to wait for at shutdown.
        self._environ.setdefault("DATASTORAGE_SHUTDOWN__ENDPOINT_PROPAGATION_DELAY", "0")
        self._data_dir = data_dir.absolute()
        self._stop = threading.Event()

    def run(self) -> int:
        """Start all, stay until SIGINT, SIGTERM or SIGHUP, stop all; the exit code.

        Raises DevError, MigrationError or ConfigError, with everything stopped.
        """
        settings = settings_before_key(self._environ)
        for host in settings.server.hosts():
            check_port(host, settings.server.port)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: self._stop.set())
        with contextlib.ExitStack() as stack:
            try:
                backends = start_backends(self._environ, self._data_dir, stack, self._stop, say)
                self._migrate(settings, backends)
                if self._stop.is_set():
                    return 0
                environ, settings = self._complete(settings, backends)
                wrong = advice(settings)
                service = self._start_service(stack, settings, environ, backends)
                if service is None or self._stop.is_set():
                    return 0
                say(banner(settings, backends, self._data_dir, wrong))
                self._watch(service, backends)
            except StartCancelledError:  # that is no failure
                return 0
            except DevError:
                # Ctrl-C may have reached a child as well, before it had a session of its own.
                if self._stop.is_set():
                    return 0
                raise
            say("\nstopping")
            service.stop(signal.SIGTERM, settings.shutdown.timeout + STOP_MARGIN)
            if code := service.exit_code():
                raise DevError(f"the service ended with exit code {code}; see its log above")
        say("stopped" + (f"; the data stays in {self._data_dir}" if backends.embedded else ""))
        return 0

    def _migrate(self, settings: Settings, backends: Backends) -> None:
        """Raises MigrationError, which says by which variable the database was named."""
        schema = self._environ.get("DATASTORAGE_DATABASE__SCHEMA", "public")
        record = record_migrations if settings.audit.record_service else None
        try:
            migrate(backends.direct_url, service_role=backends.service_role, schema=schema, say=say, record=record)
        except MigrationError as e:
            variable = next((name for name in _DATABASE_VARIABLES if self._environ.get(name)), None)
            if variable is None:
                raise
            raise MigrationError(f"{e} (the database is the one that {variable} names)") from e

    def _complete(self, settings: Settings, backends: Backends) -> tuple[dict[str, str], Settings]:
        """Where the stores are, and the key of the log, for the service. Raises DevError, ConfigError."""
        addresses = {
            "DATASTORAGE_DATABASE__URL": backends.database_url,
            "DATASTORAGE_DATABASE__DIRECT_URL": backends.direct_url,
            "DATASTORAGE_REDIS__URL": backends.redis_url,
        }
        database = dataclasses.replace(settings.database, url=backends.database_url, direct_url=backends.direct_url)
        there = dataclasses.replace(settings, database=database)
        environ = with_log_key(self._environ, self._data_dir, there) | addresses
        return environ, load_settings(environ=environ)

    def _start_service(
        self, stack: contextlib.ExitStack, settings: Settings, environ: Mapping[str, str], backends: Backends
    ) -> Child | None:
        """Start gunicorn and wait until it is ready; None when asked to stop meanwhile."""
        service = launch(environ)
        stack.callback(service.stop, signal.SIGTERM, settings.shutdown.timeout + STOP_MARGIN)
        url = urlsplit(base_url(settings))
        deadline = time.monotonic() + SERVICE_READY_TIMEOUT
        while not self._stop.wait(0.05):
            self._check_alive(service, backends.embedded)
            answer = probe(str(url.hostname), settings.server.port, "/health/ready")
            if answer == "200":
                return service
            if time.monotonic() > deadline:
                raise DevError(
                    f"the service was not ready within {SERVICE_READY_TIMEOUT:g} s ({answer}); see its log above"
                )
        return None

    def _watch(self, service: Child, backends: Backends) -> None:
        """Return when asked to stop; DevError when something ended that is not, or cannot be, started again."""
        keeper = Keeper(backends.embedded, Clock(), say, self._stop)
        with contextlib.suppress(StartCancelledError):  # asked to stop while a server was started again
            while not self._stop.wait(0.25):
                self._check_alive(service, ())
                keeper.look()

    def _check_alive(self, service: Child, servers: Sequence[Server]) -> None:
        codes = [(server.name, server.exit_code(), f"see {server.log_file}") for server in servers]
        for name, code, where in [*codes, (service.name, service.exit_code(), "see its log above")]:
            if code is not None:
                raise DevError(f"{name} ended unexpectedly {how(code)} ({where}): stopping everything")


def say(text: str) -> None:
    """Print a line. A terminal that was closed must not disturb an orderly stop."""
    with contextlib.suppress(OSError):
        click.echo(text)
