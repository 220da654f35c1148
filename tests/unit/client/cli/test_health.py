"""`datastorage health`, which is also the image's health check."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli import health
from datastorage_client.cli.commands import datastorage

from tests.unit.client.test_deadlines import LIMIT_S, Act, body, head, serving


class Probed(ThreadingHTTPServer):
    """Answers every GET with one status and the path it was asked for."""

    status = 200


class Handler(BaseHTTPRequestHandler):
    server: Probed

    def do_GET(self) -> None:
        body = json.dumps({"asked": self.path}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def probed() -> Iterator[Probed]:
    with Probed(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(*arguments: str, **environ: str) -> Result:
    clean: dict[str, str | None] = {"CONFIG_PATH": None, "DATASTORAGE_URL": None, **environ}
    return CliRunner().invoke(datastorage, ["health", *arguments], env=clean)


def flood(connection: socket.socket, over: threading.Event) -> None:
    """An answer that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"x" * 4096)


def cut(connection: socket.socket, over: threading.Event) -> None:
    """More than is shown, and less than was announced."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 3000)


@pytest.mark.parametrize("act", [flood, cut])
def test_no_more_is_read_than_is_shown(act: Act) -> None:
    with serving(act) as url:
        result = run("--url", url)
    assert (result.exit_code, result.output) == (0, "x" * 2000 + "\n")


@pytest.mark.parametrize(
    ("option", "path"),
    [((), "/health/ready"), (("--ready",), "/health/ready"), (("--live",), "/health/live"), (("--report",), "/health")],
)
def test_the_answer_is_printed(probed: Probed, option: tuple[str, ...], path: str) -> None:
    result = run(*option, "--url", f"http://127.0.0.1:{probed.server_port}")
    assert (result.exit_code, json.loads(result.output)) == (0, {"asked": path})


def test_any_other_answer_is_a_failure(probed: Probed) -> None:
    probed.status = 503
    result = run("--url", f"http://127.0.0.1:{probed.server_port}")
    assert (result.exit_code, json.loads(result.output)) == (1, {"asked": "/health/ready"})


@pytest.mark.parametrize("key", ["DATASTORAGE_SERVER__PORT", "DATASTORAGE_HEALTH__PORT"])
def test_without_an_address_the_configured_service_is_asked(probed: Probed, dead_port: int, key: str) -> None:
    """Listening everywhere, as in the image; the probes' own port wins."""
    environ = {"DATASTORAGE_SERVER__PORT": str(dead_port), key: str(probed.server_port)}
    result = run("--live", DATASTORAGE_SERVER__HOST="0.0.0.0", DATASTORAGE_AUTH__ALLOW_ANONYMOUS="true", **environ)
    assert (result.exit_code, result.output.strip()) == (0, '{"asked": "/health/live"}')


def test_no_answer_is_a_failure_in_one_line(dead_port: int) -> None:
    url = f"http://127.0.0.1:{dead_port}"
    result = run("--url", url)
    assert result.exit_code == 1
    assert result.output == (
        f"datastorage: no answer from {url}/health/ready (connection refused); "
        "start the service, or say where it is with --url or DATASTORAGE_URL\n"
    )


@pytest.mark.parametrize("act", [head, body])
def test_an_answer_that_drips_is_none(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_TIMEOUT_SECONDS", LIMIT_S)
    with serving(act) as url:
        result = run("--url", url)
    assert (result.exit_code, result.output) == (
        1,
        f"datastorage: no answer from {url}/health/ready (no whole answer within {LIMIT_S} s)\n",
    )


def test_help_names_the_variable() -> None:
    assert "DATASTORAGE_URL" in run("--help").output


def test_a_configuration_that_cannot_be_used_is_told() -> None:
    result = run(DATASTORAGE_SERVER__HOST="0.0.0.0")
    assert result.exit_code == 2
    assert "server.host 0.0.0.0 is reachable from outside" in result.output
