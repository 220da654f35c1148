"""The service under a user that a cluster chose: a number without a name or a home, in the group 0."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devserver.accounts import Account, reaches
from tests.support import ROOT, Database, GunicornService, Valkey, event, wait_until

CHOSEN = Account(uid=1_000_770_000, gid=0, name="1000770000")


@pytest.fixture
def writable() -> Iterator[Path]:
    """The one folder that it may write to, as a volume of the pod: of another owner, for its group."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o770)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_any_user_can_run_it(database: Database, valkey: Valkey, writable: Path, tmp_path: Path) -> None:
    for path, condition in ((ROOT, 'test -r "$1/pyproject.toml"'), (Path(sys.executable), 'test -x "$1"')):
        if not reaches(CHOSEN, condition, path):
            pytest.skip(f"other users cannot reach {path}")
    service = GunicornService(
        {
            "DATASTORAGE_DATABASE__URL": database.service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(7),
            "PROMETHEUS_MULTIPROC_DIR": str(writable / "metrics"),
            "TMPDIR": str(writable),
            "HOME": "/",
        },
        tmp_path / "gunicorn.log",
        user=CHOSEN.uid,
    )
    service.start()
    try:
        assert service.process is not None
        processes = [psutil.Process(service.process.pid), *psutil.Process(service.process.pid).children()]
        assert {(p.uids().effective, p.gids().effective) for p in processes} == {(CHOSEN.uid, 0)}
        assert service.request("POST", "/api/v1/audit/events", event()).status == 201
        wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] >= 1000, what="its metrics")
        made = writable / "metrics"
        assert (made.stat().st_uid, stat.S_IMODE(made.stat().st_mode)) == (CHOSEN.uid, 0o700)
    finally:
        assert service.stop() == 0, service.log.read_text()
