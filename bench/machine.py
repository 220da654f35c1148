"""What machine this is, and what its disk does: figures from different machines are not compared as they are."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from app.config.cores import available_cores


def fingerprint() -> dict[str, Any]:
    """The machine: processor, cores that we may use, memory in GB, system, Python."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1024**3),
        "system": f"{platform.system()} {platform.machine()}",
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def fdatasync_ms(folder: str | None = None, rounds: int = 100) -> float:
    """Milliseconds that 8 KB take to the disk for good; the median."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        block = b"\0" * 8192
        for _ in range(rounds):
            began = time.perf_counter()
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


def measure() -> dict[str, Any]:
    """What the machine does without the service."""
    return {"fdatasync_ms": round(fdatasync_ms(), 4)}
