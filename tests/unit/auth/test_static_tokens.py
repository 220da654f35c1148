from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.auth.principal import Principal
from app.auth.static_tokens import TokenVerifier, parse_tokens
from tests.tokens import entry, write_tokens
from tests.unit.auth.helpers import refusal, replace


def test_tokens_have_names_and_scopes(tmp_path: Path) -> None:
    path = write_tokens(
        tmp_path / "t", entry("gateway", "one", "audit:write"), entry("reports", "two", "audit:read", "workflows:read")
    )
    verifier = TokenVerifier(str(path))
    assert verifier.principal("one") == Principal("gateway", frozenset({"audit:write"}))
    assert verifier.principal("two") == Principal("reports", frozenset({"audit:read", "workflows:read"}))
    assert refusal(verifier, "three") == "unknown"
    assert "one" not in path.read_text()


def test_a_token_expires(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"one").hexdigest()
    path = tmp_path / "t"
    path.write_text(f"- {{name: a, sha256: '{digest}', scopes: [audit:read], expires: 2030-01-01T00:00:00+01:00}}\n")
    end = 1893452400.0  # 2029-12-31T23:00:00Z
    assert TokenVerifier(str(path), now=lambda: end - 1).principal("one").name == "a"
    assert refusal(TokenVerifier(str(path), now=lambda: end), "one") == "expired"


def test_comparison_is_of_hashes_and_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared never holds the token, and is compared by what takes the same time whatever it finds."""
    path = write_tokens(tmp_path / "t", entry("a", "one", "audit:read"))
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("app.auth.static_tokens.hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    TokenVerifier(str(path)).principal("one")
    digest = hashlib.sha256(b"one").digest()
    assert compared == [(digest, digest)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tokens: []", "must be a list of tokens"),
        ("- a", "entry 1: must have name, sha256 and scopes"),
        ("- {name: a, sha256: {HASH}, scopes: [audit:read], scope: x}", "entry 1: there is no key scope"),
        ("- {sha256: {HASH}, scopes: [audit:read]}", "entry 1: name must be"),
        ("- {name: '', sha256: {HASH}, scopes: [audit:read]}", "entry 1: name must be"),
        ("- {name: a, scopes: [audit:read]}", "entry 1: sha256 must be 64 hexadecimal digits"),
        ("- {name: a, sha256: abc, scopes: [audit:read]}", "entry 1: sha256 must be 64 hexadecimal digits"),
        ("- {name: a, sha256: {HASH}, scopes: []}", "entry 1: scopes must be a list out of audit:write"),
        ("- {name: a, sha256: {HASH}, scopes: audit:read}", "entry 1: scopes must be a list out of audit:write"),
        ("- {name: a, sha256: {HASH}, scopes: [audit:all]}", "entry 1: scopes must be a list out of audit:write"),
        ("- {name: a, sha256: {HASH}, scopes: [audit:read], expires: soon}", "entry 1: expires must be a time"),
        (
            "- {name: a, sha256: {HASH}, scopes: [audit:read]}\n- {name: b, sha256: {HASH}, scopes: [audit:read]}",
            "entry 2: the same token stands there twice",
        ),
        ("- a\n- b", "entry 1: must have name, sha256 and scopes; entry 2: must have"),
        ("- [", "is not YAML"),
        ("\xc3\x28", "is not UTF-8"),
    ],
)
def test_faults_of_a_token_file(text: str, fault: str) -> None:
    content = text.replace("{HASH}", "'" + "ab" * 32 + "'").encode("latin-1")
    with pytest.raises(ValueError) as e:
        parse_tokens(content)
    assert str(e.value).startswith(fault)
    assert "abab" not in str(e.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"# none yet\n"])
def test_a_file_without_tokens_lets_nobody_in(content: bytes) -> None:
    assert parse_tokens(content) == {}


def test_a_list_that_loses_its_tokens_admits_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_tokens(tmp_path / "tokens", entry("a", "one", "audit:read"))
    verifier = TokenVerifier(str(path))
    assert verifier.principal("one")
    replace(path, "[]\n")
    verifier.file._next_look = 0.0
    assert refusal(verifier, "one") == "unknown"
    [line] = [r.getMessage() for r in caplog.records]
    assert line.endswith("admits nobody: every token is refused")
