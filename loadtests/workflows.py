"""Workflows made of real workflow files: read as the importer reads them, each under a name of its own."""

from __future__ import annotations

import functools
from typing import Any

from datastorage_client.cli.importers.workflow_files import to_workflow

from loadtests.events import CORPUS

SIGNALS = ("OOMKilled", "CrashLoopBackOff", "NodeNotReady", "PodRestart")


@functools.cache
def _originals() -> list[dict[str, Any]]:
    return [to_workflow(path.read_bytes(), SIGNALS[0]) for path in sorted((CORPUS / "workflows").glob("*.yaml"))]


def bodies(prefix: str, count: int, start: int = 0) -> list[dict[str, Any]]:
    """Bodies for POST /api/v1/workflows, each distinct by its name."""
    originals = _originals()
    return [
        {**originals[n % len(originals)], "workflow_name": f"{prefix}-{n}", "version": "1.0.0"}
        for n in range(start, start + count)
    ]


def search(number: int) -> dict[str, Any]:
    """A body for POST /api/v1/workflows/search, with the labels of one of the files: it finds at least that one."""
    originals = _originals()
    labels = originals[number % len(originals)]["labels"]

    def concrete(name: str, other: str) -> str:
        value = labels[name]
        first = value[0] if isinstance(value, list) else value
        return other if first == "*" else str(first)

    return {
        "filters": {
            "signal_type": concrete("signal_type", SIGNALS[0]),
            "severity": concrete("severity", "critical"),
            "component": concrete("component", "pod"),
            "environment": concrete("environment", "production"),
            "priority": concrete("priority", "P1"),
        },
        "top_k": 10,
    }
