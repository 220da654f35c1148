"""An event as it waits: captured as JSON, so that what happens to the caller's object later does not matter."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from datastorage_client.ids import uuid7_text
from datastorage_client.texts import Members, as_meant

# Far above what the service takes, and far below where Python gives up.
_MAX_DEPTH = 200
_TOO_DEEP = f"it is nested more than {_MAX_DEPTH} deep, or without end"
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(rb"[][{}]")


@runtime_checkable
class SupportsToDict(Protocol):
    """What the generated models are: something that knows its members."""

    def to_dict(self) -> dict[str, Any]: ...


class Item:
    """One captured event. ``settled``: it was refused, and only waits for its neighbours to leave with them.

    ``since``: when it was here already, on the monotonic clock; by default since ever, as what another process left.
    ``captured_ms`` is of the wall clock, which may be put forth and back.
    """

    __slots__ = ("captured_ms", "raw", "settled", "since")

    def __init__(self, raw: bytes, captured_ms: int, since: float = -math.inf) -> None:
        self.raw = raw
        self.captured_ms = captured_ms
        self.since = since
        self.settled = False

    def event(self) -> dict[str, Any]:
        """The event's members."""
        members: dict[str, Any] = json.loads(self.raw)
        return members


def capture(event: Mapping[str, Any] | SupportsToDict) -> tuple[str, Item]:
    """The event's id and the event as it is now.

    An event without event_id gets one (UUIDv7), one without event_timestamp the present time. Raises TypeError or
    ValueError for what JSON cannot say: NaN, sets, times without zone, objects of one's own; or nested without end.
    """
    try:
        return _capture(event)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _capture(event: Mapping[str, Any] | SupportsToDict) -> tuple[str, Item]:
    members = _members(event)
    event_id = members.get("event_id")
    if event_id is None:
        event_id = members["event_id"] = uuid7_text()
    now_ns = time.time_ns()
    if "event_timestamp" not in members:
        members["event_timestamp"] = datetime.fromtimestamp(now_ns / 1e9, UTC)
    text = _encode(members)
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, as in file names that are not UTF-8: the service says no to it, not the caller's code path.
        raw = _encode_ascii(members).encode()
    # What is encoded here in a shallow stack has to be decoded in a deeper stack as well.
    if raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH and _depth(raw) > _MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    return str(event_id), Item(raw, now_ns // 1_000_000, time.monotonic())


def plain(given: Mapping[str, Any] | SupportsToDict) -> Members:
    """What is given as JSON has it: ids, times and models in it as what they stand for. Raises as `capture`."""
    try:
        return Members(json.loads(_encode(_members(given))))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_TEXTS.sub(b"", raw)):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    return deepest


def _members(given: object) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, SupportsToDict):
        meant: SupportsToDict = as_meant(given)
        return meant.to_dict()
    raise TypeError(f"a mapping or a model (it has to_dict()) is wanted, not {type(given).__name__}")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"a time needs a zone: {value.isoformat()}")
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping | SupportsToDict):
        return _members(value)
    raise TypeError(f"JSON has nothing for {type(value).__name__}")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_plain).encode
