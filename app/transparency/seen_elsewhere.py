"""Whether a checkpoint that somebody shows contradicts this log: signed by its own key, and not continued by it."""

from __future__ import annotations

from collections.abc import Iterable

from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import Note, NoteError, VerifierKey

from app.postgres.sessions import Connection
from app.transparency import log_store
from app.transparency.tree import root_at


def contradiction(conn: Connection, origin: str, keys: Iterable[VerifierKey], note: Note) -> str | None:
    """What contradicts the log, in one line; None where nothing does, or none of these keys has signed the note.

    The log's signature is what counts: whoever shows the note could have made up the rest. Raises psycopg.Error,
    LogBrokenError.
    """
    try:
        shown = parse_checkpoint(note.text)
        if shown.origin != origin or not any(key.signed(note) is not None for key in keys):
            return None
    except NoteError:
        return None
    # Against the tree, not the newest checkpoint that is stored: a standby that took over may have all entries and not
    # yet that row, which its next holder signs again.
    head = log_store.head(conn)
    if head.origin != origin:
        return None
    if shown.size > head.size:
        return f"a tree of {shown.size} entries is signed, and the log has {head.size}"
    if root_at(conn, shown.size) != shown.root:
        return f"another tree of {shown.size} entries is signed"
    return None
