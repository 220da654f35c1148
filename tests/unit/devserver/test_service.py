"""The service of a local run: its address, its port, its files, and whether it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.settings import ServerSettings, Settings
from devserver import (
    DevError,
)
from devserver.service import base_url, check_port, probe, with_absolute_paths


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
        ("10.0.0.1,[::1]", "http://[::1]:8080"),
        ("10.0.0.1,127.0.0.1", "http://127.0.0.1:8080"),
        ("fd00::1,10.0.0.1", "http://[fd00::1]:8080"),
        ("example.org", "http://example.org:8080"),
    ],
)
def test_the_service_is_named_by_an_address_that_can_be_opened(host: str, url: str) -> None:
    assert base_url(Settings(server=ServerSettings(host=host))) == url


def test_the_service_port_in_use_names_a_free_one(taken_port: int) -> None:
    with pytest.raises(DevError, match=rf"port {taken_port} is in use: choose another with PORT=\d+ make run"):
        check_port("127.0.0.1", taken_port)


def test_a_host_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(DevError, match=r"cannot listen on 192\.0\.2\.1, port 8080"):
        check_port("192.0.2.1", 8080)


def test_files_named_by_settings_are_found_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"CONFIG_PATH": "c.yaml", "DATASTORAGE_DATABASE__PASSWORD_FILE": "p", "DATASTORAGE_SERVER__HOST": "h"}
    assert with_absolute_paths(given) == {
        "CONFIG_PATH": str(tmp_path / "c.yaml"),
        "DATASTORAGE_DATABASE__PASSWORD_FILE": str(tmp_path / "p"),
        "DATASTORAGE_SERVER__HOST": "h",
    }


def test_a_probe_says_why_there_was_no_answer(dead_port: int) -> None:
    assert "refused" in probe("127.0.0.1", dead_port, "/")
