"""Checks what the service says of its log: signed checkpoints, proofs of records, and the whole tree.

`Verifier` checks and remembers. What the service says wrong is a `VerificationError`; keys and policies that cannot be
read are a ValueError, and their files an OSError. Needs the extra ``verify`` of the package.
"""

from __future__ import annotations

from importlib import import_module

from datastorage_client.installing import advice

for _name in ("cryptography", "msgspec", "orjson"):
    try:
        import_module(_name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"datastorage_client.verify needs {_name}: {advice(_name, 'verify')}", name=_name
        ) from None

# Behind the check: these import what it looks for.
from datastorage_client.verify.errors import (  # noqa: E402
    CheckpointGoneError,
    ContradictionError,
    FeedError,
    InclusionError,
    LogWrongError,
    NoteRefusedError,
    NotesDifferError,
    NotWitnessedError,
    OtherDayError,
    OtherRecordError,
    ProofFormError,
    RecordDiffersError,
    SmallerError,
    TreeError,
    VerificationError,
)
from datastorage_client.verify.keys import read_keys  # noqa: E402
from datastorage_client.verify.verifier import Proved, Verifier  # noqa: E402
from datastorage_client.verify.whole import Whole  # noqa: E402

__all__ = [
    "CheckpointGoneError",
    "ContradictionError",
    "FeedError",
    "InclusionError",
    "LogWrongError",
    "NotWitnessedError",
    "NoteRefusedError",
    "NotesDifferError",
    "OtherDayError",
    "OtherRecordError",
    "ProofFormError",
    "Proved",
    "RecordDiffersError",
    "SmallerError",
    "TreeError",
    "VerificationError",
    "Verifier",
    "Whole",
    "read_keys",
]
