"""UUIDs as text."""

from __future__ import annotations

import re
from uuid import UUID

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def parse_uuid(text: object) -> UUID | None:
    """The UUID of its 36-character form (RFC 9562), or None."""
    return UUID(text) if isinstance(text, str) and _UUID.fullmatch(text) else None
