"""The chart and its rendering, for tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support import ROOT

CHART = ROOT / "deploy" / "helm" / "datastorage"
RENDERED = ROOT / "deploy" / "kubernetes"
# What an API server is asked to understand; helm on its own assumes one that is long gone.
KUBERNETES = "1.34"
Manifest = dict[str, Any]


def helm() -> str | None:
    """The helm command: HELM, or on the path, or where `go install` puts it."""
    return os.environ.get("HELM") or shutil.which("helm") or shutil.which("helm", path=str(Path.home() / "go" / "bin"))


def template(values: Path, *options: str, release: str = "datastorage") -> subprocess.CompletedProcess[str]:
    """What `helm template` says with a file of values."""
    command = helm()
    assert command is not None
    fixed = ("--namespace", "datastorage", "--kube-version", f"{KUBERNETES}.0", "--values", str(values))
    return subprocess.run(
        [command, "template", release, str(CHART), *fixed, *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def manifests(text: str) -> list[Manifest]:
    """The objects of a YAML stream."""
    return [one for one in yaml.safe_load_all(text) if one is not None]


def sources_digest() -> str:
    """SHA-256 over everything that deploy/kubernetes/ is made of."""
    files = [*sorted((CHART / "templates").iterdir()), *(CHART / n for n in ("Chart.yaml", "values.yaml"))]
    digest = hashlib.sha256()
    for path in [*files, CHART / "ci" / "kubernetes.yaml", ROOT / "scripts" / "render-chart"]:
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def pod_spec(manifest: Manifest) -> Manifest:
    """The pod of a Deployment or a Job."""
    return dict(manifest["spec"]["template"]["spec"])
