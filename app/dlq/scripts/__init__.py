"""What the dead letter queue does inside Redis, each step in one script, so that no client sees half of it.

Streams are never trimmed: MAXLEN would evict entries that were never written. Scripts keep a byte count beside each
stream, and the attempts of its entries in a hash, since an entry in a stream cannot be changed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError

_FOLDER = Path(__file__).resolve().parent


class Script:
    """A script and the name that Redis remembers it by."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: redis.Redis, keys: int, *words: Any) -> Any:
        """The script's answer; the first ``keys`` words are its keys. Raises redis.RedisError.

        redis-py's own `Script` would send SCRIPT LOAD to a Redis that was restarted, a right that the service's user
        need not have. EVAL makes the script known as well, and nothing has run before.
        """
        try:
            return client.evalsha(self.sha, keys, *words)
        except NoScriptError:
            return client.eval(self.text, keys, *words)


def _read(*names: str) -> Script:
    """The script in the last of these files, after the shared functions of the others."""
    return Script("\n".join((_FOLDER / f"{name}.lua").read_text("utf-8") for name in names))


SPILL = _read("counter", "spill")
PROBE = _read("counter", "probe")
SETTLE = _read("counter", "entries", "settle")
BURY = _read("counter", "entries", "bury")
READ = _read("counter", "entries", "read")
TAKE = _read("counter", "entries", "take")
ADOPT = _read("counter", "entries", "adopt")
RECOUNT = _read("counter", "entries", "recount")
REVIVE = _read("counter", "revive")
LEAVE = _read("leave")
