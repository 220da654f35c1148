"""The keys that sign the log, as a file has them: one a line, in the form of `datastorage log keygen`."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path

from datastorage_common.files import ReadError, as_text, read_secret, read_whole
from datastorage_common.notes import SIGNATURE, NoteError, SigningKey, make_key, parse_signing_key
from datastorage_common.terminal import printable
from datastorage_common.witness_policy import MAX_POLICY_BYTES, PolicyError, parse_policy

from app.config.log import LogSettings
from app.config.settings import Settings

# What can stand in a URL behind its scheme: a host, perhaps a port, perhaps a path.
_ORIGIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
# Of log_head.origin.
_MAX_ORIGIN = 255


def check_origin(name: str) -> None:
    """Raises NoteError unless a new log may have this name: a URL without its scheme (c2sp.org/tlog-checkpoint)."""
    if len(name) > _MAX_ORIGIN or not _ORIGIN.fullmatch(name) or _has_dot_segments(name):
        raise NoteError(
            "the name of a log is a URL without https://, of a name that is yours, such as audit.example.com/log: "
            f"letters, digits and . _ ~ - between slashes, no . or .. alone, {_MAX_ORIGIN} at the most"
        )


def _has_dot_segments(name: str) -> bool:
    """Whether this is a URL that others take for a shorter one (RFC 3986, section 5.2.4)."""
    return not {".", ".."}.isdisjoint(name.split("/"))


def new_key_file(path: Path, name: str) -> SigningKey:
    """Make a key of this name in a file of its own, for its owner alone; what is there already stays.

    Raises NoteError for a name that no log may have, FileExistsError, OSError.
    """
    check_origin(name)
    key = make_key(name, secrets.token_bytes(32))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            # Whatever the umask took.
            os.fchmod(file.fileno(), 0o600)
            file.write(f"{key.encode()}\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        # Half a key must not be in the way of the next one.
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return key


def load_keys(settings: LogSettings) -> tuple[SigningKey, ...]:
    """The keys of `log.key_file`; empty where it is not set. Raises ReadError, NoteError."""
    if settings.key_file is None:
        return ()
    return parse_keys(read_secret(settings.key_file))


def open_to_all(path: str) -> str | None:
    """What is amiss where every user of this machine may read a file of signing keys; None where not."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except (OSError, ValueError):  # whether it can be read is told elsewhere
        return None
    if not mode & stat.S_IROTH:
        return None
    shown = printable(as_text(path))
    return f"every user of this machine may read {shown} (mode {mode:04o}), and sign with it: `chmod 600`"


def checkpoint_file_warning(settings: LogSettings) -> str | None:
    """Why `log.checkpoint_file` could not be written here, where that is so.

    No fault that stops a start: writes do not wait for what remembers the log. It may wait for a file server.
    """
    if settings.checkpoint_file is None:
        return None
    # As the memory writes it: beside what a link leads to.
    folder = os.path.dirname(os.path.realpath(settings.checkpoint_file))
    shown = printable(as_text(folder))
    if not os.path.isdir(folder):
        return f"log.checkpoint_file: the folder {shown} is not there: nothing is signed without it"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"log.checkpoint_file: nothing can be written into the folder {shown}: nothing is signed without it"
    return None


def parse_keys(text: str) -> tuple[SigningKey, ...]:
    """The keys of a file: lines that are empty or begin with # say nothing. Raises NoteError."""
    found: list[SigningKey] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key = parse_signing_key(line)
            if key.verifier.kind != SIGNATURE:
                raise NoteError("this is the key of a witness")
            if key in found:
                raise NoteError("this key stands there twice")
        except NoteError as e:
            raise NoteError(f"line {number}: {e}") from None
        found.append(key)
    if not found:
        raise NoteError("there is no key in it")
    return tuple(found)


def log_faults(s: Settings) -> list[str]:
    """What keeps the log from being signed and cosigned, where that is asked for."""
    if s.log.key_file is None:
        needing = ("origin", "witness_policy")
        return [f"log.{name} needs log.key_file" for name in needing if getattr(s.log, name) is not None]
    return _key_faults(s) + _policy_faults(s)


def _policy_faults(s: Settings) -> list[str]:
    if s.log.witness_policy is None:
        return []
    try:
        parse_policy(read_whole(s.log.witness_policy, MAX_POLICY_BYTES + 1))
    except (ReadError, PolicyError) as e:
        return [f"log.witness_policy: {e}"]
    return []


def _key_faults(s: Settings) -> list[str]:
    try:
        keys = load_keys(s.log)
    except (ReadError, NoteError) as e:
        return [f"log.key_file: {e}"]
    if any(len(key.name) > _MAX_ORIGIN for key in keys):
        return [f"log.key_file: the name of a key has {_MAX_ORIGIN} characters at the most"]
    if not all(key.name.isprintable() for key in keys):
        # No memory takes it back (app/transparency/memories.py), and the first checkpoint gives it to the log for good.
        return ["log.key_file: the name of a key has a character that cannot be seen"]
    if any(_has_dot_segments(key.name) for key in keys):
        return ["log.key_file: the name of a key has . or .. between slashes"]
    if s.log.origin is not None and all(key.name != s.log.origin for key in keys):
        return [f"log.key_file has no key of the log {s.log.origin}, which log.origin names"]
    return []
