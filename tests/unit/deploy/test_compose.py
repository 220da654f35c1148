"""deploy/compose.yaml: hardened as in Kubernetes, durable, and of one piece with the files it mounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from app.config.settings import Settings
from app.configuration import load_settings
from tests.support import ROOT

DEPLOY = ROOT / "deploy"
FILE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = FILE["services"]
OURS = ("datastorage", "migrate")


def test_what_it_mounts_is_there() -> None:
    sources = [v.partition(":")[0] for s in SERVICES.values() for v in s.get("volumes", [])]
    for source in sources:
        if source.startswith("./"):
            assert (DEPLOY / source).exists(), source
        else:
            assert source in FILE["volumes"]
    used = {name for s in SERVICES.values() for name in s.get("secrets", [])}
    assert used == FILE["secrets"].keys()
    prepare = (DEPLOY / "compose" / "prepare").read_text()
    for name in used:
        assert FILE["secrets"][name] == {"file": f"./compose/secrets/{name}"}
        assert re.search(rf"\b{name}\b", prepare), f"nothing makes {name}"
    assert {n for s in SERVICES.values() for n in s["networks"]} == FILE["networks"].keys()


def test_each_reads_only_secrets_that_it_is_given() -> None:
    """In commands, in the environment, and in the service's own settings."""
    settings = (DEPLOY / "compose" / "settings.yaml").read_text()
    for name, service in SERVICES.items():
        text = yaml.safe_dump({k: v for k, v in service.items() if k not in ("volumes", "secrets")})
        text += settings if name in OURS else ""
        assert set(re.findall(r"/run/secrets/([a-z]+)", text)) <= set(service.get("secrets", [])), name


def settings_of(name: str, tmp_path: Path) -> Settings:
    """What a container makes of the file and its environment, its secrets being there."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"- {{name: a, sha256: '{'a0' * 32}', scopes: [audit:read]}}\n")
    files = {"/run/secrets/tokens": str(tokens)}

    def mounted(text: str) -> str:
        return re.sub(r"/run/secrets/\w+", lambda m: files.get(m[0], str(secret)), text)

    path = tmp_path / "settings.yaml"
    path.write_text(mounted((DEPLOY / "compose" / "settings.yaml").read_text()))
    environ = {k: mounted(str(v)) for k, v in SERVICES[name]["environment"].items() if k != "CONFIG_PATH"}
    return load_settings(str(path), environ)


def test_the_service_takes_its_settings(tmp_path: Path) -> None:
    settings = settings_of("datastorage", tmp_path)
    assert settings.auth.mode == "token"
    assert settings.database.host in SERVICES
    assert (settings.redis.url or "").startswith("redis://valkey:")


def test_the_owner_is_known_to_the_migration_alone(tmp_path: Path) -> None:
    settings = settings_of("migrate", tmp_path).database
    assert "user=datastorage_owner" in settings.migration_conninfo()
    assert settings.service_role() == "datastorage" == settings_of("datastorage", tmp_path).database.user
    assert "owner" in SERVICES["migrate"]["secrets"]
    assert "owner" not in SERVICES["datastorage"]["secrets"]


def test_the_service_is_hardened_as_in_kubernetes() -> None:
    for name in OURS:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"] > 0
    assert SERVICES["datastorage"]["mem_limit"]
    assert SERVICES["datastorage"]["stop_grace_period"] == "90s"


def test_everything_comes_in_its_order() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["datastorage"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "valkey": {"condition": "service_healthy"},
    }
    assert all("healthcheck" in SERVICES[name] for name in ("postgres", "valkey", "datastorage"))


def test_valkey_does_not_forget() -> None:
    [script] = SERVICES["valkey"]["command"]
    for line in ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction"):
        assert f"echo '{line}'" in script
    assert "valkey:/data" in SERVICES["valkey"]["volumes"]
    assert "dir /data" in script
    # The server itself is the container's first process, or a signal to stop would never reach it.
    assert script.strip().splitlines()[-1].startswith("exec valkey-server ")


def test_ports_are_open_to_this_machine_alone_and_stores_to_nobody() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert FILE["networks"]["stores"] == {"internal": True}
    for name in ("postgres", "valkey"):
        assert SERVICES[name]["networks"] == ["stores"]
        assert "ports" not in SERVICES[name]
    assert all(SERVICES[name]["profiles"] == ["monitoring"] for name in ("prometheus", "grafana"))
