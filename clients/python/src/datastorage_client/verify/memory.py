"""The last checkpoint that was seen of each log, and what proves that two contradict each other."""

from __future__ import annotations

import re
import threading
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote

from datastorage_common.files import ReadError, read_whole
from datastorage_common.notes import MAX_NOTE_BYTES

from datastorage_client.folder import locked, write_whole

_NAME_CHARACTERS = 100
_MAX_FOLLOWED_BYTES = 4096


class Followed(NamedTuple):
    """How many entries were compared with their records, and the cursor of the feed behind these; None: none were."""

    size: int
    cursor: str | None


class Memory(Protocol):
    """Notes by the origin of their log. Any number of threads may share one."""

    def get(self, origin: str) -> bytes | None:
        """The remembered note of a log."""

    def replace(self, origin: str, before: bytes | None, note: bytes) -> bool:
        """Remember another note; False, and nothing changed, unless ``before`` is what is remembered."""

    def keep_evidence(self, origin: str, remembered: bytes, seen: bytes) -> Path | None:
        """Keep two notes that contradict each other; the folder that has them, or None where nothing is kept."""


class InProcess:
    """Remembers for as long as the process lives."""

    def __init__(self) -> None:
        self._notes: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, origin: str) -> bytes | None:
        return self._notes.get(origin)

    def replace(self, origin: str, before: bytes | None, note: bytes) -> bool:
        with self._lock:
            if self._notes.get(origin) != before:
                return False
            self._notes[origin] = note
            return True

    def keep_evidence(self, origin: str, remembered: bytes, seen: bytes) -> Path | None:
        return None


class OnDisk:
    """Remembers in a folder, which several processes may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, origin: str) -> bytes | None:
        """Raises ReadError: what is remembered and cannot be read is no reason to begin anew."""
        path = self.path(origin)
        try:
            return read_whole(path, MAX_NOTE_BYTES)
        except ReadError:
            if not path.exists():
                return None
        # It has come meanwhile, or it cannot be read.
        return read_whole(path, MAX_NOTE_BYTES)

    def replace(self, origin: str, before: bytes | None, note: bytes) -> bool:
        with locked(self._folder / "lock"):
            if self.get(origin) != before:
                return False
            write_whole(self.path(origin), note)
            return True

    def keep_evidence(self, origin: str, remembered: bytes, seen: bytes) -> Path | None:
        # By its content: the same contradiction, found again and again, fills no disk.
        name = f"{_file_name(origin)}-{sha256(remembered + seen).hexdigest()[:16]}"
        folder = self._folder / "evidence" / name
        write_whole(folder / "remembered.note", remembered)
        write_whole(folder / "seen.note", seen)
        return folder

    def keep(self, origin: str, note: bytes) -> None:
        """Remember a note, whatever was remembered of this log; for who has the folder alone."""
        write_whole(self.path(origin), note)

    def others(self, origin: str) -> list[bytes]:
        """The notes of all other logs, in the order of their names. Raises ReadError."""
        paths = sorted((self._folder / "checkpoints").glob("*.note"))
        return [read_whole(path, MAX_NOTE_BYTES) for path in paths if path != self.path(origin)]

    def follow(self, origin: str, followed: Followed) -> None:
        """Remember how far the records of a log were compared. Raises OSError."""
        write_whole(self._followed(origin), f"{followed.size}\n{followed.cursor}\n".encode())

    def followed(self, origin: str, most: int) -> Followed:
        """How far the records of a log were compared, if that is not behind ``most`` entries; else nothing was."""
        try:
            kept = read_whole(self._followed(origin), _MAX_FOLLOWED_BYTES)
        except ReadError:
            kept = b""
        found = re.fullmatch(rb"([0-9]{1,18})\n([!-~]+)\n", kept)
        if found is None or int(found[1]) > most:
            return Followed(0, None)
        return Followed(int(found[1]), found[2].decode())

    def _followed(self, origin: str) -> Path:
        return self._folder / "compared" / f"{_file_name(origin)}.cursor"

    def path(self, origin: str) -> Path:
        """The file of a log's note."""
        return self._folder / "checkpoints" / f"{_file_name(origin)}.note"


def _file_name(origin: str) -> str:
    # Readable, and never the same for two logs.
    return f"{quote(origin, safe='')[:_NAME_CHARACTERS]}-{sha256(origin.encode()).hexdigest()[:8]}"
