"""The labels of workflows, and the closed sets of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LABELS = ("signal_type", "severity", "component", "environment", "priority")
STATUSES = ("active", "disabled", "deprecated", "archived")
ANY = "*"
SEVERITIES = ("critical", "high", "medium", "low")
PRIORITIES = ("P0", "P1", "P2", "P3")
# The labels whose values are a closed set.
LABEL_VALUES: Mapping[str, Sequence[str]] = {"severity": SEVERITIES, "priority": PRIORITIES}
LABEL_TOOLS: Mapping[str, Sequence[str]] = {
    "gitOpsTool": ("argocd", "flux", ANY),
    "serviceMesh": ("istio", "linkerd", ANY),
}
# The detected labels, and what each adds to a workflow's score, in thousandths. A half of each is a whole number too.
FLAG_WEIGHTS = {
    "gitOpsManaged": 100,
    "pdbProtected": 50,
    "networkIsolated": 30,
    "helmManaged": 20,
    "stateful": 20,
    "hpaEnabled": 20,
}
CHOICE_WEIGHTS = {"gitOpsTool": 100, "serviceMesh": 50}
