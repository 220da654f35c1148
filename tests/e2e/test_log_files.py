"""Files of the log that become wrong while the service runs: workers come and go, and writes go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from datastorage_common.notes import COSIGNATURE, make_key

from tests.e2e.workers import replaced
from tests.support import GunicornService, event, wait_until

Run = Callable[..., GunicornService]
EVENTS = "/api/v1/audit/events"
KEY = make_key("log.example/one", bytes(range(32)))
WITNESS = make_key("w.example", bytes(range(1, 33)), COSIGNATURE)
POLICY = f"witness w {WITNESS.verifier}\nquorum w\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A file of keys and a policy, both good."""
    keys, policy = tmp_path / "log.key", tmp_path / "policy"
    keys.write_text(KEY.encode())
    keys.chmod(0o600)
    policy.write_text(POLICY)
    return keys, policy


def signed_size(service: GunicornService) -> int:
    answer = service.request("GET", "/api/v1/log/checkpoint")
    return int(answer.body.split(b"\n")[1]) if answer.status == 200 else 0


def test_broken_files_end_no_instance_and_stop_no_signature(run_service: Run, files: tuple[Path, Path]) -> None:
    keys, policy = files
    service = run_service(server__workers="2", log__key_file=str(keys), log__witness_policy=str(policy))
    assert service.request("POST", EVENTS, event()).status == 201
    wait_until(lambda: signed_size(service) > 0, what="the log is signed")
    keys.write_text("garbage")
    policy.write_text("garbage")
    replaced(service, 2)
    wait_until(lambda: service.probe("/health/live") == 200, what="the new workers serve")
    assert service.request("POST", EVENTS, event()).status == 201
    signed = signed_size(service)
    assert service.request("POST", EVENTS, event()).status == 201
    wait_until(lambda: signed_size(service) > signed, what="the log is signed as before")
    stale = 'datastorage_auth_files_stale{file="witness_policy"}'
    wait_until(lambda: service.metrics().get(stale) == 1, what="the policy is said to be stale")
    health = service.request("GET", "/health").json
    assert (health["credentials"], health["status"], health["log"]["signing"]) == ("stale", "degraded", "on")
    log = service.log.read_text()
    assert log.count("log.key_file: line 1: not a signing key") == 2, "a line for each worker that is new"
    assert "what was read before stays in force" in log
    policy.write_text(POLICY)
    wait_until(lambda: service.request("GET", "/health").json["credentials"] == "current", what="it can be read again")
    assert service.stop() == 0


def test_an_instance_does_not_start_with_them(run_service: Run, files: tuple[Path, Path]) -> None:
    for broken in files:
        good = broken.read_text()
        broken.write_text("garbage")
        service = run_service(start=False, log__key_file=str(files[0]), log__witness_policy=str(files[1]))
        service.launch()
        assert service.process is not None
        assert service.process.wait(60) == 2
        name = "log.key_file" if broken == files[0] else "log.witness_policy"
        assert f"datastorage: {name}: " in service.log.read_text()
        broken.write_text(good)
