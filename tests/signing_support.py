"""Signing in tests: every step of it is seen, every note that was ever made is kept, and held against the log."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import Note, Signature, SigningKey, make_key, parse_note

from app.clock import Clock
from app.config.stores import RedisSettings
from app.dlq.endpoint import Endpoint
from app.postgres.sessions import Connection, Limits, connect
from app.postgres.statements import statements
from app.postgres.watchdog import Watchdog
from app.transparency.memories import FileMemory, Memory, RedisMemory
from app.transparency.origins import start_origin
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from tests.conftest import settings_for
from tests.log_check import LogReport, check_log
from tests.log_support import sequencers, turn
from tests.support import Database

ORIGIN = "log.example/one"
KEY = make_key(ORIGIN, bytes(range(32)))
_NAMES = {text: name for file in ("log", "checkpoints") for name, text in statements(file).items()}
NOTE_END = b"\0"
_HEAD = "SELECT origin, size, proven, unsigned, inconsistent FROM log_head"


@dataclass
class Steps:
    """Names every step of giving places and of signing, in their order, and does something behind one of them, once.

    A step is a statement (its name in sql/, or its first word; `COMMIT` with the last statement before it), a read or a
    move of a memory, a part of how a file is replaced, and a signature.
    """

    act: Callable[[str], None] = lambda _: None
    number: int | None = None  # counted from 0
    name: str | None = None  # the first of this name
    before: bool = False
    said: list[str] = field(default_factory=list)
    done: bool = False
    conn: Connection | None = None  # the last that was seen

    def around(self, name: str, step: Callable[[], Any]) -> Any:
        ours = not self.done and (len(self.said) == self.number or name == self.name)
        self.said.append(name)
        if ours and self.before:
            self.done = True
            self.act(name)
        answer = step()
        if ours and not self.done:
            self.done = True
            self.act(name)
        return answer

    def watch(self, one: Sequencer, where: Sequence[Memory]) -> None:
        """From now on see what this one says, and what is done to these memories."""
        for memory in where:
            for what in ("read", "advance"):
                self._wrap(memory, what, f"{what} {memory.name}")
        connected = one._connected
        one._connected = lambda: self._seen(connected())  # type: ignore[method-assign]

    def watch_files(self) -> None:
        """From now on see how this process replaces files."""
        for what in ("fsync", "replace"):
            self._wrap(os, what, what)

    def key(self, key: SigningKey) -> SigningKey:
        """The same key, whose signatures are steps."""
        return _changed(key, lambda sign, text: self.around("sign", lambda: sign(text)))

    def _wrap(self, owner: Any, what: str, name: str) -> None:
        step = getattr(owner, what)
        setattr(owner, what, lambda *arguments: self.around(name, lambda: step(*arguments)))

    def _seen(self, conn: Connection) -> Connection:
        if conn is self.conn:
            return conn
        execute, last = conn.execute, ""
        self.conn = conn

        def observed(query: Any, *args: Any, **keywords: Any) -> Any:
            nonlocal last
            name = _NAMES.get(str(query), str(query).partition(" ")[0])
            if name == "COMMIT":
                name = f"COMMIT {last}"
            last = name
            return self.around(name, lambda: execute(query, *args, **keywords))

        conn.execute = observed  # type: ignore[method-assign]
        return conn


def recorded(key: SigningKey, path: Path) -> SigningKey:
    """The same key, which writes every note that it makes to a file before anybody has it."""

    def sign(made: Callable[[str], Signature], text: str) -> Signature:
        signature = made(text)
        with open(path, "ab") as file:
            file.write(Note(text, (signature,)).encode() + NOTE_END)
        return signature

    return _changed(key, sign)


def _changed(key: SigningKey, change: Callable[[Callable[[str], Signature], str], Signature]) -> SigningKey:
    class Changed(SigningKey):
        def sign(self, text: str) -> Signature:
            return change(key.sign, text)

    return Changed(key.name, key.seed, key.verifier)


@contextlib.contextmanager
def redis_memory(url: str) -> Iterator[RedisMemory]:
    memory = RedisMemory(Endpoint(RedisSettings(url=url)))
    try:
        yield memory
    finally:
        memory.close()


@dataclass
class SignedLog:
    """A database whose log is signed, the memories of it, and the file of every note that was ever made."""

    database: Database
    folder: Path
    memories: list[Memory]

    @property
    def made(self) -> Path:
        return self.folder / "made"

    @property
    def file(self) -> Path:
        return self.folder / "memory" / "checkpoint"

    def signer(self, keys: Sequence[SigningKey] = (KEY,), origin: str | None = None) -> Signer:
        return Signer([recorded(key, self.made) for key in keys], self.memories, origin)

    @contextlib.contextmanager
    def sequencers(self, number: int = 1, **signer: Any) -> Iterator[list[Sequencer]]:
        with sequencers(self.database, number, signer=self.signer(**signer)) as made:
            yield made

    def head(self) -> Head:
        return Head(*self.database.query(_HEAD)[0])

    def stored(self) -> dict[int, bytes]:
        """The size of each checkpoint that is stored under today's name, with its root."""
        rows = self.database.query(
            "SELECT size, root FROM log_checkpoints WHERE origin = (SELECT origin FROM log_head) ORDER BY size"
        )
        return {size: bytes(root) for size, root in rows}

    def signed(self) -> int:
        """The size of the last one; 0 where there is none."""
        return max(self.stored(), default=0)

    def check(self, *, keys: Sequence[SigningKey] = (KEY,)) -> LogReport:
        """Every note that was ever made is signed and the beginning of the log, and what is stored is among them."""
        report = check_log(self.database.superuser_url)
        assert report.faults == []
        made = notes_in(self.made)
        assert made, "nothing was signed"
        for note in made:
            assert any(key.verifier.signed(note) for key in keys)
            point = parse_checkpoint(note.text)
            assert point.size <= report.tree.size, f"a tree of {point.size} entries was signed, which is lost"
            assert point.root == report.tree.root(point.size), f"another tree of {point.size} entries was signed"
        texts = {note.text for note in made}
        for (text,) in self.database.query("SELECT note FROM log_checkpoints"):
            assert parse_note(text.encode()).text in texts
        return report


