"""The running service against its document, a small pass; `make test-contract` makes a large one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contract import credentials, run, seed_dead_letters
from devserver import EmbeddedValkey
from tests.support import Database, GunicornService

# These have nothing to find, change or delete unless a link leads to it.
_BY_LINK_ONLY = {
    "DELETE /api/v1/dlq/dead-letters/{letter_id}",
    "GET /api/v1/dlq/dead-letters/{letter_id}",
    "POST /api/v1/dlq/dead-letters/{letter_id}/replay",
}


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_the_service_does_what_its_document_says(database: Database, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    token, environ = credentials(tmp_path)
    # A database of its own, so that nobody else's entries are replayed or deleted.
    url = valkey.url(9)
    seed_dead_letters(url, 20)
    environ |= {
        "DATASTORAGE_DATABASE__URL": database.service_url,
        "DATASTORAGE_REDIS__URL": url,
        "DATASTORAGE_SERVER__WORKERS": "1",
    }
    service = GunicornService(environ, tmp_path / "gunicorn.log")
    service.start()
    try:
        outcome = run(service, token, tmp_path, examples=3, seed=1)
    finally:
        service.stop()
    outcome.check()
    assert outcome.cases > 1000
    assert outcome.links >= 15, outcome.output
    idle = {operation for operation, accepted in outcome.accepted.items() if not accepted}
    assert idle <= _BY_LINK_ONLY, f"never answered 2xx, so hardly tested: {sorted(idle - _BY_LINK_ONLY)}"
