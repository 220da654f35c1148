"""haproxy and nginx in front of instances, with connections to them that many clients share."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from devserver.processes import Guarded
from tests.support import GunicornService, free_port, wait_until

KINDS = ("haproxy-safe", "haproxy-aggressive", "haproxy-always", "nginx")

# One thread, so that all clients share one pool of connections. The buffers are the default ones.
HAPROXY = """
global
    maxconn 1000
    nbthread 1
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 30s
    option redispatch
    retries 3
    # Only what was never sent: a write that may have arrived is the client's to repeat, with its event_id.
    retry-on conn-failure
frontend ingress
    bind 127.0.0.1:{port}
    default_backend instances
backend instances
    balance roundrobin
    http-reuse {reuse}
    option httpchk GET /health/ready
{servers}
"""

# Bodies go through as they come, so that what a stranger does to a body is done to the service as well.
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream instances {{
{servers}
        keepalive 32;
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://instances;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_connect_timeout 2s;
            # A write that was sent is not sent again (that would be non_idempotent).
            proxy_next_upstream error timeout;
        }}
    }}
}}
"""


def _haproxy(reuse: str, port: int, instances: Sequence[GunicornService]) -> str:
    check = " check inter 200ms fall 1 rise 1 port {}" if len(instances) > 1 else ""
    servers = (
        f"    server s{n} 127.0.0.1:{each.port}{check.format(each.health_port)}" for n, each in enumerate(instances)
    )
    return HAPROXY.format(port=port, reuse=reuse, servers="\n".join(servers))


def _nginx(folder: Path, port: int, instances: Sequence[GunicornService]) -> str:
    servers = (f"        server 127.0.0.1:{each.port} max_fails=1 fail_timeout=1s;" for each in instances)
    return NGINX.format(folder=folder, port=port, servers="\n".join(servers))


@contextlib.contextmanager
def proxy(kind: str, folder: Path, instances: Sequence[GunicornService]) -> Iterator[int]:
    """Port of a running proxy, one of KINDS, in front of these instances; skips the test where it is not installed."""
    name, _, reuse = kind.partition("-")
    binary = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if binary is None:
        pytest.skip(f"needs {name} (scripts/debian-packages system)")
    port = free_port()
    file = folder / f"{kind}.conf"
    file.write_text(_haproxy(reuse, port, instances) if name == "haproxy" else _nginx(folder, port, instances))
    command = [binary, "-db", "-f", str(file)] if name == "haproxy" else [binary, "-p", str(folder), "-c", str(file)]
    with open(folder / f"{kind}.log", "wb") as log:
        running = Guarded(command, stdout=log, stderr=log)
    try:
        wait_until(
            lambda: running.poll() is not None or instances[0].probe("/health/live", port=port) == 200,
            what=f"{kind} serves",
        )
        assert running.poll() is None, (folder / f"{kind}.log").read_text()[-2000:]
        yield port
    finally:
        running.terminate()
        running.wait(30)