@dataclass(frozen=True)
class Head:
    """What log_head says of signing."""

    origin: str | None
    size: int
    proven: int
    unsigned: str | None
    inconsistent: str | None


def new_origin(database: Database, where: Sequence[Memory], name: str) -> None:
    """What the owner does to go on under another name (`datastorage log new-origin`)."""
    settings = settings_for(replace(database, service_url=database.owner_url))
    watchdog = Watchdog(Clock())
    watchdog.start()
    try:
        with connect(settings.database, "test", Limits(5, 5), watchdog) as conn:
            done = start_origin(conn, where, name, "restored from before", None)
    finally:
        watchdog.stop()
    assert not done.already


def notes_in(path: Path) -> list[Note]:
    """What `recorded` has written, without a last one that was cut off."""
    return [parse_note(part) for part in path.read_bytes().split(NOTE_END)[:-1]] if path.exists() else []


def roots_of(path: Path) -> dict[tuple[str, int], set[bytes]]:
    """The roots that were signed, by origin and size."""
    found: dict[tuple[str, int], set[bytes]] = {}
    for note in notes_in(path):
        point = parse_checkpoint(note.text)
        found.setdefault((point.origin, point.size), set()).add(point.root)
    return found


def due(one: Sequencer) -> None:
    """Let it sign at its next step, however short ago it did."""
    one._signing._next = 0.0
    one._signing._idle_until = 0.0


def signed_turn(one: Sequencer) -> None:
    """Let it give places and sign, whoever did before."""
    due(one)
    turn(one)


@contextlib.contextmanager
def signed_log(database: Database, folder: Path, redis_url: str | None, *, file: bool = True) -> Iterator[SignedLog]:
    """One with a memory in this Redis, if there is one, and one in a file."""
    with contextlib.ExitStack() as stack:
        made = SignedLog(database, folder, [])
        if redis_url is not None:
            made.memories.append(stack.enter_context(redis_memory(redis_url)))
        if file:
            os.makedirs(made.file.parent, exist_ok=True)
            made.memories.append(FileMemory(str(made.file)))
        yield made
