"""A release that keeps the log and signs nothing, beside this one, which signs: killed by turns, back and forth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.config.log_keys import new_key_file
from app.postgres.migrations import migrate
from tests.e2e.load import Writers, Written, check_kept
from tests.log_check import check_log
from tests.support import (
    PATIENT,
    Database,
    GunicornService,
    PostgresServer,
    environ_of,
    valkey_server,
    wait_until,
)
from tests.system.test_upgrade import commits_before, database_of, datastorage, files_of, service_role


@pytest.fixture(scope="module")
def before_signatures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last commit that signed nothing."""
    return files_of(commits_before("sql/0006_checkpoints.sql"), tmp_path_factory.mktemp("before"))


class Both:
    """One database and one Redis, and an instance of each release."""

    def __init__(self, database: Database, stack: ExitStack, folder: Path, release: Path) -> None:
        self.database = database
        valkey = stack.enter_context(valkey_server())
        key = new_key_file(folder / "log.key", "log.example/one")
        self.verifier = folder / "log.pub"
        self.verifier.write_text(f"{key.verifier}\n")
        environ = {
            "DATASTORAGE_DATABASE__URL": database.service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "1",
            "DATASTORAGE_AUDIT__RECORD_SERVICE": "false",
        }
        its_own = {"PYTHONPATH": str(release / "clients" / "python" / "src"), **environ_of(PATIENT)}
        self.old = GunicornService(environ | its_own, folder / "old.log", root=release)
        signing = {"DATASTORAGE_LOG__KEY_FILE": str(folder / "log.key")}
        self.new = GunicornService(environ | signing, folder / "new.log")
        for service in (self.old, self.new):
            stack.callback(lambda service=service: service.process is not None and service.stop())

    def size(self) -> int:
        return int(self.database.query("SELECT size FROM log_head")[0][0])

    def signed(self) -> int:
        return int(self.database.query("SELECT coalesce(max(size), 0) FROM log_checkpoints")[0][0])

    def epoch(self) -> int:
        return int(self.database.query("SELECT epoch FROM log_head")[0][0])

    def written(self, service: GunicornService, then: Callable[[], object] = lambda: None) -> list[Written]:
        """What was written while this instance alone had load, at least until the log had grown by it."""
        before = self.size()
        with Writers(service, 1, pause=0.01) as writers:
            then()
            wait_until(lambda: self.size() > before + 20, 60, "places")
        return writers.sent

    def all_signed(self) -> None:
        before = self.size()
        wait_until(lambda: self.signed() >= before, 60, "a checkpoint of all that has a place")


@pytest.mark.timeout(300)
def test_a_log_that_one_release_signs_and_the_other_does_not(
    before_signatures: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        database = stack.enter_context(database_of(before_signatures, "app.postgres.migrations", postgres))
        both = Both(database, stack, tmp_path, before_signatures)
        old, new = both.old, both.new
        old.start()
        sent = both.written(old)
        sent += both.written(old, lambda: migrate(database.owner_url, service_role=service_role(database)))
        new.start()
        sent += both.written(new)
        assert both.signed() == 0, "the one that gives places does not sign"
        for _ in range(2):
            epoch = both.epoch()
            sent += both.written(new, old.kill)
            both.all_signed()
            old.start()
            sent += both.written(old, new.kill)
            assert both.epoch() >= epoch + 2, "each has taken over from the other"
            new.start()
        # Back to the release before, on the schema of this one, and forth again.
        assert new.stop() == 0
        sent += both.written(old)
        new.start()
        sent += both.written(new, old.stop)
        counts = "SELECT (SELECT count(*) FROM log_pending_a) + (SELECT count(*) FROM log_pending_b)"
        wait_until(lambda: database.query(counts) == [(0,)], 60, "all in the log")
        both.all_signed()
        assert new.request("GET", "/health").json.get("log_inconsistent") is None
        report = check_log(database.superuser_url)
        assert (report.faults, report.size) == ([], database.count())
        assert "all is well" in datastorage(database, "verify", "--database", "--key", str(both.verifier))
        check_kept(sent, database)
