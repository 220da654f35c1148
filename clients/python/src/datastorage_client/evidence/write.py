"""Writes a bundle: records as they come, then what proves them, once the log has signed that they were exported."""

from __future__ import annotations

import base64
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

import msgspec
from datastorage_common.checkpoints import Checkpoint
from datastorage_common.records import parse_entry
from datastorage_common.times import rfc3339

from datastorage_client.evidence.errors import EvidenceError, RecordRefusedError
from datastorage_client.evidence.exported import (
    EVENT_TYPE,
    MAX_EXPORTED,
    MAX_EXPORTED_BYTES,
    Exported,
    disagreements,
    last_recorded,
    read_exported,
)
from datastorage_client.evidence.lines import entry_line, name_of, wrong_record
from datastorage_client.evidence.manifest import FORMAT, About, Manifest, filters_of
from datastorage_client.evidence.multiproof import prove
from datastorage_client.evidence.page import page
from datastorage_client.evidence.streams import streams_in
from datastorage_client.evidence.zip_layout import (
    CHECKPOINT,
    ENTRIES,
    EXPORTED,
    KEYS,
    MANIFEST,
    PAGE,
    PROOF,
    RECORDS,
    Member,
)
from datastorage_client.evidence.zip_read import MAX_LINE_BYTES, MemberReader
from datastorage_client.evidence.zip_write import ZipWriter
from datastorage_client.folder import new_file, remove_abandoned
from datastorage_client.problems import NoCheckpointError
from datastorage_client.verify.errors import NotWitnessedError
from datastorage_client.verify.feed import FEED, read_page
from datastorage_client.verify.newest import PAUSE_S, newest
from datastorage_client.verify.steps import JSON, Fetch, run
from datastorage_client.verify.tiles import WIDTH, Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust

# From the end of the stream until its events are signed: about two seconds, more where witnesses have to see them.
WAIT_S = 120.0
_FEED_WAIT_S = 10
_PAGE_RECORDS = 100
_MAX_PAGE_BYTES = 64 * 1024 * 1024
_THREADS = 4
# Bundles of entries that are on their way, 50 KB each, and the lines that wait for them.
_AHEAD = 16
_AHEAD_BYTES = 8 * 1024 * 1024
_CHUNK = 1024 * 1024
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What a bundle has: how many records, and the checkpoint that they are proven against."""

    records: int
    checkpoint: Checkpoint
    bytes: int


def write_evidence(
    path: Path,
    records: Iterable[bytes],
    fetch: Fetch,
    trust: Trust,
    about: Callable[[], About],
    on_progress: Progress = lambda what, done: None,
    *,
    wait_s: float = WAIT_S,
    replace: bool = True,
) -> Written:
    """Write a bundle. The file appears once it is whole, and then it verifies.

    What runs that were killed have left of bundles in the folder is removed.

    ``records``: the lines of the export with salts=true, each without its end, in the order of the log. ``about``: is
    asked once they have ended. ``on_progress``: is told what is done ("records", "waiting", "proven") and how much of
    it. ``wait_s``: how long it waits until the log has signed that the export took place. ``replace``: whether it takes
    the place of what has its name by then.

    Raises EvidenceError; RecordRefusedError for a record that the log has otherwise; DataStorageError, OSError;
    FileExistsError without ``replace``.
    """
    remove_abandoned(path.parent)
    with new_file(path, replace=replace) as file:
        made = ZipWriter(file)
        count = _put_records(made, records, on_progress)
        told = about()
        lines, events = _own_events(fetch, told, wait_s, on_progress)
        with made.member(EXPORTED) as member:
            for line in lines:
                member.put(line + b"\n")
        last = max((event.log_index for event in events), default=0)
        note, checkpoint = _checkpoint(fetch, trust, last, wait_s, on_progress)
        file.flush()
        _put_proof(made, file, path.parent, Tree(Tiles(fetch), checkpoint), on_progress)
        made.put(CHECKPOINT, note)
        made.put(KEYS, _keys(trust, note))
        # The service's clock may be ahead of ours, and what is in a bundle was there before it.
        now = datetime.now(UTC)
        made_at = rfc3339(max(now, last_recorded(events) or now))
        manifest = Manifest(
            format=FORMAT, made_at=made_at, by=told.principal, filter=filters_of(told.query),
            range=told.range, origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root.hex(),
            records=count, exported=len(events), streams=list(told.streams), files=[],
        )  # fmt: skip
        # What would not verify is not written.
        for text in disagreements(manifest, streams_in(file.fileno(), made.members[0], told.streams), events):
            raise EvidenceError(f"{text}: export it anew")
        made.put(PAGE, page(manifest))
        manifest = msgspec.structs.replace(manifest, files=made.files)
        made.put(MANIFEST, manifest.encode())
        made.close()
        size = file.tell()
    return Written(count, checkpoint, size)


def _put_records(made: ZipWriter, records: Iterable[bytes], on_progress: Progress) -> int:
    """How many. Raises EvidenceError, RecordRefusedError."""
    count, at = 0, -1
    with made.member(RECORDS) as member:
        for line in records:
            name = name_of(line)
            if name is None or len(line) > MAX_LINE_BYTES or b"\n" in line:
                raise EvidenceError(f"record {count + 1} of the export cannot be read")
            if name.index is None:
                raise EvidenceError(
                    "the service does not say where records are in the log, as to a reader with limits: evidence takes "
                    "one without"
                )
            if name.index <= at:
                raise RecordRefusedError(f"{name}: the service gives it behind entry {at}")
            at = name.index
            member.put(line + b"\n")
            count += 1
            on_progress("records", count)
    return count


def _own_events(fetch: Fetch, about: About, wait_s: float, on_progress: Progress) -> tuple[list[bytes], list[Exported]]:
    """The service's own events about these streams, in their order, once all are in a signed checkpoint."""
    wanted = {stream.request_id for stream in about.streams}
    whole = {stream.request_id for stream in about.streams if stream.whole}
    lines: list[bytes] = []
    found: list[Exported] = []
    held = 0
    cursor, deadline = about.end, time.monotonic() + wait_s
    while True:
        query = {
            "event_type": EVENT_TYPE, "salts": "true", "limit": str(_PAGE_RECORDS), "wait": str(_FEED_WAIT_S),
            "after": cursor,
        }  # fmt: skip
        try:
            answer = read_page(fetch(f"{FEED}?{urlencode(query)}", JSON, _MAX_PAGE_BYTES), _PAGE_RECORDS)
        except msgspec.DecodeError as e:
            raise EvidenceError(f"a page of the feed cannot be read: {e}") from None
        for item in map(bytes, answer.events):
            event = read_exported(item)
            if event is not None and event.event_data.request_id in wanted:
                lines.append(item)
                found.append(event)
                held += len(item) + 1
        if len(found) > MAX_EXPORTED or held > MAX_EXPORTED_BYTES:
            raise EvidenceError(
                "the export broke off too often for one bundle: export it anew, in parts by since and until"
            )
        if whole <= {event.event_data.request_id for event in found if event.is_whole}:
            return lines, found
        if time.monotonic() > deadline:
            raise EvidenceError(
                f"the log has no event about this export after {wait_s:g} s: does the service record accesses "
                "(audit.record_access), and sign its log?"
            )
        on_progress("waiting", 0)
        if answer.next == cursor:
            time.sleep(PAUSE_S)
        cursor = answer.next


