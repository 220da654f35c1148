"""Verifier keys, which come from outside the service: who hands out the log's tree must not hand out its key too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datastorage_common.files import MAX_SECRET_BYTES, read_whole
from datastorage_common.notes import SIGNATURE, NoteError, VerifierKey, parse_verifier_key

Keys = str | Path | Sequence[VerifierKey]


def read_keys(source: Keys) -> tuple[VerifierKey, ...]:
    """The keys of a text or of the file of a path: one a line; empty lines and those after # say nothing.

    Raises ValueError, which names the line; ReadError (an OSError) for a file that cannot be read.
    """
    if not isinstance(source, str | Path):
        return tuple(source)
    if isinstance(source, str):
        text = source
    else:
        text = read_whole(source, MAX_SECRET_BYTES, pipes=True).decode("utf-8", "replace")
    found: list[VerifierKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = parse_verifier_key(line, (SIGNATURE,))
        except NoteError as e:
            raise ValueError(f"line {number}: {e}") from None
        if key not in found:
            found.append(key)
    if not found:
        raise ValueError("there is no verifier key: NAME+ID+KEY is expected")
    return tuple(found)
