"""A catalogue of workflows whose labels are spread as in a real one, and searches that find some of them."""

from __future__ import annotations

_SIGNALS = [f"Signal{n}" for n in range(40)]
_SEVERITIES = ("critical", "high", "medium", "low")
_COMPONENTS = ("pod", "deployment", "node", "statefulset", "*")
_ENVIRONMENTS = ("production", "staging", "test", "*")
_PRIORITIES = ("P0", "P1", "P2", "P3")


def workflow(kind: str, number: int) -> dict[str, object]:
    """One of a catalogue whose labels are spread as in a real one: few share all five, some take any."""
    return {
        "workflow_name": f"{kind}-{number}",
        "version": "1.0.0",
        "name": f"Workflow {number}",
        "description": "Restarts what does not answer",
        "content": f"steps:\n  - restart: {number}\n",
        "execution_engine": "tekton",
        "labels": {
            "signal_type": _SIGNALS[number % 40] if number % 50 else "*",
            "severity": _SEVERITIES[number // 40 % 4],
            "component": _COMPONENTS[number // 160 % 5],
            "environment": [_ENVIRONMENTS[number // 800 % 4], "production"],
            "priority": _PRIORITIES[number // 3200 % 4] if number % 3 else "*",
        },
        "custom_labels": {"team": [f"team-{number % 20}"]},
        "detected_labels": {"gitOpsManaged": True, "gitOpsTool": "argocd"} if number % 2 else {},
    }


def search_body(number: int) -> dict[str, object]:
    """A search for one of the signals; among ten thousand workflows it finds a handful."""
    return {
        "filters": {
            "signal_type": _SIGNALS[number % 40],
            "severity": _SEVERITIES[number // 40 % 4],
            "component": "pod",
            "environment": "production",
            "priority": "P0",
            "custom_labels": {"team": [f"team-{number % 20}"]},
            "detected_labels": {"gitOpsManaged": True, "gitOpsTool": "argocd"},
        },
        "top_k": 10,
    }
