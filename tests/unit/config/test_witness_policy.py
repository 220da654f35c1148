"""A policy of witnesses that cannot be used stops the start, and says which line is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from datastorage_common.notes import COSIGNATURE, make_key

from app.configuration import load_settings
from tests.unit.config.helpers import env, faults

WITNESS = make_key("w.example", bytes(32), COSIGNATURE).verifier


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_text(make_key("log.example", bytes(32)).encode())
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (f"witness w {WITNESS} https://w.example/\nquorum w\n", None),
        ("quorum none\n", None),
        ("", "log.witness_policy: there is no line with the quorum"),
        (f"witness w {WITNESS}\n\nquorum v\n", "log.witness_policy: line 3: a name that no line before defines"),
        ("# " + 70_000 * "x", "log.witness_policy: "),
    ],
)
def test_what_is_no_policy(key_file: str, tmp_path: Path, content: str, fault: str | None) -> None:
    path = tmp_path / "policy"
    path.write_text(content)
    values = env(LOG__KEY_FILE=key_file, LOG__WITNESS_POLICY=str(path))
    if fault is None:
        assert load_settings(None, values).log.witness_policy == str(path)
    else:
        [found] = faults(values)
        assert found.startswith(fault)


def test_a_policy_that_is_not_there(key_file: str, tmp_path: Path) -> None:
    [found] = faults(env(LOG__KEY_FILE=key_file, LOG__WITNESS_POLICY=str(tmp_path / "none")))
    assert found.startswith("log.witness_policy: ")
    assert str(tmp_path / "none") in found


def test_a_log_that_is_not_signed_has_no_witnesses(tmp_path: Path) -> None:
    assert faults(env(LOG__WITNESS_POLICY=str(tmp_path / "none"))) == ["log.witness_policy needs log.key_file"]
