"""What the master of an instance has read. Its workers inherit it, those that replace others too.

So a file that has become wrong since keeps no worker from serving: each starts with what could be read last, and says
that it is stale. The start of the instance refuses such a file.
"""

from __future__ import annotations

from dataclasses import dataclass

from datastorage_common.files import ReadError
from datastorage_common.notes import NoteError

from app.auth.principal import Verifier
from app.auth.verifiers import make_verifier
from app.auth.watched_file import CredentialFileError
from app.config.load import ConfigError
from app.config.settings import Settings
from app.configuration import load_settings
from app.transparency.log_files import LogFiles, read_log_files


@dataclass(frozen=True, slots=True)
class Inherited:
    """Settings that were checked, and what is in the files that they name: of tokens and keys, and of the log."""

    settings: Settings
    verifier: Verifier | None  # None: nobody is asked for a token
    log_files: LogFiles


_inherited: Inherited | None = None


def read_for_workers() -> Settings:
    """Read all of it, in the master and before any worker is there; again at a reload. Raises ConfigError."""
    global _inherited  # a fork hands on what a module holds, and nothing else reaches app.wsgi
    _inherited = _read()
    return _inherited.settings


def refresh() -> None:
    """Take what has changed in files that are watched, in the master, so that no worker begins with what is long over.

    A token that was taken out would else be in force again where its file broke later and a worker was replaced.
    """
    if _inherited is not None:
        if _inherited.verifier is not None:
            _inherited.verifier.refresh()
        _inherited.log_files.refresh()


def of_the_master() -> Inherited:
    """What the master has read; where there was none, it is read now. Raises ConfigError."""
    return _inherited if _inherited is not None else _read()


def _read() -> Inherited:
    settings = load_settings()
    try:
        return Inherited(settings, make_verifier(settings.auth), read_log_files(settings.log))
    except (CredentialFileError, ReadError, NoteError) as e:
        # It was whole a moment ago, when the settings were checked.
        raise ConfigError([str(e)]) from None
