"""The dead letter admin: how the queue is, and what can be done with a dead letter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import redis
from datastorage_common import jsonvalue
from redis.exceptions import BusyLoadingError, NoPermissionError, ResponseError

from app.config.settings import Settings
from app.dlq import rights, scripts
from app.dlq.client import code_of, dispensable
from app.dlq.endpoint import Endpoint
from app.dlq.keys import EVENTS, KEYS, NO_WITNESS, PAIRS, STREAMS
from app.dlq.memory import NOTHING, EntryId, parse_id
from app.dlq.state import QueueState, StreamState

# Two unsigned numbers of 64 bits; Redis answers anything else with an error.
_ENTRY_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_MAX_ENTRY_NUMBER = 2**64 - 1
_MAX_ID_CHARACTERS = 64


class Admin:
    """Reads the queue, revives and deletes dead letters.

    Every call is bounded in time and may raise redis.RedisError.
    """

    def __init__(self, settings: Settings, endpoint: Endpoint | None = None, *, timeout: float = 1.0) -> None:
        self._settings = settings
        self._endpoint = endpoint or Endpoint(settings.redis)
        self._client: redis.Redis = self._endpoint.client(connect_timeout=timeout, timeout=timeout)

    def redial(self) -> None:
        """Ask the sentinels, and drop this client's idle connections: the next call dials the address anew."""
        self._endpoint.locate()
        self._client.connection_pool.disconnect(inuse_connections=False)

    def look(self) -> QueueState:
        """The state of Redis and of both streams."""
        streams = {name: self._stream(name) for name in STREAMS}
        with dispensable():
            try:
                info: dict[str, Any] | None = self._client.info("persistence", "memory", "server")
            except NoPermissionError:
                info = None
            durability = self._durability(info)
        if info is None:
            return QueueState(True, durability, streams=streams)
        evicts = info.get("maxmemory_policy", "noeviction") != "noeviction" and info.get("maxmemory", 0) > 0
        # Redis takes some writes still before it finds that it cannot keep them.
        broken = info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok"
        run = info.get("run_id")
        return QueueState(True, durability, evicts, streams, "MISCONF" if broken else None, run=run)

    def _stream(self, name: str) -> StreamState:
        keys = KEYS[name]
        with self._client.pipeline(transaction=False) as pipe:
            pipe.xlen(keys.stream)
            pipe.xlen(keys.dead)
            pipe.xrange(keys.stream, count=1)
            pipe.get(keys.size)
            pipe.xinfo_stream(keys.stream)
            pipe.time()
            depth, dead, first, size, known, now = pipe.execute(raise_on_error=False)
        for answer in (depth, dead, first, size, now):
            if isinstance(answer, Exception):
                raise answer
        oldest = parse_id(first[0][0]) if first else NOTHING
        # By the clock that the id is of.
        age = max(0.0, now[0] + now[1] / 1_000_000 - oldest[0] / 1000) if first else 0.0
        limits = self._settings.dlq
        full = depth >= limits.max_len or _number(size) >= limits.max_bytes
        # There is no stream before its first entry.
        last = NOTHING if isinstance(known, Exception) else parse_id(known["last-generated-id"])
        return StreamState(depth, limits.max_len, dead, age, full, oldest, last)

    def _durability(self, info: dict[str, Any] | None) -> str:
        try:
            config = cast("dict[str, str]", self._client.config_get("appendfsync", "save"))
        except ResponseError:
            config = {}  # managed servers forbid CONFIG, or do not know it: what INFO says has to do
        if info is None:
            return "unknown"
        if info.get("aof_enabled"):
            # Without CONFIG the weaker of the two is what can be promised.
            return "aof_always" if config.get("appendfsync") == "always" else "aof_everysec"
        return "snapshot" if config.get("save") else "none"

    def probe(self) -> str | None:
        """Do what a spill needs, leaving nothing; None if Redis takes it, or Redis' word for why it does not."""
        replicas = self._settings.redis.min_replicas
        with self._client.pipeline(transaction=False) as pipe:
            pipe.eval(scripts.PROBE.text, len(PAIRS) + 1, *PAIRS, NO_WITNESS)
            if replicas:
                # On the same connection: it is the probe's own write that they must have.
                pipe.wait(replicas, round(300 * self._settings.redis.spill_timeout))
            # Raised by the pipeline, an error would not begin with Redis' word.
            answers = pipe.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, ResponseError | BusyLoadingError):
                return code_of(answer) or "ERR"
        return "NOREPLICAS" if replicas and answers[1] < replicas else None

    def missing_rights(self) -> tuple[str, ...]:
        """Commands and keys that the service needs and its user may not use; found by harmless trying."""
        calls = rights.calls(min_replicas=self._settings.redis.min_replicas)
        with dispensable(), self._client.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.execute_command(*call)  # type: ignore[no-untyped-call]
            answers = pipe.execute(raise_on_error=False)
        return rights.missing(calls, answers)

    def witnessed(self, witness: str) -> dict[str, EntryId]:
        """The last id of each stream that a worker's witness knows."""
        texts = cast("list[bytes | None]", self._client.hmget(witness, [KEYS[name].stream for name in STREAMS]))
        return {name: parse_id(text) for name, text in zip(STREAMS, texts, strict=True)}

    def dead_letters(self, stream: str, limit: int, after: str | None) -> list[dict[str, Any]]:
        """Dead letters of a stream, oldest first, after the given id."""
        entries = cast(
            "list[tuple[bytes, dict[bytes, bytes]]]",
            self._client.xrange(KEYS[stream].dead, min=f"({after}" if after else "-", count=limit),
        )
        return [_letter(stream, ident, fields) for ident, fields in entries]

    def dead_letter(self, letter_id: str) -> dict[str, Any] | None:
        """One dead letter, or None if there is none with this id."""
        stream, ident = split_id(letter_id)
        if stream is None:
            return None
        entries = cast(
            "list[tuple[bytes, dict[bytes, bytes]]]", self._client.xrange(KEYS[stream].dead, min=ident, max=ident)
        )
        return _letter(stream, *entries[0]) if entries else None

    def message(self, letter_id: str) -> tuple[str, bytes | None] | None:
        """Stream and message of a dead letter as they lie there, what no answer can hold too; None if there is none."""
        stream, ident = split_id(letter_id)
        if stream is None:
            return None
        entries = cast(
            "list[tuple[bytes, dict[bytes, bytes]]]", self._client.xrange(KEYS[stream].dead, min=ident, max=ident)
        )
        return (stream, entries[0][1].get(b"message")) if entries else None

    def revive(self, letter_id: str) -> str:
        """Put a dead letter back into its stream: accepted, unknown, full or empty."""
        stream, ident = split_id(letter_id)
        if stream is None:
            return "unknown"
        keys = KEYS[stream]
        done = scripts.REVIVE.run(
            self._client,
            3,
            keys.dead,
            keys.stream,
            keys.size,
            ident,
            str(self._settings.dlq.max_len),
            str(self._settings.dlq.max_bytes),
        )
        return {1: "accepted", 0: "unknown", -1: "full", -2: "empty"}[int(done)]

    def delete(self, letter_id: str) -> bool:
        """Delete a dead letter for good; False if there is none with this id."""
        stream, ident = split_id(letter_id)
        return stream is not None and self._client.xdel(KEYS[stream].dead, ident) == 1

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


