from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.auth.principal import CredentialChange
from app.auth.static_tokens import _by_name, parse_tokens
from app.auth.watched_file import CredentialFileError, WatchedFile
from tests.tokens import entry, write_tokens
from tests.unit.auth.helpers import replace


class Ticks:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_file_is_read_again_when_it_changed_and_at_most_once_a_second(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    read: list[bytes] = []
    ticks = Ticks()
    file = WatchedFile(str(path), lambda content: read.append(content) or content, ticks)
    replace(path, "two")
    assert file.current() == b"one"
    ticks.at += 1.0
    assert file.current() == b"two"
    for _ in range(5):
        ticks.at += 1.0
        assert file.current() == b"two"
    assert read == [b"one", b"two"], "what did not change is not read"


def test_a_change_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    ticks = Ticks()
    file = WatchedFile(str(path), bytes, ticks)
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    ticks.at += 1
    assert file.current() == b"two"


def test_two_workers_see_the_same_change_of_names_and_none_of_other_bytes(tmp_path: Path) -> None:
    a, b = entry("a", "one", "audit:read"), entry("b", "two", "audit:read")
    path = write_tokens(tmp_path / "tokens", a)
    ticks = Ticks()
    told: list[list[CredentialChange]] = [[], []]
    files = [WatchedFile(str(path), parse_tokens, ticks, _by_name) for _ in told]
    for file, changes in zip(files, told, strict=True):
        file.on_change = changes.append

    def put(text: str) -> None:
        replace(path, text)
        os.utime(path, ns=(1, 1))  # as a copy that keeps the time: of no use for telling when it came into force
        ticks.at += 1
        for file in files:
            file.current()

    put("# a word\n" + path.read_text())
    assert told == [[], []]
    write_tokens(tmp_path / "other", b, a)
    put((tmp_path / "other").read_text())
    assert told[0] == told[1]
    [change] = told[0]
    assert change.after.keys() - change.before.keys() == {"b"}
    assert change.changed_ns == path.stat().st_ctime_ns
    put("- name: [")
    assert all(file.stale for file in files)
    put((tmp_path / "other").read_text())
    assert not any(file.stale for file in files)
    assert len(told[0]) == 1, "what was in force before is in force again"


def test_a_file_that_went_bad_leaves_what_was_known_in_force(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_tokens(tmp_path / "tokens", entry("a", "secret-token", "audit:read"))
    ticks = Ticks()
    file = WatchedFile(str(path), parse_tokens, ticks)
    known = file.current()
    for spoil in (lambda: replace(path, "- name: ["), path.unlink, lambda: replace(path, "nonsense")):
        caplog.clear()
        spoil()
        for _ in range(3):
            ticks.at += 1
            assert file.current() is known
        [line] = [r.getMessage() for r in caplog.records]
        assert line.endswith("what was read before stays in force")
    replace(path, "[]")
    ticks.at += 1
    assert file.current() == {}


def test_the_first_reading_must_work(tmp_path: Path) -> None:
    with pytest.raises(CredentialFileError, match=r"none: No such file or directory$"):
        WatchedFile(str(tmp_path / "none"), bytes)


def test_a_file_that_is_none_stops_the_start_and_nothing_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fifo, large = tmp_path / "fifo", tmp_path / "large"
    os.mkfifo(fifo)
    with open(large, "wb") as stream:
        stream.truncate(1 << 40)
    path = tmp_path / "file"
    path.write_text("one")
    ticks = Ticks()
    file = WatchedFile(str(path), bytes, ticks)
    for bad, reason in (
        (fifo, "is a pipe, where a regular file is needed"),
        (tmp_path, "is a folder, where a regular file is needed"),
        (large, "is larger than 4194304 bytes"),
    ):
        with pytest.raises(CredentialFileError, match=reason):
            WatchedFile(str(bad), bytes)
        caplog.clear()
        path.unlink()
        path.symlink_to(bad)
        ticks.at += 1
        assert file.current() == b"one"
        [line] = [r.getMessage() for r in caplog.records]
        assert line == f"{path}: {reason}; what was read before stays in force"


def test_who_inherits_a_file_has_what_could_be_read_last_and_says_what_is_amiss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    read: list[bytes] = []
    told: list[CredentialChange] = []
    ticks = Ticks()

    def parse(content: bytes) -> int:
        read.append(content)
        return int(content)

    file = WatchedFile(str(path), parse, ticks, lambda value: {"value": value})
    file.on_change = told.append
    caplog.set_level("INFO")
    replace(path, "2")
    file.refresh()
    assert file.value == 2
    replace(path, "x")
    for _ in range(3):
        file.refresh()
    assert (file.value, file.stale) == (2, False)
    assert read == [b"1", b"2", b"x"], "what cannot be understood is read once"
    assert not told
    assert not caplog.messages
    # From here on as a worker that has inherited it: it looks at once.
    assert file.current() == 2
    assert file.stale
    assert "what was read before stays in force" in caplog.text
    path.unlink()
    file.refresh()
    replace(path, "3")
    file.refresh()
    assert file.value == 3
