"""The log of a local run: the key that signs it, and what to do where its two stores do not belong together."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from datastorage_common.counts import counted
from datastorage_common.files import ReadError
from datastorage_common.notes import NoteError

from app.cli.log_database import memories_of
from app.clock import Clock
from app.config.load import read_settings
from app.config.log_keys import new_key_file, parse_keys
from app.config.settings import Settings
from app.configuration import load_settings
from app.postgres.sessions import Limits, connect
from app.postgres.watchdog import Watchdog
from app.transparency import checkpoint_store, log_store
from app.transparency.log_store import Head
from app.transparency.memories import MemoryAwayError, MemoryBrokenError, RedisMemory, Remembered, decode
from devserver.errors import DevError

# What the log of a local run is called.
LOG_NAME = "localhost/datastorage"
_LIMITS = Limits(statement=10.0, lock=10.0)
_KEY_FILE = "DATASTORAGE_LOG__KEY_FILE"


def settings_before_key(environ: Mapping[str, str]) -> Settings:
    """The settings, without those that need a key where the run makes one itself. Raises ConfigError."""
    if not _makes_key(environ):
        return load_settings(environ=environ)
    return load_settings(environ={**environ, "DATASTORAGE_LOG__ORIGIN": "", "DATASTORAGE_LOG__WITNESS_POLICY": ""})


def _makes_key(environ: Mapping[str, str]) -> bool:
    settings, _, _ = read_settings(None, environ)
    return settings.log.key_file is None and not environ.get("DATASTORAGE_DATABASE__URL")


def with_log_key(environ: Mapping[str, str], folder: Path, settings: Settings) -> dict[str, str]:
    """The environment with a key of the log, which lies beside the database that is started here.

    ``settings`` lead to that database, with its schema. Raises DevError.
    """
    if not _makes_key(environ):
        return dict(environ)
    given, _, _ = read_settings(None, environ)
    name = given.log.origin or _heads(settings)[0].origin or LOG_NAME
    return {**environ, _KEY_FILE: str(_key_file(folder / "log.key", name))}


def _key_file(path: Path, name: str) -> Path:
    """The file with a key of this name in it; those of other names stay, in front of it."""
    try:
        before = path.read_text(encoding="ascii") if path.exists() else ""
        if before and any(key.name == name for key in parse_keys(before)):
            return path
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        key = new_key_file(fresh, name)
        if before:
            with open(fresh, "w", encoding="ascii") as stream:
                stream.write(f"{before.rstrip()}\n{key.encode()}\n")
                stream.flush()
                os.fsync(stream.fileno())
        fresh.replace(path)
    except OSError as e:
        raise DevError(f"cannot make {path}: {e.strerror}") from e
    except (NoteError, ReadError, UnicodeError) as e:
        raise DevError(f"cannot make a key of the log {name} in {path}: {e}") from e
    return path


def advice(settings: Settings) -> str | None:
    """What ends it where the database or the queue was made anew and the other was not; None where all is well."""
    if settings.log.key_file is None:
        return None
    head, last = _heads(settings)
    with memories_of(settings) as memories:
        try:
            [remembered] = [decode(memory.read()) for memory in memories if isinstance(memory, RedisMemory)]
        except (MemoryAwayError, MemoryBrokenError):  # /health says so
            return None
    return _advice(head, last, remembered)


def _advice(head: Head, last: Remembered | None, remembered: Remembered | None) -> str | None:
    if remembered is None:
        if last is None:
            return None
        why = f"the queue remembers nothing of it, and the database has signed {counted(last.size, 'entry', 'entries')}"
        return f"The log is not signed: {why}. `log remember` in place of `log status` ends that."
    lost = last is None and (head.inconsistent is not None or remembered.size > head.size)
    if not lost or remembered.origin == head.origin:
        return None
    entries = f"{counted(remembered.size, 'entry', 'entries')} of {remembered.origin}"
    command = f'log new-origin {_next_name(remembered.origin)} --reason "the database was made anew"'
    return (
        f"The log is not signed: the queue remembers {entries}, and the database has {head.size}. "
        f"`{command}` in place of `log status` ends that; then start again."
    )


def _next_name(name: str) -> str:
    found = re.fullmatch(r"(.+)-([0-9]{1,6})", name)
    return f"{name}-2" if found is None else f"{found[1]}-{int(found[2]) + 1}"


def _heads(settings: Settings) -> tuple[Head, Remembered | None]:
    """The head of the log, and the last checkpoint under its present name."""
    watchdog = Watchdog(Clock())
    watchdog.start()
    try:
        with connect(settings.database.as_owner(), "log", _LIMITS, watchdog) as conn:
            head = log_store.head(conn)
            return head, None if head.origin is None else checkpoint_store.last(conn, head.origin)
    finally:
        watchdog.stop()
