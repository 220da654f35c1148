from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from datastorage_common.notes import COSIGNATURE, make_key

from app.config.settings import Settings
from app.configuration import load_settings
from tests.unit.config.helpers import env

KEYS = [(section, f.name) for section, cls in Settings.SECTIONS.items() for f in dataclasses.fields(cls)]


# A value other than the default for each key whose kind does not give one.
OTHER = {
    "server.trusted_proxies": "10.0.0.0/8,fd00::/8",
    "server.proxy_header": "forwarded",
    "server.host": "::1",
    "server.pin_workers": "never",
    "server.problem_base_url": "https://example.com/p",
    "server.cors_allowed_origins": "https://a.example, https://b.example",
    "logging.level": "debug",
    "logging.format": "json",
    "database.url": "postgresql://u@h/d",
    "database.direct_url": "postgresql://o@h/d",
    "database.host": "db",
    "database.name": "other",
    "database.user": "other",
    "database.schema": "audit",
    "database.password_file": __file__,
    "database.direct_password_file": __file__,
    "database.sslmode": "require",
    "database.read_url": "postgresql://u@replica/d",
    "database.sslrootcert": "system",
    "database.sslcert": __file__,
    "database.sslkey": __file__,
    "redis.url": "redis://h",
    "redis.ca_file": __file__,
    "redis.cert_file": __file__,
    "redis.key_file": __file__,
    "redis.password_file": __file__,
    "redis.sentinels": "a:26379, [::1]:26379",
    "redis.sentinel_service": "other",
    "redis.sentinel_password_file": __file__,
    "buffer.commit_timeout": "30s",
    "buffer.flush_timeout": "2500ms",
    "buffer.flush_statement_timeout": "1500ms",
    "redis.spill_timeout": "250ms",
    "dlq.backoff": "1s, 2s",
    "auth.mode": "token",
    "auth.tokens_file": "tokens.yaml",
    "auth.jwt_keys_file": "keys.json",
    "auth.jwt_issuer": "https://issuer.example",
    "auth.jwt_audience": "datastorage",
    "auth.jwt_algorithms": "ES256",
    "auth.jwt_issuers": '[{"issuer": "https://issuer.example", "audience": "datastorage"}]',
    "audit.event_categories": "a,b",
    "limits.principal_requests": "600/minute",
    "limits.principal_events": "100000/minute",
    "limits.address_requests": "1200/minute",
    "tracing.endpoint": "http://collector:4318",
    "tracing.sample_ratio": "0.5",
    "tracing.headers_file": "/dev/null",
    "tracing.service_name": "audit",
    "log.origin": "log.example/one",
    "log.key_file": "{folder}/log.key",
    "log.checkpoint_file": "{folder}/checkpoint",
    "log.witness_policy": "{folder}/policy",
}


SIGNED = {"log.key_file": "{folder}/log.key"}
TOKENS = {"auth.mode": "token", "auth.tokens_file": "/dev/null"}
# What else a key's other value needs.
BESIDE = {
    "auth.mode": {"auth.tokens_file": "/dev/null"},
    "database.sslcert": {"database.sslkey": __file__},
    "database.sslkey": {"database.sslcert": __file__},
    "redis.ca_file": {"redis.url": "rediss://h"},
    "redis.sentinel_password_file": {"redis.sentinels": "a:26379"},
    "redis.cert_file": {"redis.url": "rediss://h", "redis.key_file": __file__},
    "redis.key_file": {"redis.url": "rediss://h", "redis.cert_file": __file__},
    "limits.principal_requests": TOKENS,
    "limits.principal_events": TOKENS,
    "log.origin": SIGNED,
    "log.witness_policy": SIGNED,
}


def other_value(section: str, key: str) -> str:
    default = getattr(Settings.SECTIONS[section](), key)
    if f"{section}.{key}" in OTHER:
        return OTHER[f"{section}.{key}"]
    return str(not default).lower() if isinstance(default, bool) else str(int(default) + 1)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_can_be_set_and_is_explained(tmp_path: Path, section: str, key: str) -> None:
    (tmp_path / "log.key").write_text(make_key("log.example/one", bytes(32)).encode())
    witness = make_key("witness.example", bytes(32), COSIGNATURE).verifier
    (tmp_path / "policy").write_text(f"witness w {witness}\nquorum w\n")
    given = {f"{section}.{key}": other_value(section, key), **BESIDE.get(f"{section}.{key}", {})}
    found = {name.replace(".", "__").upper(): value.replace("{folder}", str(tmp_path)) for name, value in given.items()}
    settings = load_settings(None, env(**found))
    changed = getattr(getattr(settings, section), key)
    default = getattr(Settings.SECTIONS[section](), key)
    assert changed != default
    assert default is None or type(changed) is type(default)
    # One sentence, fit for a cell of a table.
    [field] = [f for f in dataclasses.fields(Settings.SECTIONS[section]) if f.name == key]
    assert field.metadata["help"].endswith(".")
    assert "|" not in field.metadata["help"]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_default_is_a_value_that_its_key_takes(section: str, key: str) -> None:
    [field] = [f for f in dataclasses.fields(Settings.SECTIONS[section]) if f.name == key]
    assert field.metadata["parse"](field.default) == field.default


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().server.port = 1  # type: ignore[misc]
