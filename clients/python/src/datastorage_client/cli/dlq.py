"""`datastorage dlq`: how full the dead letter queue is, and what to do with what failed for good."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import click
from datastorage_common import jsonvalue
from datastorage_common.counts import counted
from datastorage_common.terminal import printable
from rich.text import Text

from datastorage_client.cli.errors import ProblemError, guarded, understood
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import json_option, service_options
from datastorage_client.cli.tables import console, print_json, table
from datastorage_client.cli.tables import show as show_table

_PAGE = 500
# Dead letters that people are shown unless they ask for more.
_SHOWN = 50
_RETRY_LIMIT_S = 10.0
_STREAMS = click.Choice(["events", "notifications"])


def _client(url: str, token: str | None) -> HTTPClient:
    return HTTPClient(url, token=token, retry_limit_s=_RETRY_LIMIT_S)


@click.group(
    epilog="""\b
Examples:
  datastorage dlq status
  datastorage dlq list --stream events
  datastorage dlq show events:1767600000000-0
  datastorage dlq replay --all
  datastorage dlq purge --stream events --yes"""
)
def dlq() -> None:
    """See the dead letter queue, replay or delete what failed for good."""


@dlq.command()
@service_options
@json_option
@guarded()
def status(url: str, token: str | None, as_json: bool) -> None:
    """Show how full the streams are and how many dead letters there are."""
    answer = _client(url, token).get("/api/v1/dlq").object()
    if as_json:
        print_json(answer)
        return
    made = table("stream", "waiting", "capacity", "full", "oldest", "dead letters")
    with understood():
        for name, stream in answer["streams"].items():
            cells = (
                name,
                str(stream["depth"]),
                str(stream["capacity"]),
                f"{float(stream['ratio']):.0%}",
                f"{float(stream['oldest_age_seconds']):.0f} s",
                str(stream["dead_letters"]),
            )
            made.add_row(*(Text(printable(cell)) for cell in cells))
        durability, paused = answer["durability"], answer["replay_paused"]
    show_table(made, console())
    click.echo(printable(f"durability of Redis: {durability}"))
    if paused:
        click.echo(printable(f"replay waits: {paused}"))


@dlq.command("list")
@service_options
@click.option("--stream", type=_STREAMS, default="events", show_default=True, help="Which stream's dead letters.")
@click.option(
    "--limit", type=click.IntRange(1), help=f"Show so many at the most. Default: {_SHOWN}; with --json all of them."
)
@json_option
@guarded()
def list_(url: str, token: str | None, stream: str, limit: int | None, as_json: bool) -> None:
    """List the dead letters of a stream, oldest first (as JSON: one a line)."""
    client = _client(url, token)
    if as_json:
        for letter in islice(_letters(client, stream), limit):
            print_json(letter)
        return
    limit = limit or _SHOWN
    made = table("id", "moved at", "tries", "request", "reason")
    # One more than is shown tells whether there are more.
    found = list(islice(_letters(client, stream), limit + 1))
    for letter in found[:limit]:
        cells = (
            letter["id"],
            letter.get("moved_at", "-"),
            letter.get("final_retry_count", "-"),
            _request(letter),
            letter.get("reason", "-"),
        )
        made.add_row(*(Text(printable(str(cell))) for cell in cells))
    if not found:
        click.echo(f"the stream {stream} has no dead letters")
        return
    show_table(made, console())
    if len(found) > limit:
        status = client.get("/api/v1/dlq").object()
        with understood():
            more = max(1, status["streams"][stream]["dead_letters"] - limit)
        click.echo(f"and {more:,} more: give a higher --limit, or --json for all")


@dlq.command()
@service_options
@click.argument("letter_id", metavar="ID")
@guarded()
def show(url: str, token: str | None, letter_id: str) -> None:
    """Print a dead letter with everything in it, as indented JSON."""
    letter = _client(url, token).get(_path(letter_id)).object()
    click.echo(jsonvalue.readable(letter))


@dlq.command()
@service_options
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter of the stream.")
@click.option("--stream", type=_STREAMS, default="events", show_default=True, help="The stream that --all means.")
@guarded()
def replay(url: str, token: str | None, letter_ids: tuple[str, ...], everything: bool, stream: str) -> None:
    """Put dead letters back into the queue; one that fails again comes back with the new reason."""
    if everything == bool(letter_ids):
        raise click.UsageError("name dead letters, or give --all")
    client = _client(url, token)
    ids = [letter["id"] for letter in _letters(client, stream)] if everything else list(letter_ids)
    for letter_id in ids:
        client.post(f"{_path(letter_id)}/replay", b"{}", repeatable=False)
        click.echo(printable(f"queued for replay: {letter_id}"))
    if not ids:
        click.echo("there are no dead letters")


@dlq.command()
@service_options
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter of the stream.")
@click.option("--stream", type=_STREAMS, default="events", show_default=True, help="The stream that --all means.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@guarded()
def purge(url: str, token: str | None, letter_ids: tuple[str, ...], everything: bool, stream: str, yes: bool) -> None:
    """Delete dead letters for good."""
    if everything == bool(letter_ids):
        raise click.UsageError("name dead letters, or give --all")
    client = _client(url, token)
    ids = [letter["id"] for letter in _letters(client, stream)] if everything else list(letter_ids)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("deleting for good needs --yes where nobody can be asked")
        click.confirm(f"delete {counted(len(ids), 'dead letter')} for good?", abort=True)
    held = [letter_id for letter_id in ids if not _deleted(client, letter_id)]
    click.echo(f"deleted {counted(len(ids) - len(held), 'dead letter')}")
    if held:
        click.echo(printable(f"under a legal hold, and kept: {', '.join(held)}"))
        sys.exit(1)


def _deleted(client: HTTPClient, letter_id: str) -> bool:
    """Delete it; False where a hold is in the way. Raises ServiceError."""
    try:
        client.delete(_path(letter_id))
    except ProblemError as e:
        if e.slug != "held":
            raise
        return False
    return True


def _request(letter: dict[str, Any]) -> str:
    """The id of the request that the record came with; an entry of 1.0.0 has none."""
    entry = letter.get("entry")
    found = entry.get("request_id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else "-"


def _path(letter_id: str) -> str:
    return f"/api/v1/dlq/dead-letters/{quote(letter_id, safe=':')}"


def _letters(client: HTTPClient, stream: str) -> Iterator[dict[str, Any]]:
    query = {"stream": stream, "limit": str(_PAGE)}
    while True:
        page = client.get("/api/v1/dlq/dead-letters", query).object()
        with understood():
            found = [{**letter, "id": str(letter["id"])} for letter in page["dead_letters"]]
            cursor = page["pagination"]["next_cursor"]
        yield from found
        if cursor is None:
            return
        query["cursor"] = str(cursor)
