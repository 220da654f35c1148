"""Files that several processes may make in one folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from datastorage_client.folder import new_file


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
