"""The configuration that a process of the service starts with: read, and checked as a whole."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import sys
from collections.abc import Iterator, Mapping

from app.auth.verifiers import auth_faults
from app.config.checks import address_faults, file_faults, sentinel_faults, timeout_faults, tracing_faults
from app.config.load import ENV_PREFIX, ConfigError, read_settings
from app.config.log_keys import log_faults, open_to_all
from app.config.settings import AuthSettings, Settings

_CHECKS = (timeout_faults, auth_faults, file_faults, address_faults, sentinel_faults, tracing_faults, log_faults)
_JWT_KEYS = tuple(f.name for f in dataclasses.fields(AuthSettings) if f.name.startswith("jwt_"))


def load_settings(path: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the YAML file at ``path`` (default: ``CONFIG_PATH``) with the environment on top.

    Raises ConfigError, which names every unknown key, every wrong value and everything that does not go
    together: the files that it names are looked at, no server is.
    """
    settings, faults, wrong = read_settings(path, environ)
    # What a check says of a key with a wrong value would be about its default.
    about_wrong = re.compile("|".join(rf"(?<![\w.]){re.escape(key)}(?!\w)" for key in wrong) or r"(?!)")
    for check in _CHECKS:
        faults.extend(fault for fault in check(settings) if not about_wrong.search(fault))
    if faults:
        raise ConfigError(faults)
    return settings


def unread_variables(settings: Settings, environ: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each variable that seems meant for the service, which reads it under another name or not at all.

    So too for each setting of a way to know callers that `auth.mode` does not use.
    """
    env = os.environ if environ is None else environ
    found = []
    database, default = settings.database, Settings().database
    named = database.url or database.direct_url or database.host != default.host
    if env.get("DATABASE_URL") and not named:
        found.append("DATABASE_URL is for `datastorage dev` alone: the service reads DATASTORAGE_DATABASE__URL")
    if env.get("REDIS_URL") and not settings.redis.configured:
        found.append("REDIS_URL is for `datastorage dev` alone: the service reads DATASTORAGE_REDIS__URL")
    for section, cls in Settings.SECTIONS.items():
        for f in dataclasses.fields(cls):
            name, right = (f"{ENV_PREFIX}{section}{between}{f.name}".upper() for between in ("_", "__"))
            # Kubernetes makes such a name for the port of a service that has the name of a section.
            if name in env and right not in env and not env[name].startswith("tcp://"):
                found.append(f"{name} is not read: the service reads {right}, with two underscores")
    return found + _unused_ways_in(settings.auth)


def _unused_ways_in(auth: AuthSettings) -> list[str]:
    unread = {"none": ("tokens_file", *_JWT_KEYS), "token": _JWT_KEYS}.get(auth.mode, ())
    let_in = ": everybody is let in" if auth.mode == "none" else ""
    return [
        f"auth.{key} is not read while auth.mode is {auth.mode}{let_in}"
        for key in unread
        if getattr(auth, key) != getattr(AuthSettings(), key)
    ]


def say_warnings(settings: Settings) -> None:
    """Print to standard error what `unread_variables` says, and of a key of the log that is open to all."""
    key_file = settings.log.key_file
    open_key = open_to_all(key_file) if key_file is not None else None
    for line in [*unread_variables(settings), *([f"log.key_file: {open_key}"] if open_key is not None else [])]:
        print(f"datastorage: {line}", file=sys.stderr)


@contextlib.contextmanager
def exit_on_wrong_settings() -> Iterator[None]:
    """End the process where the configuration is wrong: a line on standard error for each fault, exit code 2."""
    try:
        yield
    except ConfigError as e:
        for fault in e.faults:
            print(f"datastorage: {fault}", file=sys.stderr)
        sys.exit(2)
