"""No setting without a test of what it does: each is set to something else in at least one test of the service."""

from __future__ import annotations

import ast
import dataclasses

import pytest

from app.config.settings import Settings
from tests.tree import ROOT

# These test how settings are read and shown, which says nothing of what they do.
ABOUT_READING = {"test_checks.py", "test_cli.py", "test_declaration.py", "test_docs.py", "test_load.py"} | {
    "test_settings.py",
    "test_settings_covered.py",
    "test_stores.py",
    "test_values.py",
}
KEYS = [(section, f.name) for section, cls in Settings.SECTIONS.items() for f in dataclasses.fields(cls)]

NAMES = [key for _, key in KEYS]
# Keys whose name says which section they are of.
UNIQUE = {key: section for section, key in KEYS if NAMES.count(key) == 1}


def settings_in(tree: ast.AST) -> set[tuple[str, str]]:
    """What a test file sets, as (section, key), in one of the forms
    SectionSettings(key=…), f(…, key=…) for keys of one section, section={"key": …}, run_service(section__key=…),
    and the environment's names.
    """
    classes = {cls.__name__: section for section, cls in Settings.SECTIONS.items()}
    found: set[tuple[str, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for keyword in node.keywords:
                if keyword.arg is None:
                    continue
                if name in classes:
                    found.add((classes[name], keyword.arg))
                elif keyword.arg in UNIQUE:
                    found.add((UNIQUE[keyword.arg], keyword.arg))
                if "__" in keyword.arg:
                    section, _, key = keyword.arg.partition("__")
                    found.add((section, key))
                if isinstance(keyword.value, ast.Dict) and keyword.arg in Settings.SECTIONS:
                    found |= {(keyword.arg, str(getattr(k, "value", ""))) for k in keyword.value.keys}
        elif isinstance(node, ast.Dict):
            for k, v in zip(node.keys, node.values, strict=True):
                section = str(getattr(k, "value", ""))
                if section in Settings.SECTIONS and isinstance(v, ast.Dict):
                    found |= {(section, str(getattr(i, "value", ""))) for i in v.keys}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "__" in node.value:
            section, _, key = node.value.removeprefix("DATASTORAGE_").lower().partition("__")
            found.add((section, key))
    return found


@pytest.fixture(scope="module")
def covered() -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        if path.name not in ABOUT_READING:
            for setting in settings_in(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(setting, set()).add(path.name)
    return found


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_setting_is_set_by_a_test(covered: dict[tuple[str, str], set[str]], section: str, key: str) -> None:
    assert covered.get((section, key)), f"no test sets {section}.{key}"
