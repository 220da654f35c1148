"""Tests the running service against its document by machine (schemathesis): `run` is one pass over all operations.

Beside what the tool checks (no 5xx, no undocumented status, header, content type or body, wrong input refused, tokens
asked for), bench/contract/hooks.py checks problem types, and that what fits the schemas is taken.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import yaml

from app.auth.principal import SCOPES
from tests.support import ROOT, GunicornService

DOCUMENT = ROOT / "api" / "openapi" / "data-storage-v1.yaml"
_CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True)
class Outcome:
    """What came of a pass."""

    report: dict[str, Any]
    output: str
    exit_code: int

    @property
    def cases(self) -> int:
        """Requests that were made up, sent and checked."""
        return int(self.report["test_cases"]["generated"])

    @property
    def accepted(self) -> dict[str, int]:
        """Operation → requests that were answered 2xx, in all phases."""
        return {
            operation: sum(phase["accepted"] for phase in phases.values())
            for operation, phases in self.report["valid_rates"].items()
        }

    @property
    def links(self) -> int:
        """Links of the document, and those that the tool has found by itself, that led from one request to another."""
        found = re.search(r"API Links:\s+(\d+) covered", self.output)
        return int(found[1]) if found else 0

    def check(self) -> None:
        """Fail the test with what the tool found."""
        assert self.exit_code == 0, self.output
        assert self.report["complete"], self.output
        assert self.report["operations"]["tested"] == self.report["operations"]["total"], self.output


def credentials(folder: Path) -> tuple[str, dict[str, str]]:
    """A token that may do everything, and the settings of a service that knows it."""
    token = secrets.token_urlsafe(16)
    path = folder / "tokens.yaml"
    entry = {"name": "contract", "sha256": hashlib.sha256(token.encode()).hexdigest(), "scopes": list(SCOPES)}
    path.write_text(yaml.safe_dump([entry]))
    return token, {
        "DATASTORAGE_AUTH__MODE": "token",
        "DATASTORAGE_AUTH__TOKENS_FILE": str(path),
        "DATASTORAGE_AUTH__PROTECT_METRICS": "true",
    }


def seed_dead_letters(url: str, count: int) -> None:
    """Dead letters of every form, for the operators' operations to find."""
    client = redis.Redis.from_url(url)
    entry = json.dumps({"type": "audit_event", "payload": {"version": "1.0"}, "timestamp": "2026-01-05T10:00:00Z"})
    forms: tuple[dict[Any, Any], ...] = (
        {"message": entry, "original_id": "1-0", "moved_at": "2026-01-05T10:00:00Z", "reason": "not valid"},
        {"message": b"{\xff", "original_id": "2-0", "final_retry_count": "6", "reason": "cannot be read"},
        {"message": "[1, 2.5, null]", "original_id": "3-0", "moved_at": "2026-01-05T10:00:00Z", "reason": "not valid"},
        {"else": "no message at all"},
    )
    for stream in ("events", "notifications"):
        for n in range(count):
            client.xadd(f"audit:dead-letter:{stream}", forms[n % len(forms)])
    client.close()


def run(service: GunicornService, token: str, folder: Path, *, examples: int, seed: int) -> Outcome:
    """One pass; ``examples`` is how many requests each operation gets in fuzzing, beside the fixed ones.

    Takes about 20 ms a request. The tool's own report is left in the folder.
    """
    report = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG), "run", str(DOCUMENT)),
        *("--url", service.url, "--max-examples", str(examples), "--seed", str(seed), "--no-color"),
        *("--report-dir", str(folder), "--report-json-path", str(report)),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        # Not measured: the tool's own code would be, at the cost of half its speed.
        env={**{k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}, "CONTRACT_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    if not report.exists():
        raise AssertionError(done.stdout[-5000:])
    return Outcome(json.loads(report.read_text()), done.stdout[-30000:], done.returncode)
