"""`datastorage dev`: PostgreSQL, Valkey and the service on this machine, started and stopped together."""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from datastorage_common.files import as_text
from datastorage_common.jsonvalue import is_storable_text
from psycopg.conninfo import conninfo_to_dict

from app.clock import Clock
from app.config.addresses import reached_at, with_port
from app.config.settings import ConfigError, Settings, load_settings
from app.postgres.migrations import MigrationError, migrate
from app.resources import resource
from devserver import (
    OWNER_ROLE,
    PRIVATE_UMASK,
    SERVICE_ROLE,
    Child,
    DevError,
    EmbeddedPostgres,
    EmbeddedValkey,
    Keeper,
    Server,
    StartCancelledError,
    how,
    port_is_free,
)

PORT_VARIABLES = ("PORT", "DATASTORAGE_SERVER__PORT")
GUNICORN_CONF = resource("gunicorn.conf.py")
# From the start of gunicorn to a service that says it is ready; workers import for a second or two.
SERVICE_READY_TIMEOUT = 60.0
# Beyond the service's own shutdown.timeout, before it is killed.
STOP_MARGIN = 10.0


class PortType(click.IntRange):
    """A port; a wrong one is told with the name of the variable that it came from, as `make run` knows no options."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            source = ctx.get_parameter_source(str(param.name)) if ctx is not None and param is not None else None
            names = PORT_VARIABLES if source is click.core.ParameterSource.ENVIRONMENT else ()
            hint = next((name for name in names if os.environ.get(name) == value), None)
            raise click.BadParameter(f"{value!r} is not a number from 1 to 65535", ctx, param, hint) from None


def _folder(ctx: click.Context, parameter: click.Parameter, value: Path) -> Path:
    # PostgreSQL's and Valkey's own files name it, as text.
    if not is_storable_text(str(value.absolute())):
        raise click.BadParameter(f"{as_text(value.absolute())} is not UTF-8: choose another folder", ctx, parameter)
    return value


@click.command(
    epilog="""\b
Examples:
  datastorage dev
  PORT=8081 DATA_DIR=/tmp/second datastorage dev
  DATABASE_URL=postgresql://owner:secret@db/datastorage REDIS_URL=redis://cache/0 datastorage dev
  DATASTORAGE_SERVER__WORKERS=1 DATASTORAGE_LOGGING__LEVEL=debug datastorage dev
