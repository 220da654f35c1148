"""Whether the service itself says that its log contradicts what was signed of it."""

from __future__ import annotations

from typing import Any

import msgspec

from datastorage_client.problems import DataStorageError, LogInconsistentError
from datastorage_client.verify.feed import FEED
from datastorage_client.verify.steps import JSON, Fetch

_HEALTH = "/health"
# Gives no record, so that nobody has to write down who read it.
_END_OF_FEED = f"{FEED}?after=end&limit=1"
_SHOWN_TEXT = 500

CONTRADICTS = "the service says itself that its log contradicts what was signed of it, and has stopped"
NOT_GIVEN = "the service gives none until that is settled"


class _Health(msgspec.Struct):
    log: dict[str, Any]  # where it is missing, something else answers there, or a service that has no log
    log_inconsistent: str | None = None


_decode_health = msgspec.json.Decoder(_Health).decode


def contradiction(fetch: Fetch) -> str | None:
    """What the service says of its log, in a sentence; None where it says nothing of the kind, or cannot be asked."""
    try:
        said = _decode_health(fetch(_HEALTH, JSON)).log_inconsistent
    except (DataStorageError, msgspec.DecodeError, UnicodeDecodeError):
        # A proxy need not let it through.
        try:
            fetch(_END_OF_FEED, JSON)
        except LogInconsistentError:
            return CONTRADICTS
        except DataStorageError:
            pass
        return None
    return None if said is None else f"{CONTRADICTS}: {said[:_SHOWN_TEXT]}"
