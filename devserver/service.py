"""The service of a local run: its settings' files, its port, its process, and whether it answers."""

from __future__ import annotations

import http.client
import os
import signal
import sys
from collections.abc import Mapping

from app.config.addresses import reached_at, with_port
from app.config.settings import Settings
from app.resources import resource
from devserver.errors import DevError
from devserver.ports import port_is_free
from devserver.processes import PRIVATE_UMASK, Child

_GUNICORN_CONF = resource("gunicorn.conf.py")
# What names a file besides those that say so.
_FILES = ("CONFIG_PATH", "DATASTORAGE_LOG__WITNESS_POLICY")


def with_absolute_paths(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with the files that it names made absolute: the service has another working directory."""
    names_file = {
        name: value
        for name, value in environ.items()
        if value and (name in _FILES or (name.startswith("DATASTORAGE_") and name.endswith("_FILE")))
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


def base_url(settings: Settings) -> str:
    """Where the service can be reached from this machine."""
    return f"http://{with_port(reached_at(settings.server.hosts()), settings.server.port)}"


def launch(environ: Mapping[str, str]) -> Child:
    """Start gunicorn, without waiting for it. DevError if that fails."""
    return Child(
        "the service",
        [sys.executable, "-m", "gunicorn", "-c", _GUNICORN_CONF, "app.wsgi:application"],
        orphan_signal=signal.SIGTERM,
        umask=PRIVATE_UMASK,
        # gunicorn puts its working directory first among the places to import from: no other `app` may be there.
        cwd=_GUNICORN_CONF.parent,
        env=environ,
    )


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