def _number(text: bytes | None) -> float:
    try:
        return float(text or 0)
    except ValueError:  # edited by hand; the spill script counts it as it finds it
        return 0.0


def split_id(letter_id: str) -> tuple[str | None, str]:
    """Stream and entry id of a dead letter's id such as ``events:1767600000000-0``; (None, "") if it is not one."""
    stream, _, ident = letter_id.partition(":")
    found = _ENTRY_ID.fullmatch(ident)
    if stream not in STREAMS or found is None or max(map(int, found.groups())) > _MAX_ENTRY_NUMBER:
        return (None, "")
    return (stream, ident)


def sensitive_event(letter: Mapping[str, Any]) -> str | None:
    """The id of the event in a dead letter if it is marked sensitive.

    One that is not JSON, or no event, may hold anything: it counts as sensitive, under its own id.
    """
    entry = letter["entry"]
    payload = entry.get("payload") if isinstance(entry, dict) else None
    if not isinstance(payload, dict):
        return str(letter["id"])
    if letter["stream"] != EVENTS or payload.get("is_sensitive", False) is False:
        return None
    return str(payload.get("event_id", letter["id"]))[:_MAX_ID_CHARACTERS]


def _letter(stream: str, ident: bytes, fields: dict[bytes, bytes]) -> dict[str, Any]:
    text = {k.decode("utf-8", "replace"): v for k, v in fields.items()}
    message = text.get("message")
    letter: dict[str, Any] = {
        "id": f"{stream}:{ident.decode()}",
        "stream": stream,
        **{
            name: text[name].decode("utf-8", "replace")
            for name in ("original_id", "moved_at", "reason")
            if name in text
        },
        "final_retry_count": int(text.get("final_retry_count", b"0")),
        "entry": None,
        "raw": None,
    }
    try:
        letter["entry"] = _answerable(jsonvalue.parse(message)) if message is not None else None
    except jsonvalue.JSONError:
        letter["raw"] = message.decode("utf-8", "backslashreplace") if message is not None else None
    if message is None:
        letter["raw"] = str(fields)
    return letter


def _answerable(value: Any) -> Any:
    """The value with the escape of each lone surrogate, which no answer can hold: it hides no letter beside it.

    Raises JSONError where it holds a number that nothing can write.
    """
    if value is jsonvalue.HUGE:
        raise jsonvalue.JSONError("a number is too large")
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_answerable(k): _answerable(v) for k, v in value.items()}
    return [_answerable(v) for v in value] if isinstance(value, list) else value
