"""Where the files are that the service reads beside its code: SQL, the API document, gunicorn's settings."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# In a wheel they are inside the package; where the project is worked on they stand beside it.
_INSTALLED = _PACKAGE / "_resources"


def resource(name: str) -> Path:
    """A file or folder, by its place in the project: ``sql``, ``gunicorn.conf.py``."""
    return (_INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent) / name
