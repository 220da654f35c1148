"""The configuration that a process of the service starts with: read, and checked as a whole."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping

from app.auth.verifiers import auth_faults
from app.config.checks import address_faults, file_faults, sentinel_faults, timeout_faults
from app.config.load import ConfigError, read_settings
from app.config.settings import Settings

_CHECKS = (timeout_faults, auth_faults, file_faults, address_faults, sentinel_faults)


def load_settings(path: str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the YAML file at ``path`` (default: ``CONFIG_PATH``) with the environment on top.

    Raises ConfigError, which names every unknown key, every wrong value and everything that does not go
    together: the files that it names are looked at, no server is.
    """
    settings, faults = read_settings(path, environ)
    for check in _CHECKS:
        faults.extend(check(settings))
    if faults:
        raise ConfigError(faults)
    return settings


@contextlib.contextmanager
def exit_on_wrong_settings() -> Iterator[None]:
    """End the process where the configuration is wrong: a line on standard error for each fault, exit code 2."""
    try:
        yield
    except ConfigError as e:
        for fault in e.faults:
            print(f"datastorage: {fault}", file=sys.stderr)
        sys.exit(2)
