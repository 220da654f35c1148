"""The settings of the log of all records: under which name and with which keys it is signed, and what remembers it."""

from __future__ import annotations

from dataclasses import dataclass

from app.config import values
from app.config.declaration import setting


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    origin: str | None = setting(
        None,
        values.optional_text,
        "Name of the log of all records, which stands in its checkpoints. Default: the name of the first key.",
    )
    key_file: str | None = setting(
        None,
        values.optional_text,
        "File of the keys that sign the log, one a line (`datastorage log keygen`); none: the log is not signed.",
    )
    checkpoint_file: str | None = setting(
        None,
        values.optional_text,
        "File that remembers what was signed last, on storage that all instances share and the database is not on.",
    )
    witness_policy: str | None = setting(
        None,
        values.optional_text,
        "File of witnesses (c2sp.org/tlog-policy): those with an address are asked to cosign each checkpoint.",
    )
    public: bool = setting(
        False, values.boolean, "Show key, checkpoints and hashes of the log without a token; never its entries."
    )
