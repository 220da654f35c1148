"""Two instances behind an ingress that ends TLS: rolling restarts under load, and who the client is.

haproxy asks each instance for its readiness, so it stops sending before an instance stops listening. nginx without its
commercial part cannot ask; it goes to the next instance when a connection is refused, before anything was sent.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest

from devserver.processes import Guarded
from tests.support import Database, GunicornService, event, free_port, valkey_server, wait_until

# The proxy is at 127.0.0.1 and trusted; clients come from another address of this machine.
CLIENT = "127.0.0.2"
EVENTS = "/api/v1/audit/events"

HAPROXY = """
global
    maxconn 500
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    option redispatch
    retries 3
    # Only what was never sent: a write that may have arrived is the client's to repeat, with its event_id.
    retry-on conn-failure
frontend ingress
    bind 127.0.0.1:{port} ssl crt {folder}/both.pem
    http-request del-header Forwarded
    option forwardfor
    default_backend instances
backend instances
    balance roundrobin
    option httpchk GET /health/ready
    default-server check inter 200ms fall 1 rise 1
    server first 127.0.0.1:{first} check port {first_health}
    server second 127.0.0.1:{second} check port {second_health}
"""

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 500; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream instances {{
        server 127.0.0.1:{first} max_fails=1 fail_timeout=1s;
        server 127.0.0.1:{second} max_fails=1 fail_timeout=1s;
    }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{
            proxy_pass http://instances;
            proxy_connect_timeout 2s;
            proxy_next_upstream error timeout;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Forwarded "";
        }}
    }}
}}
"""


@dataclass
class Ingress:
    """A proxy in front of two instances."""

    port: int
    context: ssl.SSLContext
    instances: list[GunicornService]

    def post(self, body: object, headers: dict[str, str] | None = None) -> int:
        """Status of a write through the ingress, 0 where the connection broke."""
        conn = HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=20, source_address=(CLIENT, 0))
        try:
            conn.request("POST", EVENTS, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
            response = conn.getresponse()
            response.read()
        except (OSError, HTTPException):
            return 0
        else:
            return response.status
        finally:
            conn.close()


@pytest.fixture(params=["haproxy", "nginx"])
def ingress(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Ingress]:
    """The ingress and both instances, which trust the proxy on this machine."""
    kind = request.param
    binary = shutil.which(kind) or shutil.which(kind, path="/usr/sbin")
    if binary is None:
        pytest.skip(f"needs {kind} (Debian's package)")
    with contextlib.ExitStack() as stack:
        valkey = stack.enter_context(valkey_server())
        environ = {
            "DATASTORAGE_DATABASE__URL": database.service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "1",
            "DATASTORAGE_SERVER__TRUSTED_PROXIES": "127.0.0.1",
            "DATASTORAGE_SHUTDOWN__ENDPOINT_PROPAGATION_DELAY": "1s",
        }
        instances = [GunicornService(environ, tmp_path / f"gunicorn-{n}.log") for n in range(2)]
        for instance in instances:
            instance.start()
            stack.callback(instance.stop)
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", key, "-out", certificate),
            ],
            check=True,
            capture_output=True,
        )
        (tmp_path / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
        port = free_port()
        first, second = instances
        text = (HAPROXY if kind == "haproxy" else NGINX).format(
            folder=tmp_path,
            port=port,
            first=first.port,
            second=second.port,
            first_health=first.health_port,
            second_health=second.health_port,
        )
        (tmp_path / "proxy.conf").write_text(text)
        config = str(tmp_path / "proxy.conf")
        command = [binary, "-db", "-f", config] if kind == "haproxy" else [binary, "-p", str(tmp_path), "-c", config]
        with open(tmp_path / "proxy.log", "wb") as log:
            proxy = Guarded(command, stdout=log, stderr=log)
        stack.callback(proxy.wait, 20)
        stack.callback(proxy.terminate)
        made = Ingress(port, ssl.create_default_context(cafile=str(certificate)), instances)
        wait_until(lambda: made.post(event()) == 201, what=f"{kind} serves")
        yield made


@pytest.mark.timeout(180)
def test_rolling_restarts_under_load_fail_no_request(ingress: Ingress, database: Database) -> None:
    stop = threading.Event()
    sent: list[tuple[str, int]] = []

    def write() -> None:
        while not stop.is_set():
            ident = str(uuid.uuid4())
            sent.append((ident, ingress.post(event(event_id=ident))))

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for instance in ingress.instances:
            time.sleep(1)
            before = len(sent)
            assert instance.stop(signal.SIGTERM) == 0
            assert len(sent) > before, "the other one serves meanwhile"
            instance.start()
            # As an orchestrator does: the next one only when this one has been seen to be back.
            time.sleep(1.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert len(sent) > 100
    assert {status for _, status in sent} == {201}
    rows = {str(i): n for i, n in database.query("SELECT event_id, count(*) FROM audit_events GROUP BY 1")}
    assert all(rows.get(ident) == 1 for ident, _ in sent)


def clients_in_logs(ingress: Ingress) -> list[str]:
    """Whom the log names for each write."""
    lines = [line for i in ingress.instances for line in i.log.read_text().splitlines() if '"app.request"' in line]
    return [line["client"] for line in map(json.loads, lines) if line["route"] == EVENTS]


def test_the_client_is_who_the_trusted_proxy_saw(ingress: Ingress) -> None:
    spoofed = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.2"}
    for _ in range(4):
        assert ingress.post(event(), spoofed) == 201
    wait_until(lambda: len(clients_in_logs(ingress)) >= 5, what="request lines")
    assert set(clients_in_logs(ingress)) == {CLIENT}, "whatever the client says of itself"


def test_without_trust_nobody_is_believed(database: Database, tmp_path: Path) -> None:
    """Straight to an instance that trusts proxies of another network only."""
    service = GunicornService(
        {
            "DATASTORAGE_DATABASE__URL": database.service_url,
            "DATASTORAGE_SERVER__WORKERS": "1",
            "DATASTORAGE_SERVER__TRUSTED_PROXIES": "10.0.0.0/8",
        },
        tmp_path / "gunicorn.log",
    )
    service.start()
    try:
        request = urllib.request.Request(
            f"{service.url}{EVENTS}",
            json.dumps(event()).encode(),
            {"Content-Type": "application/json", "X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.2"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 201
        wait_until(lambda: '"app.request"' in service.log.read_text(), what="a request line")
        assert '"client":"127.0.0.1"' in service.log.read_text()
        assert "198.51.100" not in service.log.read_text()
    finally:
        service.stop()
