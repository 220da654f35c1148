"""What the service listens on: one address or several, IPv4, IPv6 or both, for requests and for probes."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.support import GunicornService, event, wait_until

EVERYWHERE = {"auth__allow_anonymous": "true"}


def ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not ipv6(), reason="this machine has no IPv6")


def answered(host: str, port: int) -> int | None:
    """The status of /health/live there, None where nobody listens."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("hosts", "more", "taken"),
    [
        ("[::1]", {}, {"127.0.0.1": None, "::1": 200}),
        ("127.0.0.1,[::1]", {}, {"127.0.0.1": 200, "::1": 200, "127.0.0.2": None}),
        ("::", EVERYWHERE, {"127.0.0.1": 200, "::1": 200}),
        ("0.0.0.0,[::]", EVERYWHERE, {"127.0.0.1": 200, "::1": 200}),
    ],
)
def test_requests_and_probes_are_taken_at_every_address(
    run_service: Callable[..., GunicornService], hosts: str, more: dict[str, str], taken: dict[str, int | None]
) -> None:
    service = run_service(start=False, server__host=hosts, server__workers="1", **more)
    service.launch()
    try:
        wait_until(lambda: service.alive() and answered("::1", service.health_port) == 200, 60, "a probe by IPv6")
        for port in (service.port, service.health_port):
            assert {host: answered(host, port) for host in taken} == taken
        for host in (host for host, status in taken.items() if status):
            connection = http.client.HTTPConnection(host, service.port, timeout=30)
            connection.request(
                "POST", "/api/v1/audit/events", json.dumps(event()), {"Content-Type": "application/json"}
            )
            assert connection.getresponse().status == 201
            connection.close()
    finally:
        service.stop()


def test_the_service_is_asked_for_its_health_where_it_listens(run_service: Callable[..., GunicornService]) -> None:
    service = run_service(start=False, server__host="[::1]", server__workers="1")
    service.launch()
    try:
        wait_until(lambda: service.alive() and answered("::1", service.health_port) == 200, 60, "a probe by IPv6")
        asked = subprocess.run(
            [sys.executable, "-m", "datastorage_client.cli.main", "health", "--live"],
            env=service.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (asked.returncode, json.loads(asked.stdout)) == (0, {"status": "alive"}), asked
    finally:
        service.stop()
