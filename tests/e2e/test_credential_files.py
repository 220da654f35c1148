"""Files of tokens, keys and authorities that break while the service runs: workers that are new know what was known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.e2e.workers import replaced
from tests.issuer_server import issuer_server
from tests.support import GunicornService, event, wait_until
from tests.tokens import AUDIENCE, ISSUER, Issuer, entry, write_tokens

Run = Callable[..., GunicornService]
EVENTS = "/api/v1/audit/events"


def write(service: GunicornService, token: str) -> int:
    """The status of a write with this token."""
    return service.request("POST", EVENTS, event(), headers={"Authorization": f"Bearer {token}"}).status


def credentials(service: GunicornService) -> str:
    found: str = service.request("GET", "/health").json["credentials"]
    return found


def told_by(service: GunicornService) -> set[int]:
    """The processes that have logged that a file is broken."""
    lines = service.log.read_text().splitlines()
    return {json.loads(line)["pid"] for line in lines if "what was read before stays in force" in line}


def is_said_at_once(service: GunicornService) -> None:
    """That new workers say from their first answer on that they know what was known before."""
    wait_until(lambda: service.probe("/health/live") == 200, what="the new workers serve")
    assert credentials(service) == "stale"
    wait_until(lambda: service.request("GET", "/health").json["status"] == "degraded", what="all else is well")


def test_a_broken_token_file_ends_no_instance_and_lets_nobody_in_again(run_service: Run, tmp_path: Path) -> None:
    alice, bob = (entry(name, name, "audit:write") for name in ("alice", "bob"))
    tokens = write_tokens(tmp_path / "tokens.yaml", alice, bob)
    service = run_service(server__workers="2", auth__mode="token", auth__tokens_file=str(tokens))
    assert (write(service, "alice"), write(service, "bob")) == (201, 201)
    # Another content than at the start: the master has taken it by the time it starts the next worker.
    write_tokens(tokens, alice)
    replaced(service, 2)
    wait_until(lambda: service.probe("/health/ready") == 200, what="the new workers serve")
    assert (write(service, "alice"), write(service, "bob")) == (201, 401)
    whole = tokens.read_text()
    tokens.write_text(whole + "- name: [")
    replaced(service, 2)
    is_said_at_once(service)
    wait_until(lambda: len(told_by(service)) == 2, what="each new worker says so, in lines for a collector")
    for _ in range(8):  # by either worker
        assert (write(service, "alice"), write(service, "bob")) == (201, 401)
    wait_until(lambda: service.metrics().get('datastorage_auth_files_stale{file="tokens"}') == 1, what="the gauge")
    tokens.write_text(whole)
    wait_until(lambda: credentials(service) == "current", what="it can be read again")
    assert service.stop() == 0


def test_a_key_set_that_is_gone_and_broken_authorities_end_no_instance(run_service: Run, tmp_path: Path) -> None:
    keys, issuer = tmp_path / "keys.json", Issuer()
    keys.write_bytes(issuer.jwks())
    authority = Authority(tmp_path)
    with issuer_server(authority.issue("server")) as secure:
        listed = [
            {"name": "file", "issuer": ISSUER, "audience": AUDIENCE, "keys_file": str(keys)},
            {"name": "net", "issuer": secure.url, "audience": AUDIENCE, "ca_file": str(authority.ca_file)},
        ]
        for number, each in enumerate(listed):
            each["name_prefix"] = f"{number}:"
        service = run_service(server__workers="1", auth__mode="jwt", auth__jwt_issuers=json.dumps(listed))
        assert (write(service, issuer.token()), write(service, secure.token())) == (201, 201)
        keys.unlink()
        authority.ca_file.write_text("garbage")
        replaced(service, 1)
        is_said_at_once(service)
        assert (write(service, issuer.token()), write(service, secure.token())) == (201, 201)
        assert service.stop() == 0


@pytest.mark.parametrize("setting", ["auth.tokens_file", "auth.jwt_keys_file"])
def test_an_instance_does_not_start_with_one(run_service: Run, tmp_path: Path, setting: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text("{")
    jwt = {"auth__jwt_issuer": ISSUER, "auth__jwt_audience": AUDIENCE}
    others = {"auth__mode": "token"} if setting == "auth.tokens_file" else {"auth__mode": "jwt", **jwt}
    service = run_service(start=False, **others, **{setting.replace(".", "__"): str(broken)})
    service.launch()
    assert service.process is not None
    assert service.process.wait(60) == 2
    [line] = service.log.read_text().splitlines()
    assert line.startswith(f"datastorage: {setting}: {broken}: ")
