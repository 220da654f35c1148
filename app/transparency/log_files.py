"""The files of keys and witnesses, as an instance reads them when it starts.

A worker that takes the place of another one inherits them: a file that has become wrong since must not keep it from
serving. The start of the instance refuses such a file (app/config/log_keys.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datastorage_common.files import ReadError
from datastorage_common.notes import NoteError, SigningKey
from datastorage_common.witness_policy import Policy, parse_policy

from app.auth.watched_file import WatchedFile
from app.config.log import LogSettings
from app.config.log_keys import load_keys
from app.telemetry.logs import service_log

log = service_log(__name__)


@dataclass(frozen=True, slots=True)
class LogFiles:
    """What was in them. Keys stay as they are until the next start; the policy is read again when it changes."""

    settings: LogSettings
    keys: tuple[SigningKey, ...]
    policy: WatchedFile[Policy] | None  # None: none is set up

    def say_what_is_wrong(self) -> None:
        """Log that the keys cannot be read any more: the next start of the instance would fail."""
        try:
            load_keys(self.settings)
        except (ReadError, NoteError) as e:
            log.error("log.key_file: %s; the keys that this instance has started with stay in force", e)

    def look(self) -> Mapping[str, bool]:
        """Look now whether the policy has changed, at most once a second, and return `stale`."""
        if self.policy is not None:
            self.policy.current()
        return self.stale

    def refresh(self) -> None:
        """Take a policy that has changed and can be understood, and say nothing: in the master, for workers to come."""
        if self.policy is not None:
            self.policy.refresh()

    @property
    def stale(self) -> Mapping[str, bool]:
        """Whether the policy, where there is one, can't be read any more; what was read before stays in force."""
        return {} if self.policy is None else {"witness_policy": self.policy.stale}


def read_log_files(settings: LogSettings) -> LogFiles:
    """Read them. Raises ReadError, NoteError, CredentialFileError."""
    path = settings.witness_policy
    return LogFiles(settings, load_keys(settings), WatchedFile(path, parse_policy) if path is not None else None)
