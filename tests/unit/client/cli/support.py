"""What tests of commands about the log share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]
ROW = {
    "id": 42, "remediation_id": "rr-1", "notification_id": "n-1", "recipient": "ops@example.com", "channel": "email",
    "message_summary": "Pod restarted", "status": "sent", "sent_at": "2026-01-05T10:00:00Z", "escalation_level": 0,
    "created_at": "2026-01-05T10:00:00.120000Z", "updated_at": "2026-01-05T10:00:00.120000Z",
}  # fmt: skip


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"lock"}
