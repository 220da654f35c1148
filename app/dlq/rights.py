"""The rights that the dead letter queue needs of Redis, each with a call that shows whether it is there.

Redis checks the rights of a call before its arguments, so a call that would do nothing, or is refused for its
arguments, tells as much as a real one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoPermissionError

from app.dlq.keys import GROUP, KEYS, NO_WITNESS, PAIRS, STREAMS

Call = tuple[str | int, ...]
# Of no group, so that nothing is delivered.
_NO_GROUP = f"{GROUP}:nobody"
_NO_ID = "0-1"
_COMMAND = re.compile(r"run the '([^']+)' command")


def calls(*, min_replicas: int) -> list[Call]:
    """One harmless call for each command that the service uses, and for each key."""
    found: list[Call] = [
        ("EVAL", "return 1", 0),
        ("EVALSHA", "0" * 40, 0),
        ("GET", KEYS[STREAMS[0]].size),
        ("SET", KEYS[STREAMS[0]].size, 0, "EX", 0),
        ("EXPIRE", NO_WITNESS, 1),
        ("HLEN", NO_WITNESS),
        ("HSET", NO_WITNESS, "no", "pair", "here"),
        ("DEL", NO_WITNESS),
        ("TIME",),
    ]
    if min_replicas:
        found.append(("WAIT", 0, 1))
    for name in STREAMS:
        keys = KEYS[name]
        found += [
            *(("XLEN", key) for key in (keys.stream, keys.dead)),
            *(("XRANGE", key, _NO_ID, _NO_ID) for key in (keys.stream, keys.dead)),
            *(("XADD", key, "0-0", "message", "") for key in (keys.stream, keys.dead)),
            *(("XDEL", key, _NO_ID) for key in (keys.stream, keys.dead)),
            ("XACK", keys.stream, _NO_GROUP, _NO_ID),
            ("XREADGROUP", "GROUP", _NO_GROUP, "nobody", "STREAMS", keys.stream, ">"),
            ("XPENDING", keys.stream, _NO_GROUP),
            ("XCLAIM", keys.stream, _NO_GROUP, "nobody", 0, _NO_ID),
            ("XGROUP", "CREATE", keys.stream, _NO_GROUP, "no-id"),
            ("XGROUP", "DELCONSUMER", keys.stream, _NO_GROUP, "nobody"),
            ("XINFO", "STREAM", keys.stream),
            ("XINFO", "GROUPS", keys.stream),
            ("EXISTS", keys.stream),
            ("XINFO", "CONSUMERS", keys.stream, _NO_GROUP),
            ("INCRBY", keys.size, 0),
            ("DECRBY", keys.size, 0),
            ("HGET", keys.attempts, "nobody"),
            ("HMGET", keys.attempts, "nobody"),
            ("HINCRBY", keys.attempts, "nobody", "no number"),
            ("HSET", keys.attempts, "no", "pair", "here"),
            ("HDEL", keys.attempts, "nobody"),
        ]
    return found


def missing(made: Sequence[Call], answers: Sequence[Any]) -> tuple[str, ...]:
    """Commands (as ACL SETUSER names them, ``xgroup|create``) and keys that were refused for want of a right."""
    found: dict[str, None] = {}
    for call, answer in zip(made, answers, strict=True):
        if isinstance(answer, NoPermissionError):
            for right in named_in(answer) or (f"~{_key_of(call)}",):
                found[right] = None
    return tuple(found)


def named_in(error: Exception) -> tuple[str, ...]:
    """The right that an error of Redis says is missing; empty if it is about a key, or about something else."""
    named = _COMMAND.search(str(error)) if isinstance(error, NoPermissionError) else None
    return (f"+{named.group(1)}",) if named else ()


def _key_of(call: Call) -> str:
    known = {*PAIRS, *(key for k in KEYS.values() for key in (k.attempts, k.dead))}
    return str(next((word for word in call if word in known), "audit:dlq:witness:*"))