"""
)
@click.option(
    "--port",
    type=PortType(1, 65535),
    envvar=PORT_VARIABLES,
    default=8080,
    show_default=True,
    help="Port of the service (or PORT).",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="DATA_DIR",
    callback=_folder,
    default=Path(".data"),
    show_default=True,
    help="Where PostgreSQL and Valkey keep their files (or DATA_DIR).",
)
def dev(port: int, data_dir: Path) -> None:
    """Run everything on this machine: PostgreSQL, Valkey and the service.

    Ctrl-C stops it all; the data stays, and the next start finds it again. PostgreSQL or Valkey that is killed is
    started again, so that an outage can be tried (kill -9). DATABASE_URL and REDIS_URL name servers
    to use instead of the embedded ones (the environment only: a command line can be read by others). Any
    DATASTORAGE_SECTION__KEY reaches the service.
    """
    try:
        code = LocalRun(os.environ, port, data_dir).run()
    except (DevError, MigrationError) as e:
        click.echo(f"datastorage: {e}", err=True)
        sys.exit(1)
    except ConfigError as e:
        for fault in e.faults:
            click.echo(f"datastorage: {fault}", err=True)
        sys.exit(2)
    sys.exit(code)


@dataclass(frozen=True, kw_only=True)
class Backends:
    """Addresses of the servers behind the service, and the embedded ones among them."""

    database_url: str
    direct_url: str
    service_role: str | None  # None: the database is somebody else's, and so are its roles
    redis_url: str
    embedded: tuple[Server, ...]


class LocalRun:
    """One run of the command: what it starts, it stops."""

    def __init__(self, environ: Mapping[str, str], port: int, data_dir: Path) -> None:
        self._environ = {**_from_anywhere(environ), "DATASTORAGE_SERVER__PORT": str(port)}
        # Looked at with all other settings, before anything is started.
        for short, name in (("DATABASE_URL", "DATASTORAGE_DATABASE__URL"), ("REDIS_URL", "DATASTORAGE_REDIS__URL")):
            if given := self._environ.get(short):
                self._environ[name] = given
        # Behind nobody's load balancer there is nothing to wait for at shutdown.
        self._environ.setdefault("DATASTORAGE_SHUTDOWN__ENDPOINT_PROPAGATION_DELAY", "0")
        self._data_dir = data_dir.absolute()
        self._stop = threading.Event()

    def run(self) -> int:
        """Start all, stay until SIGINT, SIGTERM or SIGHUP, stop all; the exit code.

        Raises DevError, MigrationError or ConfigError, with everything stopped.
        """
        if not GUNICORN_CONF.exists():
            raise DevError(f"{GUNICORN_CONF} is missing: run this from a clone, installed with `pip install -e .`")
        settings = load_settings(environ=self._environ)
        for host in settings.server.hosts():
            check_port(host, settings.server.port)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: self._stop.set())
        with contextlib.ExitStack() as stack:
            try:
                backends = self._start_backends(stack)
                service = self._start_service(stack, settings, backends)
                if service is None or self._stop.is_set():
                    return 0
                say(banner(settings, backends, self._data_dir))
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

    def _start_backends(self, stack: contextlib.ExitStack) -> Backends:
        """Start those servers that nobody named, all at once; `stack` stops them."""
        given_database = self._environ.get("DATASTORAGE_DATABASE__URL")
        given_redis = self._environ.get("DATASTORAGE_REDIS__URL")
        postgres = EmbeddedPostgres(self._data_dir / "postgresql")
        valkey = EmbeddedValkey(self._data_dir / "valkey")
        embedded: list[Server] = [
            *([] if given_redis else [valkey]),
            *([] if given_database else [postgres]),
        ]
        if embedded:
            names = " and ".join(server.name for server in reversed(embedded))
            say(f"starting {names}, data in {self._data_dir}")
        for server in embedded:
            server.launch()
            stack.callback(server.close)
        for server in embedded:
            server.wait_ready(self._stop)
        direct = self._environ.get("DATASTORAGE_DATABASE__DIRECT_URL")
        return Backends(
            database_url=given_database or postgres.url("service"),
            direct_url=direct or given_database or postgres.url("owner"),
            service_role=None if given_database else SERVICE_ROLE,
            redis_url=given_redis or valkey.url(),
            embedded=tuple(embedded),
        )

    def _start_service(self, stack: contextlib.ExitStack, settings: Settings, backends: Backends) -> Child | None:
        """Migrate, start gunicorn and wait until it is ready; None when asked to stop meanwhile."""
        schema = self._environ.get("DATASTORAGE_DATABASE__SCHEMA", "public")
        for name in migrate(backends.direct_url, service_role=backends.service_role, schema=schema):
            say(f"applied migration {name}")
        if self._stop.is_set():
            return None
        service = Child(
            "the service",
            [sys.executable, "-m", "gunicorn", "-c", GUNICORN_CONF, "app.wsgi:application"],
            orphan_signal=signal.SIGTERM,
            umask=PRIVATE_UMASK,
            # gunicorn puts its working directory first among the places to import from: no other `app` may be there.
            cwd=GUNICORN_CONF.parent,
            env={
                **self._environ,
                "DATASTORAGE_DATABASE__URL": backends.database_url,
                "DATASTORAGE_DATABASE__DIRECT_URL": backends.direct_url,
                "DATASTORAGE_REDIS__URL": backends.redis_url,
            },
        )
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
    """Tell whoever watches; that nobody does any more (a closed terminal) must not disturb an orderly stop."""
    with contextlib.suppress(OSError):
        click.echo(text)


def _from_anywhere(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the files that it names made absolute: the service has another working directory."""
    names_file = {
        name: value
        for name, value in environ.items()
        if value and (name == "CONFIG_PATH" or (name.startswith("DATASTORAGE_") and name.endswith("_FILE")))
    }
    return {**environ, **{name: os.path.abspath(value) for name, value in names_file.items()}}


