"""Where the project's files are, for tests that read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What is installed somewhere: the service, the development server, and the client with what both share.
INSTALLED = ("app", "devserver", "clients/python/src")


def modules(*folders: str) -> Iterator[Path]:
    """The Python files below these folders of the project, or below all that is installed; none that is generated."""
    for folder in folders or INSTALLED:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "_generated" not in path.parts:
                yield path
