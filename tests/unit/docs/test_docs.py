from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from app.cli.config import key_table
from app.config.load import ConfigError
from app.config.settings import Settings
from app.configuration import load_settings
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "configure.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_setting_is_documented() -> None:
    """`datastorage config keys` prints what belongs between the markers."""
    _, _, rest = PAGE.partition("<!-- settings -->\n")
    table, end, _ = rest.partition("<!-- /settings -->")
    assert end
    assert table == key_table()


def test_settings_in_the_text_exist() -> None:
    text = re.sub(r"^```.*?^```$", "", PAGE.partition("<!-- settings -->")[0], flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`([a-z]+)\.([a-z_]+)(?::[^`]*)?`", text)
    assert len(named) > 10
    shown = Settings().masked()
    for section, key in named:
        assert key in shown.get(section, {}), f"{section}.{key}"


def test_the_example_is_a_settings_file(tmp_path: Path) -> None:
    [example] = blocks("yaml")
    secret = tmp_path / "password"
    secret.write_text("x")
    path = tmp_path / "settings.yaml"
    path.write_text(example.replace("/run/secrets/database-password", str(secret)))
    settings = load_settings(str(path), {})
    for section, keys in yaml.safe_load(path.read_text()).items():
        assert settings.masked()[section].keys() >= keys.keys()


def test_the_faults_shown_are_those_that_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("settings.yaml").write_text("server: {prt: 1}\n")
    with pytest.raises(ConfigError) as e:
        load_settings("settings.yaml", {"DATASTORAGE_LOGGING__LEVEL": "loud"})
    [shown] = blocks("text")
    assert shown.splitlines() == [f"datastorage: {fault}" for fault in e.value.faults]
