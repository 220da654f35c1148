"""Workflow files into the catalogue: YAML to the members of a workflow, and what is to become of each file.

docs/workflows.md has the mapping. Nothing here asks the network: `Catalogue` is what the command puts behind it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

from datastorage_common import jsonvalue, yamlfile
from datastorage_common.files import ReadError, TooLargeError, as_text, read_whole
from datastorage_common.terminal import printable
from datastorage_common.workflow_batches import MAX_BATCH, IndexKeys, index_keys

from datastorage_client.cli.hooks import hook

# Far above any workflow; a larger file is a wrong file.
MAX_FILE_BYTES = 1024 * 1024
MAX_BATCH_BYTES = 4 * 1024 * 1024
_MAX_TITLE = 255
_SUFFIXES = (".yaml", ".yml")

CREATED, EXISTS, CHANGED, COLLIDES, INVALID = "created", "already there", "changed", "collides", "invalid"

# Member of a workflow (or a part of one) → where it stands in the file.
_PLACES = {
    "workflow_name": "metadata.workflowId",
    "version": "metadata.version",
    "name": "metadata.description.what",
    "description": "metadata.description",
    "execution_engine": "execution.engine",
    "container_image": "execution.bundle",
    "container_digest": "execution.bundle",
    "labels.signal_type": "labels.signalName",
    "custom_labels": "customLabels",
    "detected_labels": "detectedLabels",
    "content": "",
}
_DESCRIPTION = (
    ("what", ""),
    ("whenToUse", "When to use: "),
    ("whenNotToUse", "When not to use: "),
    ("preconditions", "Preconditions: "),
)
_PASSED_ON = ("actionType", "parameters", "dependencies")


Faults = Sequence[tuple[str, str]]  # member and what is wrong with it


class InvalidFileError(Exception):
    """The file is no workflow; ``line`` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


class InvalidBatchError(Exception):
    """The service refuses workflows of a batch, and so creates none; ``faults``: by index, member and what is wrong."""

    def __init__(self, faults: Mapping[int, Faults]) -> None:
        super().__init__("workflows of the batch are invalid")
        self.faults = faults


class EmptyFolderError(Exception):
    """A folder holds no workflow file: more likely mistyped than meant."""


@dataclass
class File:
    """One file, or one document of a file of several; the workflow in it, and what became of it."""

    path: str  # as text, whatever bytes the name is made of
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


def find(paths: Sequence[str]) -> list[str]:
    """The files: those named, and the YAML files of folders, each once, ordered by path.

    Raises EmptyFolderError, and ReadError for a folder that cannot be read.
    """
    found: set[str] = set()
    for path in map(Path, paths):
        if path.is_dir():
            inside = list(_inside(path))
            if not inside:
                raise EmptyFolderError(f"{printable(as_text(path))}: no *.yaml or *.yml file is there")
            found.update(inside)
        else:
            found.add(str(path))
    return sorted(found)


def _inside(folder: Path) -> Iterator[str]:
    # Path.rglob passes over folders that may not be read without a word.
    for parent, _, names in os.walk(folder, onerror=_unreadable):
        for path in (Path(parent, name) for name in names):
            if path.suffix in _SUFFIXES and path.is_file():
                yield str(path)


def _unreadable(error: OSError) -> NoReturn:
    raise ReadError(error.filename, error.strerror or type(error).__name__)


def read(path: str, signal_type: str | None = None) -> list[File]:
    """The workflows of the file, one a document; what is none is settled as invalid. Raises ReadError."""
    name = as_text(path)
    try:
        found = _documents(read_whole(path, MAX_FILE_BYTES, pipes=True))
    except TooLargeError as e:
        return [_invalid(File(name), InvalidFileError(e.reason, 1))]
    except InvalidFileError as e:
        return [_invalid(File(name), e)]
    files = []
    for number, document in enumerate(found, 1):
        file = File(name, document=number if len(found) > 1 else None, first_line=document.line, lines=document.lines)
        try:
            file.workflow = _workflow(document, signal_type)
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
                _invalid(batch[index], _refused(faults, batch[index].lines, batch[index].first_line))
            batch = [f for f in batch if not f.outcome]
            continue
        if ids is not None:
            for file, ident in zip(batch, ids, strict=True):
                file.workflow_id = ident
            break
        # Somebody created one of them since it was looked up: look again. Each round settles one at least.
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


# --- one file ---------------------------------------------------------------------------------------------------


