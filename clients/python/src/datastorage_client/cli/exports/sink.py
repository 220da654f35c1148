"""Where the rows of an export go: a file that a later run goes on with, or standard output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from datastorage_common.files import ReadError, as_text, read_whole
from datastorage_common.terminal import printable

from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.exports.rows import Form, Last
from datastorage_client.folder import give_name, has_name, sync_folder, unfinished, write_whole
from datastorage_client.problems import cursor

_VERSION = 1
SAVE_EVERY_S = 1.0
_BLOCK_BYTES = 1024 * 1024
# Many times of what a state has: filters, a header line, two places.
_MAX_STATE_BYTES = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_GZIP_LEVEL = 6
_OTHER_COLUMNS = "the service gives other columns than it did: begin anew with --restart"


class OutputError(Exception):
    """The output is not as it should be; the text says what to do."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is exported: ``asked`` as it was said, ``parameters`` as the service is asked (``7d`` is a moment there)."""

    form: str
    asked: dict[str, str]
    parameters: dict[str, str]


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How far a file is, as it is kept beside it."""

    version: int
    url: str
    query: Query
    before: str | None = None  # the cursor where the export ends
    principal: str | None = None  # for whom the service took who asked
    first: int | None = None  # the first entry of the log that is looked through
    header: str = ""  # of CSV
    offset: int = 0  # bytes that are on the disk
    rows: int = 0
    place: str | None = None  # of the last row
    log_index: int | None = None
    sha256: str = sha256().hexdigest()
    whole: bool = False
    requests: list[str] = []  # their ids

    @classmethod
    def of(cls, url: str, query: Query) -> State:
        """That of an export which begins."""
        return cls(version=_VERSION, url=url, query=query)


class Sink(ABC):
    """Takes whole rows. Counts them, and says behind which one a broken stream goes on."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.digest = sha256()
        self._unread: tuple[Form, bytes] | None = None  # rows whose last one was not looked at
        self._torn = False  # a signal came within a step: the state is not that of the rows

    def begin(self, before: str, first: int | None, principal: str | None, request_id: str | None) -> None:
        """A stream begins. ``before``: where it ends; of the first stream that stays.

        Raises OutputError where another principal asks than did at first: it may read other records.
        """
        state = self.state
        if state.before is None:
            with self._step():
                state.before, state.first, state.principal = before, first, principal
        elif state.principal != principal:
            raise OutputError(
                f"the rows that are there were given to {_caller(state.principal)}, and the token is of "
                f"{_caller(principal)}: take the token of before, or begin anew with --restart"
            )
        if request_id is not None:
            state.requests = [*state.requests[-99:], printable(request_id)[:200]]
        self.save()

    def head(self, header: bytes) -> None:
        """The header line of a stream. Raises OutputError where it is not that of the first."""
        text = header.decode("utf-8", "replace")
        if not self.state.header:
            with self._step():
                self.state.header = text
                self._take(header)
        elif self.state.header != text:
            raise OutputError(_OTHER_COLUMNS)

    def add(self, form: Form, rows: bytes) -> None:
        """Whole rows. Raises OSError, ServiceError."""
        # Before anything of them is kept: a later run goes on behind what was well.
        count = form.count(rows)
        with self._step():
            self._take(rows)
            self.state.rows += count
            self._unread = (form, rows)

    @contextmanager
    def _step(self) -> Iterator[None]:
        """What is done in here is done as a whole, or the state is not kept."""
        self._torn = True
        yield
        self._torn = False

    def _take(self, content: bytes) -> None:
        self.write(content)
        self.digest.update(content)
        self.state.offset += len(content)

    def settle(self) -> State:
        """The state up to the last row. Raises ServiceError where that cannot be read."""
        if self._unread is not None:
            form, rows = self._unread
            last: Last = form.last(rows)
            self.state.place, self.state.log_index = last
            self._unread = None
        self.state.sha256 = self.digest.hexdigest()
        return self.state

    @abstractmethod
    def write(self, content: bytes) -> None:
        """Raises OSError."""

    @abstractmethod
    def save(self) -> None:
        """Keep how far it is, if it can be kept. Raises OSError, ServiceError."""

    def discard(self) -> str:
        """What is there may not be what was sent: the next run begins anew. What to do, in words."""
        return "do not use what was printed, and run it again"