def _checkpoint(
    fetch: Fetch, trust: Trust, last: int, wait_s: float, on_progress: Progress
) -> tuple[bytes, Checkpoint]:
    """The newest one, as soon as it has entry ``last``. Raises EvidenceError, VerificationError, DataStorageError."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            note, found = run(fetch, newest(trust, []))
            why = f"its newest checkpoint has {found.size} entries"
            if found.size > last:
                return note, found
        except NotWitnessedError as e:
            why = str(e)
        except NoCheckpointError as e:
            raise EvidenceError(f"the service has signed nothing that proves its records: {e.detail}") from None
        if time.monotonic() > deadline:
            raise EvidenceError(f"the log has not signed entry {last} after {wait_s:g} s: {why}")
        on_progress("waiting", 0)
        time.sleep(PAUSE_S)


def _put_proof(made: ZipWriter, file: BinaryIO, folder: Path, tree: Tree, on_progress: Progress) -> None:
    """Entries and proof of all records that were written. Raises RecordRefusedError, TreeError, DataStorageError."""
    with tempfile.TemporaryFile(dir=folder) as spool:
        with made.member(ENTRIES) as member, closing(_entries(tree, file.fileno(), made.members)) as entries:

            def indexes() -> Iterator[int]:
                for done, (index, entry) in enumerate(entries, 1):
                    member.put(entry_line(index, entry))
                    on_progress("proven", done)
                    yield index

            for found in prove(tree.size, indexes(), tree.subtree):
                spool.write(base64.b64encode(found) + b"\n")
        spool.seek(0)
        with made.member(PROOF) as member:
            while data := spool.read(_CHUNK):
                member.put(data)


def _entries(tree: Tree, descriptor: int, members: Iterable[Member]) -> Generator[tuple[int, bytes]]:
    """Index and entry of each record in these members, each held against it. Raises RecordRefusedError, TreeError."""
    waiting: deque[tuple[int, bytes, Future[list[bytes]]]] = deque()
    lines = chain.from_iterable(MemberReader(descriptor, member).lines() for member in [*members])
    held, number, bundle = 0, -1, Future[list[bytes]]()
    bundles = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for line in lines:
                name = name_of(line)
                if name is None or name.index is None:
                    raise EvidenceError("an event of the feed does not say where it is in the log")
                if name.index >= tree.size:
                    raise RecordRefusedError(f"{name}: the tree has {tree.size} entries")
                if name.index // WIDTH != number:
                    number = name.index // WIDTH
                    bundle = pool.submit(tree.entries, number)
                    bundles += 1
                waiting.append((name.index, line, bundle))
                held += len(line)
                while waiting and (bundles > _AHEAD or held > _AHEAD_BYTES):
                    index, first, future = waiting.popleft()
                    held -= len(first)
                    if not waiting or waiting[0][2] is not future:
                        bundles -= 1
                    yield _checked(index, first, future.result())
            while waiting:
                index, first, future = waiting.popleft()
                yield _checked(index, first, future.result())
        finally:
            pool.shutdown(cancel_futures=True)


def _checked(index: int, line: bytes, bundle: list[bytes]) -> tuple[int, bytes]:
    entry = bundle[index % WIDTH]
    wrong = wrong_record(index, parse_entry(entry), line)
    if wrong is not None:
        raise RecordRefusedError(f"{name_of(line)}: {wrong.text}")
    return index, entry


def _keys(trust: Trust, note: bytes) -> bytes:
    """The keys that have signed the checkpoint, a line each."""
    return "".join(f"{key}\n" for key in trust.signers(note)).encode()
