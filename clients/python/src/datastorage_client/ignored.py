"""Members of a request that the service ignored: the log says so, once for each name in a process."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import httpx

log = logging.getLogger(__name__)

# An answer names no more than 20 of an object; a program that makes names up must not fill memory and log.
_MOST_NAMES = 1000
_told: set[str] = set()
_lock = threading.Lock()


def warn_of_ignored(request: httpx.Request, response: httpx.Response) -> None:
    """Log a warning for each member that the answer to a write or a search names as ignored, if it is a new one."""
    if request.method not in ("POST", "PATCH") or b'"ignored"' not in response.content:
        return
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        return
    for name in _names(answer):
        with _lock:
            if name in _told or len(_told) >= _MOST_NAMES:
                continue
            _told.add(name)
        log.warning("the service does not know the member %r and ignored it; this is said once", name)


def _names(answer: Any) -> Iterator[str]:
    named = answer.get("ignored") if isinstance(answer, dict) else None
    # Of a batch they come by index.
    for names in named.values() if isinstance(named, dict) else [named]:
        if isinstance(names, list):
            yield from (name for name in names if isinstance(name, str))
