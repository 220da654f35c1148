"""/docs in Debian's Chromium: every operation is there, and nothing is asked of any other host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support import ROOT, GunicornService, free_port

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian's package)")

DOCUMENT = yaml.load(
    (ROOT / "api" / "openapi" / "data-storage-v1.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornService]:
    """A service without its stores: the page needs none of them."""
    environ = {
        "DATASTORAGE_DATABASE__URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing",
        "DATASTORAGE_SERVER__WORKERS": "1",
    }
    running = GunicornService(environ, tmp_path_factory.mktemp("docs") / "gunicorn.log")
    running.start(ready=False)
    yield running
    running.stop()


class Visit:
    """One page, opened by a browser that has never been anywhere, until its scripts have nothing left to do."""

    def __init__(self, url: str, folder: Path) -> None:
        assert CHROMIUM is not None
        self.net_log = folder / "net.json"
        self.screenshot = folder / "page.png"
        done = subprocess.run(
            [
                CHROMIUM,
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                *("--no-first-run", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                *(f"--user-data-dir={folder / 'profile'}", f"--log-net-log={self.net_log}"),
                *("--enable-logging=stderr", "--v=0", "--window-size=1280,3000", f"--screenshot={self.screenshot}"),
                *("--virtual-time-budget=15000", "--dump-dom", url),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self.dom = done.stdout
        self.console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    def requested(self, origin: str) -> set[str]:
        """The address of everything that was asked for on behalf of the origin's documents, scripts and styles.

        Chromium asks its maker for this and that besides (and hears nothing, see --host-resolver-rules).
        """
        log: dict[str, Any] = json.loads(self.net_log.read_text())
        types = {number: name for name, number in log["constants"]["logEventTypes"].items()}
        return {
            event["params"]["url"]
            for event in log["events"]
            if types[event["type"]] == "URL_REQUEST_START_JOB" and event.get("params", {}).get("initiator") == origin
        }


@pytest.fixture(scope="module")
def visit(service: GunicornService, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    return Visit(f"{service.url}/docs", tmp_path_factory.mktemp("chromium"))


def test_every_operation_is_listed(visit: Visit) -> None:
    operations = {
        (method, path, operation["operationId"])
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }
    shown = {
        (m, re.sub(r"[\u200b\s]", "", p))
        for m, p in re.findall(r'class="opblock opblock-(\w+)[^"]*".*?data-path="([^"]+)"', visit.dom, re.DOTALL)
    }
    assert shown == {(method, path) for method, path, _ in operations}
    for _, _, name in operations:
        assert name in visit.dom


def test_nothing_is_asked_of_another_host(visit: Visit, service: GunicornService) -> None:
    requested = visit.requested(service.url)
    # data: addresses, of pictures, never leave the browser.
    sent = {a for a in requested if not a.startswith("data:")}
    assert {urlsplit(a).path for a in sent} >= {"/openapi.json", "/docs/assets/swagger-ui-bundle.js"}
    assert {f"{urlsplit(a).scheme}://{urlsplit(a).netloc}" for a in sent} == {service.url}


def test_the_page_keeps_to_its_own_rules(visit: Visit) -> None:
    # A violation of the Content-Security-Policy would be written there.
    assert "Content-Security-Policy: default-src 'none'" in visit.net_log.read_text()
    assert visit.console == []


def test_a_problem_has_a_page(service: GunicornService, tmp_path: Path) -> None:
    visit = Visit(f"{service.url}/problems/conflict", tmp_path)
    assert "What to do" in visit.dom
    assert visit.console == []
