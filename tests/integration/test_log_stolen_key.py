"""docs/log.md on a stolen key: in its order every instance has a key of the log's name, whenever it starts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_common.notes import make_key

from app.config.log import LogSettings
from app.config.log_keys import load_keys
from app.transparency.memories import RedisMemory
from app.transparency.signer import Signer
from tests.integration.test_log_signing import head, redis_memory, signed_turn
from tests.log_support import sequencers, statements_of
from tests.support import ROOT, Database, Valkey

__all__ = ["redis_memory"]  # a fixture
PAGE = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
OLD, NEW = "audit.example.com/log", "audit.example.com/log-2"


def section(title: str) -> str:
    return PAGE.split(f"\n### {title}\n")[1].split("\n##")[0]


def test_no_instance_is_ever_without_a_key_of_the_logs_name(
    database: Database,
    valkey: Valkey,
    streams: redis.Redis,
    redis_memory: RedisMemory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "log.key"
    file.write_text(f"{make_key(OLD, bytes([8]) * 32).encode()}\n")
    environ = {
        **database.environ,
        "DATASTORAGE_DATABASE__DIRECT_URL": database.owner_url,
        "DATASTORAGE_REDIS__URL": valkey.url(0),
        "DATASTORAGE_LOG__KEY_FILE": str(file),
    }

    def restarted() -> Signer:
        signer = Signer(load_keys(LogSettings(key_file=str(file))), [redis_memory])
        assert signer.can_sign(str(head(database)[0] or OLD))
        return signer

    with sequencers(database, signer=restarted()) as [one]:
        statements_of(database, 2)
        signed_turn(one)
    steps = re.findall(r"`([^`]+)`", " ".join(section("When a key was stolen").partition("**What to do.**")[2].split()))
    lines = [step for step in steps if step.startswith(("datastorage log", "cat "))]
    assert [line.split()[:3] for line in lines] == [
        ["datastorage", "log", "keygen"],
        ["cat", "log-2.key", ">>log.key"],
        ["datastorage", "log", "new-origin"],
    ]
    for line in lines:
        if line.startswith("cat "):
            file.write_text(file.read_text() + (tmp_path / "log-2.key").read_text())
        else:
            done = CliRunner().invoke(datastorage, shlex.split(line)[1:], "y\n", env=environ)
            assert done.exit_code == 0, done.output
        restarted()
    assert head(database)[0] == NEW
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))  # step 4
    with sequencers(database, signer=restarted()) as [one]:
        signed_turn(one)
