"""Files of others, read whole: never more than so many bytes, never waited for without end."""

from __future__ import annotations

import os
import select
import stat
import time

from datastorage_common.terminal import printable

# A password, a token or a certificate; what is larger is a wrong file.
MAX_SECRET_BYTES = 64 * 1024
# For all that comes through a pipe: a program that fetches a secret may take a while.
_PIPE_SECONDS = 10.0
# So often a file is read that changes meanwhile.
_ATTEMPTS = 3
_CHUNK = 64 * 1024


class ReadError(OSError):
    """A file cannot be read, or not as what it should be; the text names it and says why in one line."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{printable(as_text(path))}: {reason}")
        self.reason = reason


class TooLargeError(ReadError):
    """A file is larger than may be."""


class _ChangedError(Exception):
    """The file changed while it was read."""


def as_text(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written anywhere: bytes of its name that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def read_whole(path: str | os.PathLike[str], limit: int, *, pipes: bool = False) -> bytes:
    """The bytes of a file of at most ``limit`` bytes. Raises ReadError.

    Other than regular files are read as far as they do not make anybody wait (/dev/null is an empty file). Pipes
    are refused unless ``pipes``, since most files are read more than once; what comes through one has to come within
    ten seconds.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _read(path, limit, pipes=pipes)
        except _ChangedError:
            continue
        except ReadError:
            raise
        except OSError as e:
            raise ReadError(path, e.strerror or type(e).__name__) from None
        except ValueError:  # a NUL in the name
            raise ReadError(path, "no file can have such a name") from None
    raise ReadError(path, "changes while it is read; try again when it is complete")


def read_secret(path: str | os.PathLike[str]) -> str:
    """The text of a file that holds a password, without the end of its line. Raises ReadError."""
    try:
        return read_whole(path, MAX_SECRET_BYTES).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ReadError(path, "is not UTF-8") from None


def _read(path: str | os.PathLike[str], limit: int, *, pipes: bool) -> bytes:
    # Without O_NONBLOCK opening a pipe would wait for its writer, and reading a terminal for its user.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        before = os.fstat(descriptor)
        is_pipe = stat.S_ISFIFO(before.st_mode)
        if not (stat.S_ISREG(before.st_mode) or stat.S_ISCHR(before.st_mode) or (is_pipe and pipes)):
            raise ReadError(path, f"is {_kind(before.st_mode)}, where a regular file is needed")
        deadline = time.monotonic() + _PIPE_SECONDS
        parts: list[bytes] = []
        left = limit + 1
        while left > 0:
            if is_pipe and not _is_ready(descriptor, deadline):
                raise ReadError(path, f"did not come to its end within {_PIPE_SECONDS:g} s")
            part = os.read(descriptor, min(left, _CHUNK))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if left <= 0:
        raise TooLargeError(path, f"is larger than {limit} bytes")
    if not is_pipe and (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise _ChangedError
    return b"".join(parts)


def _is_ready(descriptor: int, deadline: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISBLK, "a device"))
    return next((name for test, name in kinds if test(mode)), "no file")
