"""What the commands print, on terminals of any kind: what one cannot show is replaced, never a traceback."""

from __future__ import annotations

import codecs
import io
import os
import sys


class _PlainText(io.TextIOWrapper):
    """Text in ASCII, anything else replaced.

    click takes a stream whose encoding is ASCII for one that was set up by mistake, and writes UTF-8 to it.
    """

    encoding = property(lambda self: "ascii with replacements")


def prepare() -> None:
    """Make standard output and standard error take any text. To be called before anything is printed."""
    sys.stdout, sys.stderr = (_prepared(stream, fd) for stream, fd in ((sys.stdout, 1), (sys.stderr, 2)))


def _prepared(stream: object, fd: int) -> io.TextIOWrapper:
    if stream is None:  # the descriptor was closed before we began: there is nobody to write to
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # type: ignore[return-value]  # a test's
    if _is_ascii(stream.encoding):
        return _PlainText(stream.detach(), encoding="ascii", errors="replace", line_buffering=stream.line_buffering)
    stream.reconfigure(errors="replace")
    return stream


def _is_ascii(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "ascii"
    except LookupError:  # prepared before
        return False


def printable(text: str) -> str:
    """The text with control characters escaped: records come from anyone, and terminals obey what they print."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
