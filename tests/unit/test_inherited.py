"""What the master has read is what its workers begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import inherited
from app.auth.principal import Principal, TokenError
from app.auth.watched_file import CredentialFileError
from app.config.load import ConfigError
from app.config.settings import AuthSettings
from tests.tokens import entry, write_tokens


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file of one token, alice's, that the settings name."""
    path = write_tokens(tmp_path / "tokens.yaml", entry("alice", "alice", "audit:read"))
    monkeypatch.setenv("DATASTORAGE_AUTH__MODE", "token")
    monkeypatch.setenv("DATASTORAGE_AUTH__TOKENS_FILE", str(path))
    monkeypatch.setattr(inherited, "_inherited", None)
    return path


def principal(token: str) -> Principal:
    verifier = inherited.of_the_master().verifier
    assert verifier is not None
    return verifier.principal(token)


def test_a_worker_begins_with_what_could_be_read_last(tokens: Path) -> None:
    inherited.read_for_workers()
    write_tokens(tokens, entry("bob", "bob", "audit:read"))
    inherited.refresh()
    tokens.write_text("{")
    inherited.refresh()
    assert principal("bob").name == "bob"
    with pytest.raises(TokenError):
        principal("alice")


def test_a_reload_begins_anew(tokens: Path) -> None:
    inherited.read_for_workers()
    write_tokens(tokens, entry("bob", "bob", "audit:read"))
    inherited.read_for_workers()
    assert principal("bob").name == "bob"


def test_without_a_master_it_is_read_when_it_is_asked_for(tokens: Path) -> None:
    inherited.refresh()
    assert principal("alice").name == "alice"


def test_a_file_that_breaks_while_an_instance_starts_is_one_line(tokens: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: AuthSettings) -> None:
        raise CredentialFileError(f"{tokens}: is not YAML")

    monkeypatch.setattr(inherited, "make_verifier", breaks)
    with pytest.raises(ConfigError) as e:
        inherited.read_for_workers()
    assert e.value.faults == [f"{tokens}: is not YAML"]
