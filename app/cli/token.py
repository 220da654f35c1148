"""`datastorage token`: makes, lists and revokes static tokens for callers (auth.tokens_file), and checks any token."""

from __future__ import annotations

import contextlib
import re
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson
from datastorage_common.counts import counted
from datastorage_common.durations import parse_duration
from datastorage_common.files import ReadError, as_text, read_whole
from datastorage_common.terminal import printable
from datastorage_common.times import rfc3339

from app.auth.principal import SCOPES, UNLIMITED_SCOPES, usable_name
from app.auth.read_limits import ReadLimits
from app.auth.static_tokens import PREFIX, TokenEntry, parse_tokens
from app.auth.watched_file import MAX_FILE_BYTES
from app.cli.token_check import check
from app.cli.token_file import TokenFileError, append, entry_text, take_out
from app.config.values import ANY_CATEGORY, MAX_CATEGORY

_RANDOM_BYTES = 32
# So much of a hash is shown, and names an entry.
_HASH_CHARS = 8
# The entry holds whole seconds.
_LEAST = timedelta(seconds=1)
# What shows records.
_READING = frozenset({"audit:read", "dlq:admin"})
_file_argument = click.argument("path", metavar="FILE", type=click.Path(path_type=Path))


@click.group()
def token() -> None:
    """Make, list, check and revoke tokens for callers of the service."""


token.add_command(check)


@contextlib.contextmanager
def _one_line_for_faults() -> Iterator[None]:
    try:
        yield
    except TokenFileError as e:
        click.echo(f"datastorage: {e}", err=True)
        sys.exit(1)


def _duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> timedelta | None:
    try:
        found = None if value is None else timedelta(seconds=parse_duration(value))
    except ValueError as e:
        raise click.BadParameter(f"{value!r} is not {e}", ctx, parameter) from None
    if found is not None and found < _LEAST:
        raise click.BadParameter("it would have expired before anybody could use it", ctx, parameter)
    return found


@token.command(
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage token create --name gateway --scope audit:write --append tokens.yaml
  datastorage token create --name reports --scope audit:read --scope workflows:read --expires 90d
  datastorage token create --name team-a --scope audit:read --read-namespace team-a --append tokens.yaml
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
    "--read-namespace",
    "namespaces",
    multiple=True,
    metavar="NAME",
    help="Reads records of this namespace alone; repeat it. An empty one: records without a namespace.",
)
@click.option(
    "--read-category",
    "categories",
    multiple=True,
    metavar="NAME",
    help="Reads events of this category alone; repeat it.",
)
@click.option(
    "--append", "path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Add it to this file."
)
@click.option("--quiet", is_flag=True, help="Print the token alone; needs --append.")
def create(
    name: str,
    scopes: tuple[str, ...],
    expires: timedelta | None,
    namespaces: tuple[str, ...],
    categories: tuple[str, ...],
    path: Path | None,
    quiet: bool,
) -> None:
    """Make a token and print it, this once: the service's file holds its SHA-256 only.

    The token goes to whoever will use it, the entry into the file that auth.tokens_file names; the service sees the
    change within a second. With --append the file is made (mode 0600) or added to.
    """
    if not usable_name(name):
        raise click.UsageError("--name must be 1 to 255 printable characters and not only a dash")
    if quiet and path is None:
        raise click.UsageError("--quiet needs --append: nothing else would hold the entry")
    reads = ReadLimits(frozenset(namespaces) or None, frozenset(categories) or None)
    if reads.narrow and (open_to_all := sorted(UNLIMITED_SCOPES.intersection(scopes))):
        these = " and ".join(open_to_all)
        raise click.UsageError(f"{these} is about the records of everybody: it goes with no limit on reading")
    made = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    now = datetime.now(UTC)
    entry = entry_text(made, name, scopes, None if expires is None else now + expires, created=now, reads=reads)
    if odd := _unusable(categories):
        click.echo(
            f"datastorage: no event can have the category {printable(', '.join(odd))}, unless audit.event_categories "
            "lists it",
            err=True,
        )
    if path is not None:
        with _one_line_for_faults():
            already = append(path, entry)
        if any(e.principal.name == name for e in already.values()):
            click.echo(
                f"datastorage: {printable(as_text(path))} has another token of {printable(name)}: both are good until "
                "one is revoked by its hash, which `datastorage token list` shows",
                err=True,
            )
    if quiet:
        click.echo(made)
        return
    click.echo(f"Token of {name}, shown this once:\n\n  {made}\n")
    click.echo(f"Its entry is in {path}." if path is not None else f"Its entry for the token file:\n\n{entry}", nl=True)


