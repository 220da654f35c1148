"""What the tests of the client share."""

from __future__ import annotations

import pytest
from datastorage_client import BufferedAuditStore

from tests.unit.fakes import HOUR


@pytest.fixture(autouse=True)
def _closing_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that a test closes without saying how long may take as long as a busy machine needs."""
    monkeypatch.setattr(BufferedAuditStore.close, "__defaults__", (HOUR,))
