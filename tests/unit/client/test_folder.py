"""Files that several processes may make in one folder."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from datastorage_client.folder import new_file, remove_abandoned

from tests.support import Guarded


@pytest.fixture(params=["hard links", "none"])
def _file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has hard links, and one that has none."""

    def link(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "there are no links here", target)

    if request.param == "none":
        monkeypatch.setattr(os, "link", link)


@pytest.mark.usefixtures("_file_system")
def test_of_two_at_once_the_first_to_end_has_the_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    late = new_file(path, replace=False)
    late.__enter__().write(b"late")
    with new_file(path, replace=False) as early:
        early.write(b"early")
    with pytest.raises(FileExistsError) as caught:
        late.__exit__(None, None, None)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"early", ["file"])
    assert os.fspath(caught.value.filename) == os.fspath(path)
    with new_file(path) as file:
        file.write(b"forced")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"forced", ["file"])


@pytest.mark.usefixtures("_file_system")
def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError), new_file(path, replace=False):
        pass
    assert path.is_symlink()
    assert os.listdir(tmp_path) == ["file"]


# A process that has begun a file, and then waits.
_WRITES = """
import sys
from pathlib import Path
from datastorage_client.folder import new_file
with new_file(Path(sys.argv[1])) as file:
    file.write(b"a secret")
    file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_what_a_run_that_is_gone_has_left_is_removed(tmp_path: Path) -> None:
    others = [".0123456789abcdef", "0123456789abcdef.new", ".0123456789abcde.new", ".0123456789abcdef.new.x"]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / ".00000000000000aa.new").symlink_to(tmp_path / others[0])
    os.mkfifo(tmp_path / ".00000000000000bb.new")
    stay = {*os.listdir(tmp_path)}
    command = [sys.executable, "-c", _WRITES, tmp_path / "file"]
    with Guarded(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        [left] = {*os.listdir(tmp_path)} - stay
        remove_abandoned(tmp_path)
        assert {*os.listdir(tmp_path)} == {left, *stay}, "its writer lives"
        writer.send_signal(signal.SIGKILL)
        writer.wait(60)
    assert (tmp_path / left).read_bytes() == b"a secret"
    remove_abandoned(tmp_path)
    assert {*os.listdir(tmp_path)} == stay
    remove_abandoned(tmp_path / "no folder")


def test_a_file_that_is_removed_before_it_is_locked_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, came = fcntl.flock, []

    def late(file: object, operation: int) -> None:
        if not came:
            came.append(operation)
            monkeypatch.setattr(fcntl, "flock", lock)
            remove_abandoned(tmp_path)
            assert os.listdir(tmp_path) == []
        lock(file, operation)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", late)
    with new_file(tmp_path / "file") as file:
        file.write(b"whole")
    assert ((tmp_path / "file").read_bytes(), os.listdir(tmp_path), len(came)) == (b"whole", ["file"], 1)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "there are no locks here")

    monkeypatch.setattr(fcntl, "flock", none)
    with new_file(tmp_path / "file") as file:
        file.write(b"whole")
        remove_abandoned(tmp_path)
    assert (tmp_path / "file").read_bytes() == b"whole"
