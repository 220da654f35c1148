"""A file of tokens or keys that is read again when it changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from datastorage_common.files import ReadError, as_text, read_whole

from app.auth.principal import CredentialChange, OnChange
from app.telemetry.logs import service_log

log = service_log(__name__)
T = TypeVar("T")

# A file is looked at no more often than this, whatever the load.
_RECHECK_SECONDS = 1.0
# Some 28,000 tokens; a key set is far smaller.
MAX_FILE_BYTES = 4 * 1024**2


class CredentialFileError(Exception):
    """A file of tokens or keys cannot be used; the text says why in one line and holds no secret."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """What shows that a file is another one, without reading it."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int


class WatchedFile(Generic[T]):
    """A file as it was last read and understood; looked at again when it is used, at most once a second.

    Once read, a file that is gone or cannot be understood leaves what was known in force, and is logged: a half
    written file must not lock every caller out. One that can be understood is in force, also where it admits no caller.
    """

    def __init__(
        self,
        path: str,
        parse: Callable[[bytes], T],
        monotonic: Callable[[], float] = time.monotonic,
        by_name: Callable[[T], Mapping[str, object]] = lambda _: {},
    ) -> None:
        """``by_name``: what the content holds, for `on_change`, which is called where another one is in force."""
        self.path = path
        self.on_change: OnChange | None = None
        self._by_name = by_name
        self._parse = parse
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._mark, self._sha256, self.value = self._read()
        self._next_look = monotonic() + _RECHECK_SECONDS
        self._complained: str | None = None
        self._not_understood: _Mark | None = None

    @property
    def stale(self) -> bool:
        """Whether the file was gone or could not be understood when it was last looked at."""
        return self._complained is not None

    def current(self) -> T:
        """The content as of at most a second ago."""
        if self._monotonic() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self.value

    def refresh(self) -> None:
        """Take another content if it can be understood, and say nothing: whoever inherits this says what is amiss.

        One that could not be understood is not read again before it changes.
        """
        self._next_look = self._monotonic()
        with contextlib.suppress(CredentialFileError):
            mark = self._stat()
            if mark not in (self._mark, self._not_understood):
                self._not_understood = mark
                self._mark, self._sha256, self.value = self._read()

    def _look(self) -> None:
        self._next_look = self._monotonic() + _RECHECK_SECONDS
        try:
            if self._stat() != self._mark:
                self._take()
            elif self.stale:
                log.info("%s can be read again, and is as it was", self.path)
            self._complained = None
        except CredentialFileError as e:
            if self._complained != str(e):
                log.error("%s; what was read before stays in force", e)
                self._complained = str(e)

    def _take(self) -> None:
        before, digest = self.value, self._sha256
        self._mark, self._sha256, self.value = self._read()
        change = CredentialChange(
            self.path, self._mark.changed_ns, digest, self._sha256, self._by_name(before), self._by_name(self.value)
        )
        # Another order, a comment, another time of the file: nothing that anybody has to know.
        if self.on_change is not None and change.before != change.after:
            self.on_change(change)
        if self.value:
            log.info("%s has changed and is in force", self.path)
        else:
            log.warning("%s has changed and admits nobody: every token is refused", self.path)

    def _stat(self) -> _Mark:
        try:
            found, itself = os.stat(self.path), os.lstat(self.path)
        except OSError as e:
            raise CredentialFileError(f"{as_text(self.path)}: {e.strerror}") from None
        # Not the time of its content, which a copy may bring along: when this file, or link, was put here.
        changed = max(found.st_ctime_ns, itself.st_ctime_ns)
        return _Mark(changed, found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> tuple[_Mark, str, T]:
        # Looked at before it is read: what changes in between is read again the next time.
        mark = self._stat()
        try:
            content = read_whole(self.path, MAX_FILE_BYTES)
            return mark, hashlib.sha256(content).hexdigest(), self._parse(content)
        except ReadError as e:
            raise CredentialFileError(str(e)) from None
        except ValueError as e:
            raise CredentialFileError(f"{as_text(self.path)}: {e}") from None
