"""What the commands print, on terminals of any kind: what one cannot show is replaced, never a traceback."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import NoReturn, TextIO

# What writing to standard output ends with where there is no room for it.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class _PlainText(io.TextIOWrapper):
    """Text in ASCII, anything else replaced.

    click takes a stream whose encoding is ASCII for one that was set up by mistake, and writes UTF-8 to it.
    """

    encoding = property(lambda self: "ascii with replacements")


def prepare() -> None:
    """Make standard output and standard error take any text. To be called before anything is printed.

    Where a descriptor was closed before we began, there is an empty input, and an output that is not read.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    sys.stdout, sys.stderr = _prepared(sys.stdout), _prepared(sys.stderr)


def _prepared(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):  # something in memory
        return stream
    if _is_ascii(stream.encoding):
        return _PlainText(stream.detach(), encoding="ascii", errors="replace", line_buffering=stream.line_buffering)
    stream.reconfigure(errors="replace")
    return stream


def give_up(error: OSError) -> NoReturn:
    """End a command whose output cannot be written; raise the error again if it is about anything else."""
    if error.filename is not None or error.errno not in _NO_ROOM:
        raise error
    # What is still to be written is not tried again at the end of the process.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr.write(f"datastorage: the output cannot be written: {error.strerror}\n")
    sys.exit(1)


def _is_ascii(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "ascii"
    except LookupError:  # prepared before
        return False


def printable(text: str) -> str:
    """The text with control characters escaped: records come from anyone, and terminals obey what they print."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
