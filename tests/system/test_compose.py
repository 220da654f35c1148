"""deploy/compose.yaml as Docker Compose itself reads it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.support import ROOT


def compose(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "-f", str(ROOT / "deploy" / "compose.yaml"), *arguments]
    environ = {k: v for k, v in os.environ.items() if k not in ("IMAGE", "PORT")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


pytestmark = pytest.mark.skipif(
    shutil.which("docker") is None or compose("version").returncode != 0, reason="needs Docker's compose plugin"
)


@pytest.mark.parametrize(
    ("profile", "services"),
    [
        ((), {"postgres", "valkey", "migrate", "datastorage"}),
        (("--profile", "monitoring"), {"postgres", "valkey", "migrate", "datastorage", "prometheus", "grafana"}),
    ],
)
def test_compose_takes_it(profile: tuple[str, ...], services: set[str]) -> None:
    done = compose(*profile, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)["services"]
    assert made.keys() == services
    assert made["datastorage"]["image"] == "datastorage:dev"
    # A dollar that is meant for the shell in the container must reach it.
    assert "$$(cat /run/secrets/valkey)" in made["valkey"]["command"][0]
