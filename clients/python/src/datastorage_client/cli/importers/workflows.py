"""Workflow files into the catalogue: which of them are new, and what happens to each.

Nothing here asks the network: `Catalogue` is what the command puts behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from datastorage_common import jsonvalue
from datastorage_common.files import TooLargeError, as_text, read_whole
from datastorage_common.workflow_batches import MAX_BATCH, IndexKeys, index_keys

from datastorage_client.cli.importers.workflow_files import (
    MAX_FILE_BYTES,
    Faults,
    InvalidFileError,
    documents,
    refused,
    workflow,
)

MAX_BATCH_BYTES = 4 * 1024 * 1024

CREATED, EXISTS, CHANGED, COLLIDES, INVALID = "created", "already there", "changed", "collides", "invalid"


class InvalidBatchError(Exception):
    """The service refuses workflows of a batch, and so creates none; ``faults``: by index, member and what is wrong."""

    def __init__(self, faults: Mapping[int, Faults]) -> None:
        super().__init__("workflows of the batch are invalid")
        self.faults = faults


@dataclass
class File:
    """One file, or one document of a file of several; the workflow in it, and what became of it."""

    path: str  # as text, also where the name is not UTF-8
    workflow: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    reason: str = ""
    line: int | None = None  # of what is invalid
    workflow_id: str | None = None
    document: int | None = None  # which of the file's, from 1; None where it holds one
    first_line: int = 1
    lines: Mapping[str, int] = field(default_factory=dict)  # of each member, by its place in the file

    @property
    def position(self) -> str:
        """``FILE:LINE document N``, as far as there is anything to tell apart."""
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return where if self.document is None else f"{where} document {self.document}"

    @property
    def key(self) -> tuple[str, str]:
        return (self.workflow["workflow_name"], self.workflow["version"])

    def settle(self, outcome: str, reason: str = "") -> None:
        """Say what became of it."""
        self.outcome, self.reason = outcome, reason


class Catalogue(Protocol):
    """What an import needs of the service."""

    def hashes(self, name: str) -> Mapping[str, str]:
        """The name's versions, each with its content_hash."""

    def create(self, workflows: Sequence[Mapping[str, Any]]) -> Sequence[str] | None:
        """Create all or none; their ids, or None if one of them has been created meanwhile.

        Raises InvalidBatchError.
        """


def read(path: str, signal_type: str | None = None) -> list[File]:
    """The workflows of the file, one a document; what is none is settled as invalid. Raises ReadError."""
    name = as_text(path)
    try:
        found = documents(read_whole(path, MAX_FILE_BYTES, pipes=True))
    except TooLargeError as e:
        return [_invalid(File(name), InvalidFileError(e.reason, 1))]
    except InvalidFileError as e:
        return [_invalid(File(name), e)]
    files = []
    for number, document in enumerate(found, 1):
        file = File(name, document=number if len(found) > 1 else None, first_line=document.line, lines=document.lines)
        try:
            file.workflow = workflow(document, signal_type)
        except InvalidFileError as e:
            _invalid(file, e)
        files.append(file)
    return files


def _invalid(file: File, error: InvalidFileError) -> File:
    file.settle(INVALID, str(error))
    file.line = error.line
    return file


def run(files: Sequence[File], catalogue: Catalogue, *, dry_run: bool, step: Callable[[], None]) -> None:
    """Settle every file. ``step`` is called as each is looked up. Raises what the catalogue raises."""
    first: dict[tuple[str, str], File] = {}
    for file in files:
        if not file.outcome and (winner := first.setdefault(file.key, file)) is not file:
            file.settle(COLLIDES, f"with {winner.position}: {' '.join(file.key)}")
    known: dict[str, Mapping[str, str]] = {}
    for file in files:
        step()
        if not file.outcome:
            name = file.key[0]
            if name not in known:
                known[name] = catalogue.hashes(name)
            _compare(file, known[name])
    new = sorted(
        (f for f in files if not f.outcome), key=lambda f: (f.key[0], version_key(f.key[1]), f.path, f.document)
    )
    for batch in _batches(new):
        _send(batch, catalogue, dry_run)


def _compare(file: File, stored: Mapping[str, str]) -> None:
    name, version = file.key
    if version in stored:
        if stored[version] == file.workflow["content_hash"]:
            file.settle(EXISTS)
        else:
            file.settle(CHANGED, f"{name} {version} is stored with other content: give it a new version")


def _batches(files: Sequence[File]) -> Iterator[list[File]]:
    batch: list[File] = []
    size, keys = 0, IndexKeys()
    for file in files:
        n, its_keys = len(jsonvalue.compact(file.workflow)) + 1, index_keys(file.workflow["labels"])
        full = len(batch) == MAX_BATCH or size + n > MAX_BATCH_BYTES or (keys + its_keys).too_many_for_a_batch
        if batch and full:
            yield batch
            batch, size, keys = [], 0, IndexKeys()
        batch.append(file)
        size, keys = size + n, keys + its_keys
    if batch:
        yield batch


def _send(batch: list[File], catalogue: Catalogue, dry_run: bool) -> None:
    while batch and not dry_run:
        try:
            ids = catalogue.create([f.workflow for f in batch])
        except InvalidBatchError as e:
            for index, faults in e.faults.items():
                _invalid(batch[index], refused(faults, batch[index].lines, batch[index].first_line))
            batch = [f for f in batch if not f.outcome]
            continue
        if ids is not None:
            for file, ident in zip(batch, ids, strict=True):
                file.workflow_id = ident
            break
        # Another client created one of them since it was looked up: look again. Each round settles at least one.
        before = len(batch)
        stored = {name: catalogue.hashes(name) for name in {f.key[0] for f in batch}}
        for file in batch:
            _compare(file, stored[file.key[0]])
        batch = [f for f in batch if not f.outcome]
        if len(batch) == before:
            raise RuntimeError("the service refuses as duplicates what it does not have")
    for file in batch:
        file.settle(CREATED)


def version_key(version: str) -> tuple[Any, ...]:
    """Sorts versions as people do: 1.9 before 1.10, 2.0-rc1 before 2.0, with or without a leading v."""
    core, _, rest = version.removeprefix("v").partition("+")[0].partition("-")

    def parts(text: str) -> tuple[tuple[int, int, str], ...]:
        return tuple((1, int(p), "") if p.isdecimal() else (0, 0, p) for p in re.findall(r"\d+|[^\d.]+", text))

    return (parts(core), not rest, parts(rest), version)
