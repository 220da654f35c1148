"""What keeps a bundle from being written or read."""

from __future__ import annotations

from datastorage_client.problems import DataStorageError
from datastorage_client.verify.errors import VerificationError


class EvidenceError(DataStorageError):
    """No bundle can be made now of what was exported; the text says why, and what to do."""


class RecordRefusedError(VerificationError):
    """What was exported is not what the log has; the text names the record."""


class GivenUpError(Exception):
    """So much of a bundle is wrong that the rest is not looked at; the text says what."""


class BundleError(ValueError):
    """A file is no bundle, or was altered; ``where`` is the part of it, ``index`` the entry where one is known."""

    def __init__(self, where: str, text: str, index: int | None = None) -> None:
        super().__init__(f"{where}: {text}")
        self.where = where
        self.text = text
        self.index = index