@token.command(
    "list",
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage token list tokens.yaml
  datastorage token list tokens.yaml --json""",
)
@_file_argument
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, with whole hashes.")
def list_(path: Path, as_json: bool) -> None:
    """List the entries of a token file: who has a token, for what, since when and until when. No secret is in it."""
    with _one_line_for_faults():
        entries = _read(path)
    now = datetime.now(UTC).timestamp()
    if as_json:
        click.echo(orjson.dumps([_members(e, now) for e in entries.values()], option=orjson.OPT_INDENT_2))
        return
    rows = [("name", "hash", "scopes", "reads", "created", "expires"), *(_row(e, now) for e in entries.values())]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@token.command(
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage token revoke tokens.yaml gateway
  datastorage token revoke tokens.yaml 3f0c1d0e --yes""",
)
@_file_argument
@click.argument("which", metavar="NAME|HASH")
@click.option("--all", "every", is_flag=True, help="Every entry that fits, where there are several.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(path: Path, which: str, every: bool, yes: bool) -> None:
    """Take a token out of its file, by its name or the beginning of its hash; the service sees it within a second."""
    with _one_line_for_faults():
        chosen = _chosen(path, _read(path), which, every=every)
        if not yes:
            for entry in chosen.values():
                click.echo("  ".join(_row(entry, datetime.now(UTC).timestamp())).rstrip(), err=True)
            click.confirm(f"Shut out {'this token' if len(chosen) == 1 else 'these tokens'}?", abort=True, err=True)
        # Those that were shown, whatever has been added meanwhile.
        take_out(path, lambda there: {digest for digest in chosen if digest in there})
    click.echo(f"{counted(len(chosen), 'entry', 'entries')} taken out of {printable(as_text(path))}.")


def _unusable(categories: tuple[str, ...]) -> list[str]:
    """Those that no event can have where `audit.event_categories` is any."""
    if not categories:
        return []
    from app.audit.schemas import Category  # brings the library of schemas

    rule = Category(ANY_CATEGORY)
    return [c for c in categories if not 0 < len(c) <= MAX_CATEGORY or not rule.takes(c)]


def _read(path: Path) -> dict[bytes, TokenEntry]:
    try:
        return parse_tokens(read_whole(path, MAX_FILE_BYTES))
    except ReadError as e:
        raise TokenFileError(str(e)) from None
    except ValueError as e:
        raise TokenFileError(f"{as_text(path)}: {e}") from None


def _chosen(path: Path, entries: dict[bytes, TokenEntry], which: str, *, every: bool) -> dict[bytes, TokenEntry]:
    """The entries of that name, or whose hash begins so. A name comes first."""
    found = {d: e for d, e in entries.items() if e.principal.name == which}
    if not found and re.fullmatch(rf"[0-9a-fA-F]{{{_HASH_CHARS},64}}", which):
        found = {d: e for d, e in entries.items() if d.hex().startswith(which.lower())}
    if not found:
        raise TokenFileError(
            f"{as_text(path)}: has no entry of that name, nor one whose hash begins so ({_HASH_CHARS} digits or more)"
        )
    if len(found) > 1 and not every:
        hashes = ", ".join(d.hex()[:_HASH_CHARS] for d in found)
        raise TokenFileError(
            f"{as_text(path)}: {len(found)} entries fit: name one by its hash ({hashes}), or add --all"
        )
    return found


def _members(entry: TokenEntry, now: float) -> dict[str, object]:
    p = entry.principal
    limits = {"namespaces": p.reads.namespaces, "categories": p.reads.categories}
    return {
        "name": p.name,
        "sha256": entry.digest.hex(),
        "scopes": [s for s in SCOPES if s in p.scopes],
        "reads": {k: sorted(v) for k, v in limits.items() if v is not None} or None,
        "created": _time(entry.created),
        "expires": _time(entry.expires),
        "expired": _is_expired(entry, now),
    }


def _row(entry: TokenEntry, now: float) -> tuple[str, ...]:
    p = entry.principal
    limits = {"namespaces": p.reads.namespaces, "categories": p.reads.categories}
    reads = " ".join(f"{k}={','.join(sorted(v)) or '-'}" for k, v in limits.items() if v is not None)
    expires = _time(entry.expires) or "never"
    return (
        printable(p.name),
        entry.digest.hex()[:_HASH_CHARS],
        ",".join(s for s in SCOPES if s in p.scopes),
        # Limits of a token that only writes hold for the parents of its events.
        printable(reads) or ("all" if p.scopes & _READING else "-"),
        _time(entry.created) or "-",
        f"{expires} (expired)" if _is_expired(entry, now) else expires,
    )


def _is_expired(entry: TokenEntry, now: float) -> bool:
    return entry.expires is not None and now >= entry.expires


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(datetime.fromtimestamp(seconds, UTC))