def to_workflow(raw: bytes, signal_type: str | None = None) -> dict[str, Any]:
    """The members of the one workflow in a file's text. Raises InvalidFileError."""
    found = _documents(raw)
    if len(found) > 1:
        raise InvalidFileError(f"holds {len(found)} documents where one is read", found[1].line)
    return _workflow(found[0], signal_type)


def _documents(raw: bytes) -> list[yamlfile.Document]:
    """At least one. Raises InvalidFileError."""
    try:
        found = yamlfile.documents(raw)
    except yamlfile.YAMLFault as e:
        raise InvalidFileError(e.reason, e.line) from None
    if not found:
        raise InvalidFileError("is empty", 1)
    return found


def _workflow(source: yamlfile.Document, signal_type: str | None) -> dict[str, Any]:
    text, document, lines = source.text, source.value, source.lines
    if not isinstance(document, dict):
        raise InvalidFileError("must be a YAML mapping", source.line)

    def section(name: str) -> dict[str, Any]:
        value = document.get(name, {})
        if not isinstance(value, dict):
            raise InvalidFileError(f"{name}: must be a mapping", lines[name])
        return value

    metadata, execution, labels = section("metadata"), section("execution"), dict(section("labels"))
    title, description = _description(metadata.get("description"))
    image = execution.get("bundle")
    labels["signal_type"] = labels.pop("signalName", None) or signal_type
    body = {
        "workflow_name": metadata.get("workflowId"),
        "version": metadata.get("version"),
        "name": title,
        "description": description,
        "content": text,
        "content_hash": hashlib.sha256(text.encode()).hexdigest(),
        "labels": {k: v for k, v in labels.items() if v is not None},
        "execution_engine": execution.get("engine"),
        "container_image": image,
        "container_digest": image.partition("@")[2] or None if isinstance(image, str) else None,
        "custom_labels": {k: v if isinstance(v, list) else [v] for k, v in section("customLabels").items()} or None,
        "detected_labels": _detected(section("detectedLabels")),
        "parameters": {k: document[k] for k in _PASSED_ON if k in document} or None,
    }
    body = {k: v for k, v in body.items() if v is not None}
    # Without the service's package the service itself judges what is sent.
    faults = (hook("workflow_faults") or _identity_faults)(body)
    if faults:
        raise _refused(faults, lines, source.line)
    return body


def _identity_faults(body: Mapping[str, Any]) -> Faults:
    """What is wrong with the members that say which workflow and which version of it this is."""
    return [(n, "must be a string") for n in ("workflow_name", "version") if not isinstance(body.get(n), str)]


def _place(name: str) -> str:
    head, _, rest = name.partition(".")
    known = _PLACES.get(name) or ".".join([_PLACES.get(head, head), *([rest] if rest else [])])
    return known.replace("failed_detections", "failedDetections")


def _refused(faults: Faults, lines: Mapping[str, int], first_line: int) -> InvalidFileError:
    places = [(_place(name), fault, name) for name, fault in faults]
    reasons = [
        f"{place or 'the file'}: {fault}" + ("; or give --signal-type" if name == "labels.signal_type" else "")
        for place, fault, name in places
    ]
    place = places[0][0]
    # What is missing has no line: the part that it is missing from has.
    while place and place not in lines:
        place = place.rpartition(".")[0]
    return InvalidFileError("; ".join(reasons), lines.get(place, first_line))


def _description(value: Any) -> tuple[Any, Any]:
    """Title and description, of a text or of its parts."""
    if isinstance(value, str):
        title: Any = value.split("\n", 1)[0]
        text = value
    elif isinstance(value, dict):
        title = value.get("what")
        text = "\n".join(f"{head}{value[part]}" for part, head in _DESCRIPTION if value.get(part))
    else:
        return value, value
    if isinstance(title, str) and len(title) > _MAX_TITLE:
        title = title[: _MAX_TITLE - 1] + "…"
    return title, text


def _detected(given: Mapping[str, Any]) -> dict[str, Any]:
    """Detected labels; the files write booleans as text."""
    found = {k: {"true": True, "false": False}.get(v, v) if isinstance(v, str) else v for k, v in given.items()}
    if "failedDetections" in found:
        found["failed_detections"] = found.pop("failedDetections")
    return found


__all__ = [
    "CHANGED",
    "COLLIDES",
    "CREATED",
    "EXISTS",
    "INVALID",
    "Catalogue",
    "EmptyFolderError",
    "File",
    "find",
    "read",
    "run",
]
