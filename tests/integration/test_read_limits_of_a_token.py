"""The limits of a token in a file, from there to what it reads; every principal and way is in test_read_limits.py."""

from __future__ import annotations

from pathlib import Path

from datastorage_common.times import rfc3339

from tests.integration.service import BATCH, EVENTS, NOW, running
from tests.read_limits import bearer
from tests.support import PostgresServer, event
from tests.tokens import entry, write_tokens


def test_a_token_reads_within_the_limits_of_its_entry(postgres: PostgresServer, template: str, tmp_path: Path) -> None:
    reads = {"namespaces": ["payments"], "categories": ["gateway"]}
    entries = (entry("writer", "writer", "audit:write"), entry("team", "team", "audit:read", reads=reads))
    file = write_tokens(tmp_path / "tokens.yaml", *entries)
    kinds = [("payments", "gateway"), ("payments", "workflow"), ("bank", "gateway"), (None, "gateway")]
    events = [event(event_timestamp=rfc3339(NOW), namespace=n, event_category=c) for n, c in kinds]
    with running(postgres, template, auth={"mode": "token", "tokens_file": str(file)}) as s:
        answer = s.post(events, BATCH, headers=bearer("writer"))
        assert answer.status_code == 201
        own, *others = answer.json["event_ids"]
        page = s.client.get(EVENTS, headers=bearer("team")).json
        assert [row["event_id"] for row in page["data"]] == [own]
        assert page["pagination"]["total"] == 1
        found = [s.client.get(f"{EVENTS}/{one}", headers=bearer("team")).status_code for one in (own, *others)]
        assert found == [200, 404, 404, 404]
