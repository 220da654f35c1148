"""Workflow files: where they are, and YAML to the members of a workflow.

docs/workflows.md has the mapping.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from datastorage_common import yamlfile
from datastorage_common.files import ReadError, as_text
from datastorage_common.terminal import printable
from datastorage_common.yamlnodes import YAMLFault

from datastorage_client.cli.hooks import hook

# Far above any workflow; a larger file is a wrong file.
MAX_FILE_BYTES = 1024 * 1024
_MAX_TITLE = 255
_SUFFIXES = (".yaml", ".yml")
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


class EmptyFolderError(Exception):
    """A folder holds no workflow file: more likely mistyped than meant."""


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


def to_workflow(raw: bytes, signal_type: str | None = None) -> dict[str, Any]:
    """The members of the one workflow in a file's text. Raises InvalidFileError."""
    found = documents(raw)
    if len(found) > 1:
        raise InvalidFileError(f"holds {len(found)} documents where one is read", found[1].line)
    return workflow(found[0], signal_type)


def documents(raw: bytes) -> list[yamlfile.Document]:
    """At least one. Raises InvalidFileError."""
    try:
        found = yamlfile.documents(raw)
    except YAMLFault as e:
        raise InvalidFileError(e.reason, e.line) from None
    if not found:
        raise InvalidFileError("is empty", 1)
    return found


def workflow(source: yamlfile.Document, signal_type: str | None) -> dict[str, Any]:
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
        raise refused(faults, lines, source.line)
    return body


def _identity_faults(body: Mapping[str, Any]) -> Faults:
    """What is wrong with the members that say which workflow and which version of it this is."""
    return [(n, "must be a string") for n in ("workflow_name", "version") if not isinstance(body.get(n), str)]


def _place(name: str) -> str:
    head, _, rest = name.partition(".")
    known = _PLACES.get(name) or ".".join([_PLACES.get(head, head), *([rest] if rest else [])])
    return known.replace("failed_detections", "failedDetections")


def refused(faults: Faults, lines: Mapping[str, int], first_line: int) -> InvalidFileError:
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
