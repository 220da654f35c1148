"""The options that say whose signatures a command takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from datastorage_common.files import ReadError, read_whole
from datastorage_common.notes import VerifierKey
from datastorage_common.terminal import printable
from datastorage_common.witness_policy import MAX_POLICY_BYTES, PolicyError, parse_policy

from datastorage_client.verify.keys import read_keys
from datastorage_client.verify.trust import Trust

# What a command that verifies ends with: an outage is no alarm.
WRONG, USAGE, NOT_LOOKED_AT = 1, 2, 3
FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option(
        "--key",
        "key_files",
        multiple=True,
        metavar="FILE",
        envvar="DATASTORAGE_LOG_KEY",
        show_envvar=True,
        type=FILE,
        help="Verifier keys of the log, one a line, from outside the service. May be repeated.",
    ),
    click.option(
        "--witness-policy",
        "policy_file",
        metavar="FILE",
        type=FILE,
        help="Witnesses that have to have cosigned (c2sp.org/tlog-policy); its logs are taken as keys.",
    ),
)


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--key` and `--witness-policy`. The command is called with ``trust``, whose keys may be none."""

    @wraps(command)
    def run(*args: Any, key_files: tuple[Path, ...], policy_file: Path | None, **kwargs: Any) -> Any:
        return command(*args, trust=read_trust(key_files, policy_file), **kwargs)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def check_has_keys(trust: Trust) -> None:
    """Raises a usage error where no key is known."""
    if not trust.keys:
        raise click.UsageError("--key FILE is missing: whose signature is to be taken?")


def read_file(option: str, path: Path, limit: int) -> bytes:
    """The bytes of a file that an option names, or a usage error."""
    try:
        return read_whole(path, limit, pipes=True)
    except ReadError as e:
        raise click.UsageError(f"{option}: {e}") from None


def read_trust(key_files: tuple[Path, ...], policy_file: Path | None) -> Trust:
    """Whose signatures files say are taken, or a usage error."""
    keys: list[VerifierKey] = []
    for path in key_files:
        try:
            keys += read_keys(path)
        except ReadError as e:
            raise click.UsageError(f"--key: {e}") from None
        except ValueError as e:
            raise click.UsageError(f"--key: {printable(str(path))}: {e}") from None
    if policy_file is None:
        return Trust(tuple(keys))
    try:
        policy = parse_policy(read_file("--witness-policy", policy_file, MAX_POLICY_BYTES))
    except PolicyError as e:
        raise click.UsageError(f"--witness-policy: {printable(str(policy_file))}: {e}") from None
    return Trust((*keys, *policy.logs), policy)
