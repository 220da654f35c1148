"""What the master of an instance has read when it started. Its workers inherit it, those that replace others too."""

from __future__ import annotations

from dataclasses import dataclass

from app.config.settings import Settings
from app.configuration import load_settings
from app.transparency.log_files import LogFiles, read_log_files


@dataclass(frozen=True, slots=True)
class Inherited:
    """Settings that were checked, and the files of the log that they name."""

    settings: Settings
    log_files: LogFiles


_inherited: Inherited | None = None


def read_for_workers() -> Settings:
    """Read all of it, in the master and before any worker is there; again at a reload. Raises ConfigError."""
    global _inherited  # a fork hands on what a module holds, and nothing else reaches app.wsgi
    _inherited = _read()
    return _inherited.settings


def of_the_master() -> Inherited:
    """What the master has read; where there was none, it is read now. Raises ConfigError."""
    return _inherited if _inherited is not None else _read()


def _read() -> Inherited:
    settings = load_settings()
    return Inherited(settings, read_log_files(settings.log))
