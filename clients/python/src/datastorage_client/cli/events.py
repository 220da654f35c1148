"""`datastorage events`: a query of audit events as a table or as JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeGuard

import click
from datastorage_common import jsonvalue
from datastorage_common.terminal import printable
from rich.table import Table
from rich.text import Text

from datastorage_client.cli.errors import ServiceError, fail
from datastorage_client.cli.filters import event_filter_options, given, option_of, pinned
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import service_options
from datastorage_client.cli.tables import console, show, table

MAX_PAGE = 1000  # the service's limit on `limit`
DEFAULT_ROWS = 50
# Someone waits for the answer; long enough for a worker's restart.
RETRY_LIMIT_S = 10.0

# From this width on an event fits one line; below it takes two.
_WIDE = 150


@click.command(
    epilog="""\b
Examples:
  datastorage events --since 1h
  datastorage events --actor-id bert-jan --outcome failure --since 7d
  datastorage events --data '{"userIdentity": {"invokedBy": "AWS Internal"}}' --all --json > found.jsonl
  datastorage events --correlation-id 699479d4-2a01-4e9e-bf31-4ec5dc88677e --json | jq .event_data

\b
Exit codes:
  0  the query was answered, also if nothing matches
  1  the service cannot be reached or does not answer the query
  2  wrong options"""
)
@service_options
@event_filter_options
@click.option("--limit", type=click.IntRange(1), help=f"Events at the most. Default: {DEFAULT_ROWS}.")
@click.option("--all", "everything", is_flag=True, help="All events that match, page after page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines: an event a line, exact and uncut.")
def events(
    url: str, token: str | None, limit: int | None, everything: bool, as_json: bool, **filters: str | None
) -> None:
    """Query audit events, newest first, and print them as a table.

    All filters must match. The table leaves members out and shortens ARNs; --json has everything. Events of a
    category datastorage.* that a caller has recorded, not the service, are shown with the caller's name.
    """
    if everything and limit is not None:
        raise click.UsageError("--all and --limit exclude each other")
    query = pinned(given(filters))
    wanted = None if everything else limit or DEFAULT_ROWS
    rows = fetch(HTTPClient(url, token=token, retry_limit_s=RETRY_LIMIT_S), query, wanted)
    try:
        if as_json:
            for row in islice(rows, wanted):
                click.echo(jsonvalue.compact(row))
        else:
            _print_table(list(islice(rows, wanted)), more=next(rows, None) is not None)
    except ServiceError as e:
        fail(e, option_of)


def fetch(client: HTTPClient, query: Mapping[str, str], wanted: int | None) -> Iterator[dict[str, Any]]:
    """Rows of GET /api/v1/audit/events, page after page by cursor.

    All of them, or where ``wanted`` says how many are, at least one more if there are more. Raises ServiceError.
    """
    left = wanted
    cursor: str | None = None
    while True:
        # One more than wanted shows whether there are others.
        size = MAX_PAGE if left is None else min(MAX_PAGE, left + 1)
        page = {**query, "limit": str(size), "count": "none"}
        if cursor is not None:
            page["cursor"] = cursor
        answer = client.get("/api/v1/audit/events", page).object()
        rows, pagination = answer.get("data"), answer.get("pagination")
        if not _are_objects(rows) or not isinstance(pagination, dict):
            raise ServiceError("the answer is not a page of events; is this the Data Storage Service?")
        yield from rows
        following = pagination.get("next_cursor")
        if following is None or (left is not None and len(rows) > left):
            return
        if following == cursor or not isinstance(following, str):
            raise ServiceError("the service gave a cursor that leads nowhere")
        cursor = following
        left = None if left is None else left - len(rows)


def _are_objects(rows: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _print_table(rows: list[dict[str, Any]], *, more: bool) -> None:
    if not rows:
        click.echo("no event matches", err=True)
        return
    on = console()
    show(_wide(rows) if on.width >= _WIDE else _narrow(rows, on.width), on)
    if more:
        click.echo(f"the newest {len(rows):,}; there are more: --limit N or --all", err=True)


def _wide(rows: list[dict[str, Any]]) -> Table:
    made = table()
    made.add_column("time", no_wrap=True)
    made.add_column("category", no_wrap=True, overflow="ellipsis", ratio=3)
    made.add_column("type", no_wrap=True, overflow="ellipsis", ratio=6)
    made.add_column("outcome", no_wrap=True)
    made.add_column("actor", no_wrap=True, overflow="ellipsis", ratio=4)
    made.add_column("namespace", no_wrap=True, overflow="ellipsis", ratio=3)
    made.add_column("resource", no_wrap=True, overflow="ellipsis", ratio=6)
    # Who stored it: the service says of itself what no caller has recorded.
    with_recorder = any(map(_of_the_service, rows))
    if with_recorder:
        made.add_column("recorded by", no_wrap=True, overflow="ellipsis", min_width=11, max_width=20)
    made.add_column("id", no_wrap=True, min_width=36)
    for row in rows:
        made.add_row(
            _time(row),
            _cell(row, "event_category"),
            _what(row),
            _outcome(row),
            _cell(row, "actor_id"),
            _cell(row, "namespace"),
            _resource(row),
            *((_cell(row, "recorded_by"),) if with_recorder else ()),
            _cell(row, "event_id"),
        )
    return made


def _narrow(rows: list[dict[str, Any]], width: int) -> Table:
    """Two lines an event: when and how it ended over its id, what happened over where and who did it to what."""
    # A long actor must leave room for the resource.
    actor_width = max(10, (width - 38) * 2 // 5)
    made = table()
    made.add_column("time, outcome / id", no_wrap=True, min_width=36)
    made.add_column("category type / namespace actor → resource", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        actor = _cell(row, "actor_id")
        actor.truncate(actor_width, overflow="ellipsis")
        where = Text.assemble(_cell(row, "namespace"), " ") if isinstance(row.get("namespace"), str) else Text()
        made.add_row(
            Text.assemble(_time(row), " ", _outcome(row)), Text.assemble(_cell(row, "event_category"), " ", _what(row))
        )
        parts: list[Text | str] = [where, actor, " → ", _resource(row)]
        if _of_the_service(row) and row.get("recorded_by") is not None:
            parts = ["recorded by ", _cell(row, "recorded_by"), ": ", *parts]
        made.add_row(_cell(row, "event_id"), Text.assemble(*parts), style="dim")
    return made


def _what(row: Mapping[str, Any]) -> Text:
    """The type, and the action where the type does not end in it, as most do."""
    kind, action = _cell(row, "event_type"), _cell(row, "event_action")
    return kind if action.plain in ("-", kind.plain.rpartition(".")[2]) else Text.assemble(kind, " ", action)


def _of_the_service(row: Mapping[str, Any]) -> bool:
    """Whether an event's category is the service's; a caller may have written it all the same."""
    return str(row.get("event_category")).startswith("datastorage.")


def _cell(row: Mapping[str, Any], member: str) -> Text:
    value = row.get(member)
    return Text(_short(value) if isinstance(value, str) else "-")


def _short(value: str) -> str:
    """An ARN without what most of its neighbours share: ``role/x`` of ``arn:aws:iam::1:role/x``."""
    parts = value.split(":", 5)
    return printable(parts[5] if len(parts) == 6 and parts[0] == "arn" else value)


def _time(row: Mapping[str, Any]) -> Text:
    value = row.get("event_timestamp")
    # Seconds do for reading; they line up where fractions would not.
    return Text(printable(re.sub(r"\.\d+Z$", "Z", value)) if isinstance(value, str) else "-")


def _outcome(row: Mapping[str, Any]) -> Text:
    text = _cell(row, "event_outcome")
    text.stylize({"failure": "red", "success": "green"}.get(text.plain, "yellow"))
    return text


def _resource(row: Mapping[str, Any]) -> Text:
    return Text.assemble(_cell(row, "resource_type"), " ", _cell(row, "resource_id"))
