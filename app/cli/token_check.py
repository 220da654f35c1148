"""`datastorage token check`: what the service makes of a token with its configuration."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click
import orjson
from datastorage_common.files import MAX_SECRET_BYTES, ReadError, read_whole
from datastorage_common.terminal import printable
from datastorage_common.times import rfc3339

from app.auth.principal import SCOPES, KeysUnknownError, Principal, TokenError
from app.auth.verifiers import make_verifier
from app.configuration import exit_on_wrong_settings, load_settings


@click.command(
    epilog="""\b
Examples:
  datastorage token check --config settings.yaml < token
  datastorage token check --config settings.yaml --json token"""
)
@click.argument("path", metavar="[FILE]", default="-", type=click.Path(allow_dash=True))
@click.option(
    "--config", "config_path", metavar="FILE", type=click.Path(), help="YAML file with settings. Default: CONFIG_PATH."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def check(path: str, config_path: str | None, as_json: bool) -> None:
    """Say whose the token in FILE or on standard input is, and what it may do; exit 1 if it is refused.

    Keys of issuers are fetched as the service fetches them. The token itself is not shown.
    """
    with exit_on_wrong_settings():
        settings = load_settings(config_path)
        verifier = make_verifier(settings.auth)
    if verifier is None:
        raise click.UsageError("auth.mode is none: no token is looked at, and everybody is let in")
    token = _token(path)
    verifier.start(lambda name, age: None)
    try:
        principal = verifier.principal(token)
        found = _members(principal, verifier.expires(token))
    except (TokenError, KeysUnknownError) as e:
        where = e.where if isinstance(e, TokenError) else ""
        found = {"accepted": False, "reason": str(e), "from": where or None}
    finally:
        verifier.stop()
    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2) if as_json else printable_lines(found))
    sys.exit(0 if found["accepted"] else 1)


def _token(path: str) -> str:
    try:
        # `<(vault read …)` of a shell is a pipe.
        content = (
            sys.stdin.buffer.read(MAX_SECRET_BYTES) if path == "-" else read_whole(path, MAX_SECRET_BYTES, pipes=True)
        )
    except ReadError as e:
        raise click.UsageError(str(e)) from None
    token = content.decode("utf-8", "replace").strip()
    if not token:
        raise click.UsageError("there is no token")
    return token


def _members(principal: Principal, expires: float | None) -> dict[str, object]:
    limits = {"namespaces": principal.reads.namespaces, "categories": principal.reads.categories}
    return {
        "accepted": True,
        "name": principal.name,
        "scopes": [s for s in SCOPES if s in principal.scopes],
        "reads": {k: sorted(v) for k, v in limits.items() if v is not None} or None,
        "reads_nothing": (principal.remark or "its token allows none") if principal.reads.nothing else None,
        "expires": None if expires is None else rfc3339(datetime.fromtimestamp(expires, UTC)),
    }


def printable_lines(found: dict[str, object]) -> str:
    """The members for people, one a line."""
    if not found["accepted"]:
        where = f" ({found['from']})" if found["from"] else ""
        return printable(f"refused: {found['reason']}{where}")
    reads, scopes = found["reads"], found["scopes"]
    lines = {
        "name": found["name"],
        "scopes": ", ".join(scopes) if isinstance(scopes, list) and scopes else "none",
        "reads": "; ".join(f"{k}: {', '.join(v) or 'none'}" for k, v in reads.items())
        if isinstance(reads, dict)
        else "not limited",
        "expires": found["expires"] or "never",
    }
    if found["reads_nothing"]:
        lines["reads"] = f"nothing: {found['reads_nothing']}"
    return "\n".join(f"{key + ':':9}{printable(str(value))}" for key, value in lines.items())
