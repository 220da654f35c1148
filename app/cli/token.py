"""`datastorage token`: makes static tokens for callers of the service (auth.mode token)."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import yaml
from datastorage_common.durations import parse_duration
from datastorage_common.files import as_text
from datastorage_common.times import rfc3339

from app.auth.principal import SCOPES, token_digest, usable_name
from app.auth.static_tokens import parse_tokens
from app.auth.watched_file import MAX_FILE_BYTES

# What a token starts with, so that scanners of code and logs can know one.
PREFIX = "dst_"
_RANDOM_BYTES = 32


class TokenFileError(Exception):
    """The token file cannot be added to; the text is one line for the operator."""


@click.group()
def token() -> None:
    """Make tokens for callers of the service."""


def _duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> timedelta | None:
    try:
        return None if value is None else timedelta(seconds=parse_duration(value))
    except ValueError as e:
        raise click.BadParameter(f"{value!r} is not {e}", ctx, parameter) from None


@token.command(
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage token create --name gateway --scope audit:write --append tokens.yaml
  datastorage token create --name reports --scope audit:read --scope workflows:read --expires 90d
  datastorage token create --name ci --scope audit:write --append tokens.yaml --quiet > token
""",
)
@click.option("--name", required=True, help="Who will use it; recorded with everything that is written with it.")
@click.option(
    "--scope", "scopes", required=True, multiple=True, type=click.Choice(SCOPES), help="What it is for; repeat it."
)
@click.option(
    "--expires",
    metavar="DURATION",
    callback=_duration,
    help="Valid for so long, such as 90d. Default: it never expires.",
)
@click.option(
    "--append", "path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Add it to this file."
)
@click.option("--quiet", is_flag=True, help="Print the token alone; needs --append.")
def create(name: str, scopes: tuple[str, ...], expires: timedelta | None, path: Path | None, quiet: bool) -> None:
    """Make a token and print it, this once: the service's file holds its SHA-256 only.

    The token goes to whoever will use it, the entry into the file that auth.tokens_file names; the service sees the
    change within a second. With --append the file is made (mode 0600) or added to.
    """
    if not usable_name(name):
        raise click.UsageError("--name must be 1 to 255 printable characters and not only a dash")
    if quiet and path is None:
        raise click.UsageError("--quiet needs --append: nothing else would hold the entry")
    made = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    entry = entry_text(made, name, scopes, None if expires is None else datetime.now(UTC) + expires)
    if path is not None:
        try:
            append(path, entry)
        except TokenFileError as e:
            click.echo(f"datastorage: {e}", err=True)
            sys.exit(1)
    if quiet:
        click.echo(made)
        return
    click.echo(f"Token of {name}, shown this once:\n\n  {made}\n")
    click.echo(f"Its entry is in {path}." if path is not None else f"Its entry for the token file:\n\n{entry}", nl=True)


def entry_text(made: str, name: str, scopes: tuple[str, ...], expires: datetime | None) -> str:
    """The entry of a token file, as YAML."""
    digest = token_digest(made).hex()
    entry = {"name": name, "sha256": digest, "scopes": list(dict.fromkeys(scopes))}
    # In ASCII, other characters escaped: it may be copied from a terminal that has no others.
    text = yaml.safe_dump([entry], sort_keys=False, width=1000)
    # A time is no text in YAML: it stands without quotes.
    return text + (f"  expires: {rfc3339(expires.replace(microsecond=0))}\n" if expires is not None else "")


def append(path: Path, entry: str) -> None:
    """Add an entry to a token file, or make the file with it, for its owner alone.

    One write at the end of the file, under a lock: nobody who reads it, and nobody else who adds to it, sees half an
    entry. Raises TokenFileError for a file that holds something else or cannot be written.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise TokenFileError(f"{as_text(path)}: {e.strerror}") from None
    with os.fdopen(fd, "rb+", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise TokenFileError(f"{as_text(path)}: is no ordinary file")
        fcntl.flock(fd, fcntl.LOCK_EX)
        there = stream.read(MAX_FILE_BYTES + 1) or b""
        if len(there) + len(entry) >= MAX_FILE_BYTES:
            raise TokenFileError(f"{as_text(path)}: has no room for it: such a file may have {MAX_FILE_BYTES} bytes")
        addition = (b"" if not there or there.endswith(b"\n") else b"\n") + entry.encode()
        try:
            parse_tokens(there)
            parse_tokens(there + addition)
        except ValueError as e:
            raise TokenFileError(f"{as_text(path)}: {e}; nothing was added") from None
        try:
            if stream.write(addition) != len(addition):
                raise TokenFileError(f"{as_text(path)}: could not be written to the end")
            os.fsync(fd)
        except OSError as e:
            raise TokenFileError(f"{as_text(path)}: {e.strerror}") from None