class StandardOutput(Sink):
    """Standard output, gzipped if it is wanted."""

    def __init__(self, state: State, *, compress: bool) -> None:
        super().__init__(state)
        self._out = sys.stdout.buffer
        self._pack = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP) if compress else None

    def write(self, content: bytes) -> None:
        self._out.write(content if self._pack is None else self._pack.compress(content))

    def save(self) -> None:
        """No later run can go on with it."""

    def finish(self) -> None:
        """All of it was written. Raises OSError."""
        if self._pack is not None:
            self._out.write(self._pack.flush())
        self._out.flush()


class PartFile(Sink):
    """``FILE.part``, beside it ``FILE.part.json`` about how much of it counts: what lies behind that is cut off.

    The state is written behind an fsync of the rows that it speaks of, so that a process or a machine may die at any
    moment. A lock on the file keeps other runs away.
    """

    def __init__(self, base: Path, state: State, descriptor: int) -> None:
        super().__init__(state)
        self.path, self._state_path = part_paths(base)
        self._fd = descriptor
        self._saved = time.monotonic()
        self._discarded = False
        self.resumed = False

    @classmethod
    def open(cls, base: Path, url: str, query: Query, *, restart: bool) -> PartFile:
        """Go on with what a run of before has left, or begin. Raises OutputError, OSError.

        ``restart``: throw away what is there.
        """
        path, state_path = part_paths(base)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(f"another run writes {_name(path)} now: wait for its end, or name another") from None
            if not has_name(descriptor, path):
                # It may have another name by now, and be an export that is whole.
                raise OutputError(f"another run has just ended with {_name(path)}: look, or run it again")
            if restart:
                state_path.unlink(missing_ok=True)
                os.ftruncate(descriptor, 0)
            found = read_state(base)
            if found is None:
                if os.fstat(descriptor).st_size:
                    raise OutputError(f"{_name(path)} is there and is of no export; --restart throws it away")
                return cls(base, State.of(url, query), descriptor)
            check_same(found, url, query, state_path)
            part = cls(base, found, descriptor)
            part._go_on()
        except BaseException:
            os.close(descriptor)
            raise
        return part

    def _go_on(self) -> None:
        """Check what is there. Raises OutputError."""
        state, left = self.state, self.state.offset
        os.lseek(self._fd, 0, os.SEEK_SET)
        while left and (block := os.read(self._fd, min(left, _BLOCK_BYTES))):
            self.digest.update(block)
            left -= len(block)
        if left or self.digest.hexdigest() != state.sha256:
            raise OutputError(f"{_name(self.path)} is not as it was written; --restart throws it away and begins anew")
        os.ftruncate(self._fd, state.offset)
        self.resumed = state.before is not None

    def write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._fd, view) :]

    def add(self, form: Form, rows: bytes) -> None:
        super().add(form, rows)
        if time.monotonic() - self._saved >= SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        if self._discarded:
            return
        state = self.settle()
        os.fsync(self._fd)
        write_whole(self._state_path, msgspec.json.format(msgspec.json.encode(state)) + b"\n", alone=True)
        self._saved = time.monotonic()

    def whole(self) -> None:
        """All rows are there."""
        self.state.whole = True
        self.save()

    def move(self, path: Path, *, replace: bool) -> None:
        """Give it its name. Raises OSError; FileExistsError where something is there, without ``replace``."""
        give_name(self.path, path, replace=replace)
        self.forget()

    def remove(self) -> None:
        """What it is for is done. Raises OSError."""
        self.path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Nothing is left to go on with. Raises OSError."""
        sync_folder(self.path.parent)
        forget_state(self._state_path)

    def discard(self) -> str:
        forget_state(self._state_path)
        self.path.unlink(missing_ok=True)
        self._discarded = True
        return "nothing of it is kept, run it again"

    def keep(self) -> None:
        """The run ends here for another reason, which is the one to tell: save if that is possible.

        Where no answer came there is nothing to go on with, and what was asked for may have been refused.
        """
        with contextlib.suppress(OSError, ServiceError):
            if self.state.before is None:
                self.discard()
            elif not self._torn:  # else what was saved last counts, as after a kill
                self.save()

    def close(self) -> None:
        """Let others have it."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def compress(source: Path, target: Path, shown: Callable[[int], None]) -> None:
    """Write a file gzipped: the same bytes for the same rows. Raises OSError. ``shown`` is told of bytes read."""
    pack = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
    done = 0
    with open(source, "rb") as rows, open(target, "wb") as file:
        while block := rows.read(_BLOCK_BYTES):
            file.write(pack.compress(block))
            done += len(block)
            shown(done)
        file.write(pack.flush())
        file.flush()
        os.fsync(file.fileno())


