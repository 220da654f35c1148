"""A run of the service is recorded once, however many workers it has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.support import ROOT, Database, GunicornService, event, wait_until
from tests.tokens import entry, write_tokens


def recorded(database: Database) -> list[tuple[str, Any]]:
    return [
        (action, data)
        for action, data in database.query(
            "SELECT event_action, event_data FROM audit_events WHERE event_category = 'datastorage.admin' "
            "ORDER BY event_timestamp, event_id"
        )
    ]


def test_start_and_stop_are_recorded_once_a_run(
    run_service: Callable[..., GunicornService], database: Database
) -> None:
    service = run_service(server__workers="2", audit__record_service="true")
    assert service.process is not None
    master = psutil.Process(service.process.pid)
    wait_until(lambda: len(recorded(database)) == 1, what="the start")
    before = {child.pid for child in master.children()}
    killed = master.children()[0]
    killed.kill()
    wait_until(
        lambda: len({c.pid for c in master.children()} | before) == 3 and len(master.children()) == 2, what="replaced"
    )
    wait_until(lambda: service.probe("/health/ready") == 200, what="ready")
    assert service.stop() == 0
    (start, said), (stop, ended) = recorded(database)
    assert (start, stop) == ("started", "stopped")
    assert said["run"] == ended["run"]
    assert {"server.workers", "database.url"} <= set(said["settings_changed"])
    assert database.service_url not in str(said)
    assert database.count() == 2

    again = run_service(server__workers="2", audit__record_service="true", buffer__size="999")
    wait_until(lambda: len(recorded(database)) == 3, what="the second start")
    other = recorded(database)[2][1]
    assert "buffer.size" in other["settings_changed"]
    assert other["settings_sha256"] != said["settings_sha256"]
    again.kill()


def test_a_change_of_tokens_is_recorded_once_by_all_workers_without_a_request(
    run_service: Callable[..., GunicornService], database: Database, tmp_path: Path
) -> None:
    alice, bob = entry("alice", "alice", "audit:read"), entry("bob", "bob", "audit:read")
    tokens = write_tokens(tmp_path / "tokens.yaml", alice)
    service = run_service(
        server__workers="2", audit__record_service="true", auth__mode="token", auth__tokens_file=str(tokens)
    )
    said = "is in force"

    def serving() -> set[int]:
        """The workers that have read the file, as they do before they answer."""
        assert service.request("GET", "/api/v1/audit/events").status == 401
        whole = service.log.read_text().rpartition("\n")[0].splitlines()
        return {line["pid"] for line in map(json.loads, whole) if line["logger"] == "app.request"}

    wait_until(lambda: len(serving()) == 2, what="an answer of each worker")
    # An older file takes its place, as a copy that keeps the time does.
    other = write_tokens(tmp_path / "other", alice, bob)
    os.utime(other, (1_700_000_000, 1_700_000_000))
    os.replace(other, tokens)
    wait_until(lambda: service.log.read_text().count(said) == 2, what="both workers have seen it")
    assert service.stop() == 0
    [change] = [data for action, data in recorded(database) if action == "credentials_changed"]
    assert (change["added"], change["removed"], change["changed"]) == (["bob"], [], [])


def test_the_pages_command_shows_what_is_the_services_own(
    run_service: Callable[..., GunicornService], database: Database, tmp_path: Path
) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", entry("mallory", "mallory", "audit:read", "audit:write"))
    service = run_service(audit__record_service="true", auth__mode="token", auth__tokens_file=str(tokens))
    bearer = {"Authorization": "Bearer mallory"}
    assert service.request("GET", "/api/v1/audit/events").status == 401
    refused = "SELECT event_id::text FROM audit_events WHERE event_category = 'datastorage.auth'"
    [(true,)] = wait_until(lambda: database.query(refused), what="the refusal")
    forged = event(event_id=str(uuid.uuid4()), event_category="datastorage.auth", actor_id="bob")
    assert service.request("POST", "/api/v1/audit/events", forged, headers=bearer).status == 201
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    [command] = [b for b in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "for category in" in b]
    done = subprocess.run(
        ["bash", "-euc", command],
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "DATASTORAGE_URL": f"http://127.0.0.1:{service.port}",
            "DATASTORAGE_TOKEN": "mallory",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line)["event_id"] for line in done.stdout.splitlines()]
    assert true in shown
    assert forged["event_id"] not in shown
