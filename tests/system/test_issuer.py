"""A certified OpenID provider as issuer: its tokens, its keys changed under load, and the provider killed and back."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from devserver.processes import Guarded

# The service's fixtures are those of the end-to-end tests.
from tests.e2e.conftest import run_service  # noqa: F401
from tests.support import Answer, Database, GunicornService, event, free_port, wait_until
from tests.tree import ROOT

SOURCE = ROOT / "tests" / "system" / "oidc_provider"
EVENTS = "/api/v1/audit/events"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provider with what it needs, installed from its lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("provider") / "installed"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install the provider here: {done.stderr.strip()[-200:]}")
    return folder


class Provider:
    """The provider as a process; its keys are what the test gives it at each start."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.keys: list[dict[str, Any]] = []
        self._program = program
        self._folder = folder
        self._process: Guarded | None = None

    def add_key(self, kid: str) -> None:
        """A new key, with which it signs from its next start on; the others stay published."""
        made = jwt.get_algorithm_by_name("ES256").to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        self.keys.insert(0, {**made, "kid": kid, "use": "sig", "alg": "ES256"})  # type: ignore[dict-item]

    def start(self) -> None:
        groups = {"gateway": ["writers"], "reports": ["readers"], "guest": []}
        file = self._folder / "provider.json"
        file.write_text(json.dumps({"keys": self.keys, "groups": groups}))
        with (self._folder / "provider.log").open("ab") as log:
            command = ["node", "server.js", str(self.port), str(file)]
            self._process = Guarded(command, cwd=self._program, stdout=log, stderr=log)
        wait_until(self._answers, what="the provider answers")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def token(self, client: str = "gateway") -> str:
        """What the client gets for its credentials."""
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "audit:write"}).encode()
        request = urllib.request.Request(f"{self.url}/token", body)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{client}:secret".encode()).decode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.load(answer)["access_token"])

    def signed(self, kid: str) -> str:
        """A token as the provider will make it when it starts again: with a key that it has not published yet."""
        [key] = [k for k in self.keys if k["kid"] == kid]
        now = int(time.time())
        claims = {"iss": self.url, "aud": "datastorage", "sub": "gateway", "groups": ["writers"], "exp": now + 600}
        return jwt.encode(claims, jwt.PyJWK(key).key, algorithm="ES256", headers={"kid": kid})

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "provider.log").read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/jwks", timeout=30):
                return True
        except OSError:
            return False


@pytest.fixture
def provider(program: Path, tmp_path: Path) -> Iterator[Provider]:
    made = Provider(program, tmp_path)
    made.add_key("first")
    made.start()
    yield made
    made.kill()


def ask(service: GunicornService, token: str, method: str = "POST") -> Answer:
    body = event() if method == "POST" else None
    return service.request(method, EVENTS, body, headers={"Authorization": f"Bearer {token}"})


def listed(provider: Provider) -> str:
    mapping = {"claim": "groups", "map": {"writers": ["audit:write"], "readers": ["audit:read"]}}
    issuer = {"issuer": provider.url, "audience": "datastorage", "name": "op", "name_prefix": "op:", "scopes": mapping}
    return json.dumps([issuer])


def test_a_certified_provider(
    run_service: Callable[..., GunicornService],  # noqa: F811
    provider: Provider,
    database: Database,
) -> None:
    service = run_service(auth__mode="jwt", auth__jwt_issuers=listed(provider), server__workers="2")
    token = provider.token()
    assert ask(service, token).status == 201
    assert database.query("SELECT DISTINCT recorded_by FROM audit_events") == [("op:gateway",)]
    assert ask(service, token, "GET").status == 403
    assert ask(service, provider.token("reports"), "GET").status == 200
    assert ask(service, provider.token("guest")).status == 403

    said, tokens, ended = Counter[int](), [token], threading.Event()

    def load() -> None:
        while not ended.is_set():
            said[ask(service, tokens[-1]).status] += 1

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for kid in ("second", "third"):
            provider.add_key(kid)
            provider.kill()
            before = sum(said.values())
            wait_until(lambda least=before + 20: sum(said.values()) >= least, what="requests while it is away")
            provider.start()
            tokens.append(provider.token())
            assert jwt.get_unverified_header(tokens[-1])["kid"] == kid
            # Each worker has to find the key by itself.
            wait_until(lambda: all(ask(service, tokens[-1]).status == 201 for _ in range(20)), what="the new key")
        # Away for some seconds: what was known stays in force, what is new is told to come again.
        late = provider.token()
        provider.kill()
        provider.add_key("fourth")
        newest = provider.signed("fourth")
        away = time.monotonic() + 4
        while time.monotonic() < away:
            assert ask(service, late).status == 201
            answer = ask(service, newest)
            assert answer.status == 503, "it cannot be judged"
            assert int(answer.headers["Retry-After"]) >= 1
        provider.start()
        wait_until(lambda: ask(service, newest).status == 201, what="the provider is back")
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
    assert set(said) <= {201, 503}, said
    assert said[201] > 100
    refused = re.findall(
        r'auth_failures_total{reason="(\w+)"} ([\d.]+)', service.request("GET", "/metrics").body.decode()
    )
    assert {reason: float(count) for reason, count in refused}["key"] == 0
