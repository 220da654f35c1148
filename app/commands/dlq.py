"""`datastorage dlq`: how full the dead letter queue is, and what to do with what failed for good."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app import jsonvalue
from app.http_client import HTTPClient, ServiceError, printable, url_option

_PAGE = 500
_RETRY_LIMIT_S = 10.0
_STREAMS = click.Choice(["events", "notifications"])
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """What the service refuses, or that it cannot be reached, is one line and exit code 1."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ServiceError as e:
            click.echo(f"datastorage: {e}", err=True)
            sys.exit(1)

    return run


def _client(url: str) -> HTTPClient:
    return HTTPClient(url, retry_limit_s=_RETRY_LIMIT_S)


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
@url_option
@json_option
@_guarded
def status(url: str, as_json: bool) -> None:
    """Show how full the streams are and how many dead letters there are."""
    answer = _client(url).get("/api/v1/dlq").object()
    if as_json:
        _print_json(answer)
        return
    table = Table("stream", "waiting", "capacity", "full", "oldest", "dead letters")
    for name, stream in answer["streams"].items():
        table.add_row(
            name,
            str(stream["depth"]),
            str(stream["capacity"]),
            f"{float(stream['ratio']):.0%}",
            f"{float(stream['oldest_age_seconds']):.0f} s",
            str(stream["dead_letters"]),
        )
    console = Console()
    console.print(table)
    console.print(f"durability of Redis: {answer['durability']}")
    if answer["replay_paused"]:
        console.print(f"replay waits: {answer['replay_paused']}")


@dlq.command("list")
@url_option
@click.option("--stream", type=_STREAMS, default="events", show_default=True, help="Which stream's dead letters.")
@json_option
@_guarded
def list_(url: str, stream: str, as_json: bool) -> None:
    """List the dead letters of a stream, oldest first (as JSON: one a line)."""
    table = Table("id", "moved at", "tries", "reason")
    for letter in _letters(_client(url), stream):
        if as_json:
            _print_json(letter)
        else:
            table.add_row(
                letter["id"],
                letter.get("moved_at", "-"),
                str(letter["final_retry_count"]),
                Text(printable(letter.get("reason", "-"))),
            )
    if not as_json:
        Console(width=None if sys.stdout.isatty() else 160).print(table)


@dlq.command()
@url_option
@click.argument("letter_id", metavar="ID")
@_guarded
def show(url: str, letter_id: str) -> None:
    """Print a dead letter with everything in it, as JSON."""
    _print_json(_client(url).get(f"/api/v1/dlq/dead-letters/{letter_id}").object())


@dlq.command()
@url_option
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter of the stream.")
@click.option("--stream", type=_STREAMS, default="events", show_default=True, help="The stream that --all means.")
@_guarded
def replay(url: str, letter_ids: tuple[str, ...], everything: bool, stream: str) -> None:
    """Put dead letters back into the queue; one that fails again comes back with the new reason."""
    if everything == bool(letter_ids):
        raise click.UsageError("name dead letters, or give --all")
    client = _client(url)
    ids = [letter["id"] for letter in _letters(client, stream)] if everything else list(letter_ids)
    for letter_id in ids:
        client.post(f"/api/v1/dlq/dead-letters/{letter_id}/replay", b"{}", repeatable=False)
        click.echo(f"queued for replay: {letter_id}")
    if not ids:
        click.echo("there are no dead letters")


@dlq.command()
@url_option
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every dead letter of the stream.")
@click.option("--stream", type=_STREAMS, default="events", show_default=True, help="The stream that --all means.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_guarded
def purge(url: str, letter_ids: tuple[str, ...], everything: bool, stream: str, yes: bool) -> None:
    """Delete dead letters for good."""
    if everything == bool(letter_ids):
        raise click.UsageError("name dead letters, or give --all")
    client = _client(url)
    ids = [letter["id"] for letter in _letters(client, stream)] if everything else list(letter_ids)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("deleting for good needs --yes where nobody can be asked")
        click.confirm(f"delete {len(ids)} dead letters for good?", abort=True)
    for letter_id in ids:
        client.delete(f"/api/v1/dlq/dead-letters/{letter_id}")
    click.echo(f"deleted {len(ids)} dead letters")


def _letters(client: HTTPClient, stream: str) -> Iterator[dict[str, Any]]:
    query = {"stream": stream, "limit": str(_PAGE)}
    while True:
        page = client.get("/api/v1/dlq/dead-letters", query).object()
        yield from page["dead_letters"]
        if (cursor := page["pagination"]["next_cursor"]) is None:
            return
        query["cursor"] = cursor


def _print_json(value: object) -> None:
    click.echo(jsonvalue.compact(value).decode())
