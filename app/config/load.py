"""Reads settings: defaults, the YAML file on top, the environment on top of both."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from datastorage_common import yamlfile
from datastorage_common.files import ReadError, as_text, read_whole
from datastorage_common.jsonvalue import is_storable_text
from datastorage_common.terminal import printable
from datastorage_common.yamlnodes import YAMLFault

from app.config.settings import Settings

ENV_PREFIX = "DATASTORAGE_"
# All settings with all they may hold are a few KiB.
_MAX_FILE_BYTES = 1024 * 1024


class ConfigError(Exception):
    """The configuration cannot be used; `faults` has a line for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("configuration: " + "; ".join(faults))
        self.faults = faults


def read_settings(path: str | None, environ: Mapping[str, str] | None) -> tuple[Settings, list[str], set[str]]:
    """Settings from the YAML file at ``path`` (default: ``CONFIG_PATH``) with the environment on top.

    With them come the faults, one for every unknown key and every wrong value, and the keys (``auth.mode``) that have
    their default because their value is wrong. Raises ConfigError for a file that cannot be read.
    """
    env = os.environ if environ is None else environ
    faults: list[str] = []
    wrong: set[str] = set()
    given = _from_file(path or env.get("CONFIG_PATH") or None, faults)
    for name, text in env.items():
        if name.startswith(ENV_PREFIX) and "__" in name:
            if not is_storable_text(text):
                faults.append(f"{name}: holds bytes that are not UTF-8")
                continue
            section, key = name[len(ENV_PREFIX) :].lower().split("__", 1)
            given.setdefault(section, {})[key] = (text, name)
    parts: dict[str, Any] = {}
    for section, keys in given.items():
        cls = Settings.SECTIONS.get(section)
        if cls is None:
            faults.extend(f"{source}: there is no section {section}" for _, source in list(keys.values())[:1])
            continue
        fields = {f.name: f for f in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for key, (value, where) in keys.items():
            if key not in fields:
                faults.append(f"{where}: there is no key {section}.{key}")
                continue
            try:
                values[key] = fields[key].metadata["parse"](value)
            except ValueError as e:
                faults.append(f"{where}: {section}.{key} must be {e}")
                wrong.add(f"{section}.{key}")
        parts[section] = cls(**values)
    return Settings(**parts), faults, wrong


def _from_file(path: str | None, faults: list[str]) -> dict[str, dict[str, tuple[object, str]]]:
    if path is None:
        return {}
    try:
        document = yamlfile.settings(read_whole(path, _MAX_FILE_BYTES))
    except ReadError as e:
        raise ConfigError([str(e)]) from None
    except YAMLFault as e:
        raise ConfigError([f"{printable(as_text(path))}: {e}"]) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError([f"{path}: must hold sections such as server: and database:"])
    given: dict[str, dict[str, tuple[object, str]]] = {}
    for section, keys in document.items():
        if str(section) not in Settings.SECTIONS:
            faults.append(f"{path}: there is no section {section}")
        elif keys is None:
            continue
        elif not isinstance(keys, dict):
            faults.append(f"{path}: {section} must hold keys")
        else:
            given[str(section)] = {str(k): (v, path) for k, v in keys.items()}
    return given