def check_port(host: str, port: int) -> None:
    """DevError, which names a free port, if the service could not listen there."""
    try:
        if port_is_free(port, host):
            return
        other = next((p for p in range(port + 1, min(port + 100, 65536)) if port_is_free(p, host)), None)
    except OSError as e:
        raise DevError(f"cannot listen on {host}, port {port}: {e.strerror}") from e
    raise DevError(f"port {port} is in use: choose another with PORT={other or '...'} make run")


def probe(host: str, port: int, path: str) -> str:
    """Status code of a GET as a text, or why there was no answer."""
    connection = http.client.HTTPConnection(host, port, timeout=5.0)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as e:
        return str(e) or type(e).__name__
    finally:
        connection.close()


def base_url(settings: Settings) -> str:
    """Where the service can be reached from this machine."""
    return f"http://{with_port(reached_at(settings.server.hosts()), settings.server.port)}"


def banner(settings: Settings, backends: Backends, data_dir: Path) -> str:
    """What somebody wants to know who has just started it; no secrets."""
    url = base_url(settings)
    lines = [
        ("Service", f"{url}/api/v1/audit/events"),
        ("API page", f"{url}/docs"),
        ("Health", f"{url}/health"),
        ("Metrics", f"{url}/metrics"),
        ("Database", without_password(backends.direct_url)),
        ("Queue", without_password(backends.redis_url)),
    ]
    if backends.embedded:
        lines.append(("Data", f"{data_dir}"))
    if any(isinstance(server, EmbeddedPostgres) for server in backends.embedded):
        lines.append(("Password", f"of {OWNER_ROLE}: in {data_dir / 'postgresql' / 'passwords.json'}"))
    table = "\n".join(f"  {name:<9} {value}" for name, value in lines)
    command = Path(sys.executable).parent / "datastorage"
    token, header, given = "", "", ""
    if settings.auth.mode != "none":
        create = (
            f"$({command} token create --name me --scope audit:write --scope audit:read \\\n"
            f"    --append {shlex.quote(settings.auth.tokens_file or 'tokens.yaml')} --quiet)"
        )
        token = f"  export DATASTORAGE_TOKEN={create if settings.auth.mode == 'token' else 'TOKEN-OF-YOUR-ISSUER'}\n"
        header = ' -H "Authorization: Bearer $DATASTORAGE_TOKEN"'
        given = "; the service asks for a token"
    return f"""
The Data Storage Service is ready.

{table}

Store a first event and read it back{given}:

{token}  curl -s {url}/api/v1/audit/events{header} -H 'Content-Type: application/json' -d '{{"version": "1.0",
    "event_type": "gateway.signal.received", "event_timestamp": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'",
    "event_category": "gateway", "event_action": "received", "event_outcome": "success",
    "correlation_id": "my-first-event", "event_data": {{"hello": "world"}}}}'
  curl -s{header} '{url}/api/v1/audit/events?correlation_id=my-first-event'
  {command} events --url {url}

Ctrl-C stops everything; the data stays.
"""


def without_password(address: str) -> str:
    """A PostgreSQL or Redis address as a URL without its password."""
    if address.startswith(("redis:", "rediss:")):
        parts = urlsplit(address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    known = conninfo_to_dict(address)
    user = f"{known['user']}@" if "user" in known else ""
    return f"postgresql://{user}{known.get('host', '')}:{known.get('port', 5432)}/{known.get('dbname', '')}"
