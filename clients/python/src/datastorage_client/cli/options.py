"""The options of every command that talks to the service: where it is, and the token to show."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
import httpx
from datastorage_common.addresses import is_loopback
from datastorage_common.files import MAX_SECRET_BYTES, ReadError, as_text, read_whole

from datastorage_client.cli.errors import DEFAULT_URL

# RFC 6750, section 2.1: b64token.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


def check_url(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """A click callback: the address of a service, or a usage error."""
    try:
        # As the client will read it, and that takes more than `urlsplit` does.
        parsed = httpx.URL(value)
        good = parsed.scheme in ("http", "https") and bool(parsed.host) and parsed.port != 0
    except (httpx.InvalidURL, ValueError):
        good = False
    if not good or "?" in value or "#" in value or not value.isprintable() or " " in value:
        shown = re.sub("//.*@", "//", value, flags=re.DOTALL)
        raise click.BadParameter(f"{shown!r} is not an address such as {DEFAULT_URL}", ctx, parameter)
    # A password in it would be shown to whatever answers there, and stand in messages: tokens are what is shown.
    return (str(parsed.copy_with(userinfo=b"")) if parsed.userinfo else value).rstrip("/")


_OPTIONS = (
    click.option(
        "--url",
        envvar="DATASTORAGE_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        callback=check_url,
        help="Where the service is.",
    ),
    click.option(
        "--token",
        envvar="DATASTORAGE_TOKEN",
        show_envvar=True,
        metavar="TOKEN",
        help="Token to show to the service. Others on this machine can read a command line: prefer the variable.",
    ),
    click.option(
        "--token-file",
        envvar="DATASTORAGE_TOKEN_FILE",
        show_envvar=True,
        type=click.Path(dir_okay=False, allow_dash=True),
        metavar="FILE",
        help="File that holds the token; - for standard input.",
    ),
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--url`, `--token` and `--token-file`, the same for every command that needs a service.

    The command is called with ``url`` and with ``token``, which is None where none was given.
    """

    @wraps(command)
    def run(*args: Any, token: str | None, token_file: str | None, url: str, **kwargs: Any) -> Any:
        source = click.get_current_context().get_parameter_source
        typed = click.core.ParameterSource.COMMANDLINE
        if token_file is not None and (token is None or source("token_file") is typed):
            if source("token") is typed:
                raise click.UsageError("--token and --token-file exclude each other")
            token = _read_token(token_file)
        if token == "":
            raise click.UsageError("the token is empty")
        if token is not None and not _TOKEN.fullmatch(token):
            raise click.UsageError("the token holds characters that no token has")
        if token is not None and url.startswith("http://") and not is_loopback(httpx.URL(url).host):
            click.echo(f"datastorage: {url} is not https: others on the way can read the token", err=True)
        return command(*args, url=url, token=token, **kwargs)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def _read_token(path: str) -> str:
    try:
        content = _token_bytes(path)
    except ReadError as e:
        raise click.UsageError(f"--token-file: {e}") from None
    except OSError as e:
        raise click.UsageError(f"--token-file: {path}: {e.strerror}") from None
    text = content.decode("utf-8", "replace").strip()
    if not text:
        raise click.UsageError(f"--token-file: {as_text(path)}: is empty")
    return text


def _token_bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(MAX_SECRET_BYTES)
    # `<(vault read …)` of a shell is a pipe.
    return read_whole(path, MAX_SECRET_BYTES, pipes=True)
