"""The log of a local run: its key, and what is said where its two stores do not belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.load import ConfigError
from app.config.log_keys import parse_keys
from app.config.settings import Settings
from app.transparency.log_store import Head
from app.transparency.memories import Remembered
from devserver import DevError, signed_log

NAME = signed_log.LOG_NAME


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> list[Head]:
    """What the database has as its log's head: the last of these."""
    heads = [Head(0, 0, None)]
    monkeypatch.setattr(signed_log, "_heads", lambda _: (heads[-1], None))
    return heads


def test_the_log_of_an_embedded_database_gets_a_key_once(head: list[Head], tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    for _ in range(2):
        assert signed_log.with_log_key({"a": "b"}, tmp_path, Settings()) == {
            "a": "b",
            "DATASTORAGE_LOG__KEY_FILE": str(path),
        }
        [key] = parse_keys(path.read_text())
        assert key.name == NAME
        assert path.stat().st_mode & 0o777 == 0o600
        held = path.stat().st_mtime_ns
    assert path.stat().st_mtime_ns == held


@pytest.mark.parametrize(
    "environ",
    [{"DATASTORAGE_LOG__KEY_FILE": "mine.key"}, {"DATASTORAGE_DATABASE__URL": "postgresql://db/a"}],
    ids=lambda e: next(iter(e)),
)
def test_no_key_is_made_for_what_is_given(environ: dict[str, str], tmp_path: Path) -> None:
    assert signed_log.with_log_key(environ, tmp_path, Settings()) == environ
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="log"):
        signed_log.settings_before_key({**environ, "DATASTORAGE_LOG__ORIGIN": "log.example/mine"})


def test_a_log_of_another_name_gets_a_key_of_it_beside_the_first(head: list[Head], tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    names = [NAME]
    signed_log.with_log_key({}, tmp_path, Settings())
    given = {"DATASTORAGE_LOG__ORIGIN": "log.example/mine", "DATASTORAGE_LOG__WITNESS_POLICY": "nowhere"}
    assert signed_log.settings_before_key(given).log == Settings().log
    for environ, origin in ((given, "log.example/mine"), ({}, f"{NAME}-2"), ({}, f"{NAME}-2")):
        before = path.read_text()
        head.append(Head(3, 1, None, origin=f"{NAME}-2"))
        signed_log.with_log_key(environ, tmp_path, Settings())
        names += [] if origin in names else [origin]
        assert [key.name for key in parse_keys(path.read_text())] == names
        assert path.read_text().startswith(before)
        assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["log.key"]


def test_what_cannot_be_a_key_is_told(head: list[Head], tmp_path: Path) -> None:
    with pytest.raises(DevError, match=r"cannot make .*: No such file"):
        signed_log.with_log_key({}, tmp_path / "nowhere", Settings())
    with pytest.raises(DevError, match="the name of a log is a URL without https://"):
        signed_log.with_log_key({"DATASTORAGE_LOG__ORIGIN": "https://log"}, tmp_path, Settings())
    (tmp_path / "log.key").write_text("no key\n")
    with pytest.raises(DevError, match=r"cannot make a key of the log .* in .*log.key: line 1: "):
        signed_log.with_log_key({}, tmp_path, Settings())


def tree(size: int, origin: str = NAME) -> Remembered:
    return Remembered(origin, 1, size, bytes(32))


@pytest.mark.parametrize(
    ("found", "last", "remembered", "said"),
    [
        (Head(0, 0, None), None, None, None),
        (Head(9, 1, None, NAME), tree(9), tree(9), None),
        (Head(9, 1, None, NAME), tree(9), None, "has signed 9 entries. `log remember` in place"),
        (Head(0, 0, None), None, tree(9), f"9 entries of {NAME}, and the database has 0. `log new-origin {NAME}-2 "),
        (Head(0, 0, None), None, tree(9, "log-9"), "`log new-origin log-10 "),
        (Head(20, 1, None, None, "contradicts"), None, tree(9), f"`log new-origin {NAME}-2 "),
        # It was killed between a memory and its first checkpoint.
        (Head(9, 1, None, NAME), None, tree(9), None),
        (Head(9, 1, None, None), None, tree(9), None),
        # The new origin is started, and nothing signed yet.
        (Head(10, 1, None, f"{NAME}-2"), None, tree(11, f"{NAME}-2"), None),
        # A database that was restored from before: that is for the runbook.
        (Head(9, 1, None, NAME, "contradicts"), tree(9), tree(12), None),
    ],
)
def test_what_ends_it_where_one_store_was_made_anew(
    found: Head, last: Remembered | None, remembered: Remembered | None, said: str | None
) -> None:
    told = signed_log._advice(found, last, remembered)
    assert (told is None) == (said is None)
    assert said is None or said in str(told)
    assert told is None or "\n" not in told
