"""What a check of a database has found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from datastorage_common.faults import Faults


@dataclass(slots=True)
class Report(Faults):
    """How the log and the records were found."""

    size: int = 0
    root: bytes = b""
    entries: Counter[str] = field(default_factory=Counter)  # by kind
    old: int = 0  # entries of records from before there was a log
    pending: int = 0  # records that wait for a place
    old_waiting: int = 0  # records from before there was a log that were not taken in yet
    set_aside: int = 0  # entries that no release could read
    holds: int = 0
    checkpoints: int = 0
    signed_size: int | None = None  # the largest tree under one of the keys' signatures
    witnessed_size: int | None = None  # … that the policy is content with
    unknown_signers: int = 0  # checkpoints that none of the keys has signed
    unknown_size: int | None = None  # the largest tree that none of the keys has signed, and another one has
    since_size: int | None = None
    inconsistent: str | None = None  # why the service has stopped to sign

    @property
    def unsigned(self) -> int:
        """Entries behind the last checkpoint, whoever has signed it."""
        return self.size - max(self.signed_size or 0, self.unknown_size or 0)
