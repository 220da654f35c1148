"""`datastorage log keygen` and `log key`: the keys that sign the log."""

from __future__ import annotations

from pathlib import Path

import click
from datastorage_common.files import ReadError, as_text, read_secret
from datastorage_common.notes import NoteError
from datastorage_common.terminal import printable

from app.cli.log_database import config_option, end, settings_of
from app.config.log_keys import check_origin, load_keys, new_key_file, open_to_all, parse_keys


def _checked(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        check_origin(value)
    except NoteError as e:
        raise click.BadParameter(str(e), ctx, parameter) from None
    return value


origin_argument = click.argument("name", callback=_checked)


@click.command(
    epilog="""\b
Examples:
  datastorage log keygen audit.example.com/log
  datastorage log keygen audit.example.com/log --out /run/secrets/log.key"""
)
@origin_argument
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("log.key"), show_default=True, help="File to make."
)
def keygen(name: str, out: Path) -> None:
    """Make a key that signs the log, in a file of its own, and print its verifier key.

    NAME is that of the log, which stands in every checkpoint: a URL without https://, of a name that is yours.
    log.key_file names the file. What is there already is never written over. Give the verifier key to those who check
    the log, by another way than the service itself.
    """
    shown = printable(as_text(out))
    try:
        made = new_key_file(out, name)
    except FileExistsError:
        end(f"{shown} is there already: nothing was made")
    except OSError as e:
        end(f"{shown}: {e.strerror or type(e).__name__}")
    click.echo(f"the key is in {shown}, for you alone to read; this is its verifier key:", err=True)
    click.echo(str(made.verifier))


@click.command(
    epilog="""\b
Examples:
  datastorage log key
  datastorage log key --key-file log.key >verifier.key"""
)
@config_option
@click.option("--key-file", metavar="FILE", type=click.Path(), help="File of signing keys. Default: log.key_file.")
def key(config_path: str | None, key_file: str | None) -> None:
    """Print the verifier keys of the keys that sign the log, one a line: what others check it with."""
    try:
        keys = parse_keys(read_secret(key_file)) if key_file is not None else load_keys(settings_of(config_path).log)
    except (ReadError, NoteError) as e:
        where = f"{printable(as_text(key_file))}: " if isinstance(e, NoteError) and key_file is not None else ""
        end(f"{where}{e}")
    if not keys:
        end("there is no key: log.key_file is not set (`datastorage log keygen` makes one)")
    if key_file is not None and (line := open_to_all(key_file)) is not None:
        click.echo(f"datastorage: {line}", err=True)
    for each in keys:
        click.echo(str(each.verifier))
