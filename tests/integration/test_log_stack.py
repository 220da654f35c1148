"""Service, PostgreSQL and Valkey are killed at once: what was signed and served is how the log begins."""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path

import pytest
from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import parse_note

from tests.integration.test_log_outages import Load, of_service
from tests.log_support import settled
from tests.signing_support import KEY
from tests.support import GunicornService, postgres_server, valkey_server, wait_until

CHECKPOINT = "/api/v1/log/checkpoint"


@pytest.mark.embedded
@pytest.mark.timeout(240)
def test_the_whole_stack_is_killed(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text(KEY.encode() + "\n")
    with postgres_server() as server, valkey_server() as valkey:
        assert server.embedded is not None
        database = server.make_database()
        service = GunicornService(
            {
                **database.environ,
                "DATASTORAGE_REDIS__URL": valkey.url(),
                "DATASTORAGE_SERVER__WORKERS": "2",
                "DATASTORAGE_LOG__KEY_FILE": str(key_file),
                "DATASTORAGE_LOG__CHECKPOINT_FILE": str(tmp_path / "remembered"),
            },
            tmp_path / "gunicorn.log",
        )
        served: set[bytes] = set()

        def newer() -> bool:
            """Whether a checkpoint was served that was not seen before."""
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = service.request("GET", CHECKPOINT)
                if answer.status == 200 and answer.body not in served:
                    served.add(answer.body)
                    return True
            return False

        service.start()
        try:
            with Load(of_service(service), 2) as load:
                for _ in range(3):
                    for _ in range(2):
                        load.more()
                        wait_until(newer, what="a checkpoint")
                    service.kill()
                    server.embedded.kill()
                    valkey.kill()
                    server.embedded.start()
                    valkey.start()
                    service.start()
                load.more()
                wait_until(newer, what="a checkpoint")
            wait_until(
                lambda: service.request("GET", "/api/v1/dlq").json["streams"]["events"]["depth"] == 0,
                what="the queue is empty",
            )
            report = settled(database, load.kept)
            signed = "SELECT max(c.size) = h.size FROM log_checkpoints c, log_head h GROUP BY h.size"
            wait_until(lambda: database.query(signed) == [(True,)], what="all of it is signed")
        finally:
            service.stop()
        notes = [*served, *(note.encode() for (note,) in database.query("SELECT note FROM log_checkpoints"))]
        assert len(served) >= 7
        for data in notes:
            note = parse_note(data)
            assert KEY.verifier.signed(note) is not None
            point = parse_checkpoint(note.text)
            assert point.root == report.tree.root(point.size)
        assert database.query("SELECT inconsistent, unsigned FROM log_head") == [(None, None)]