def is_same(one: Path, other: Path) -> bool:
    """Whether both are names of one file."""
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except OSError:
        return False


def part_paths(base: Path) -> tuple[Path, Path]:
    """Of an output: the rows so far, and the state."""
    return base.parent / f"{base.name}.part", base.parent / f"{base.name}.part.json"


def forget_state(path: Path) -> None:
    """Remove the state, and what a run that was killed has left of one. Raises OSError."""
    unfinished(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def read_state(base: Path) -> State | None:
    """What a run of before has left; None if there is nothing. Raises OutputError."""
    path = part_paths(base)[1]
    if not path.exists():
        return None
    try:
        state = msgspec.json.decode(read_whole(path, _MAX_STATE_BYTES), type=State)
    except (msgspec.DecodeError, ReadError):
        raise OutputError(f"{_name(path)} cannot be read; --restart throws it away and begins anew") from None
    known = state.before is None or cursor(state.before) is not None
    if state.version != _VERSION or not known or min(state.offset, state.rows) < 0:
        raise OutputError(f"{_name(path)} is of another release; --restart throws it away and begins anew")
    return state


def check_same(state: State, url: str, query: Query, path: Path) -> None:
    """Raises OutputError where a run of before exported something else."""
    if (state.url, state.query.form, state.query.asked) != (url, query.form, query.asked):
        raise OutputError(
            f"{_name(path)} is of another export, of {_described(state.url, state.query)}: run that again, or begin "
            "this one with --restart"
        )


def _described(url: str, query: Query) -> str:
    asked: Mapping[str, str] = query.asked
    said = " ".join(f"{name}={value}" for name, value in asked.items()) or "everything"
    return printable(f"{said} as {query.form} from {url}")[:300]


def check_free(path: Path, *, force: bool, instead: str = "; --output - writes to standard output") -> None:
    """See that a file may be made; ``instead``: of what is no file. Raises OutputError."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if os.path.islink(path) and not force:
            raise OutputError(f"{_name(path)} is a link that leads nowhere; --force replaces it") from None
        return
    except OSError as e:
        raise OutputError(f"{_name(path)}: {e.strerror}") from None
    if not stat.S_ISREG(mode):
        raise OutputError(f"{_name(path)} is no regular file{instead}")
    if not force:
        raise OutputError(already_there(path))


def already_there(path: Path) -> str:
    """What keeps an output from having its name, and what to do."""
    return f"{_name(path)} is there already; --force replaces it once the new one is whole"


def _caller(principal: str | None) -> str:
    return "nobody with a name" if principal is None else printable(principal)[:200]


def _name(path: Path) -> str:
    return printable(as_text(path))
