"""`datastorage holds`: legal holds, which keep records from being removed or erased."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

import click
from datastorage_common import jsonvalue
from datastorage_common.terminal import printable
from rich.text import Text

from datastorage_client.cli.errors import ProblemError, ServiceError, UnreachableError, guarded, understood
from datastorage_client.cli.filters import (
    event_filter_options,
    given,
    notification_filter_options,
    option_of,
    pinned,
)
from datastorage_client.cli.http_client import Answer, HTTPClient
from datastorage_client.cli.options import json_option, service_options
from datastorage_client.cli.tables import console, print_json, table
from datastorage_client.cli.tables import show as show_table
from datastorage_client.ids import uuid7_text

_PATH = "/api/v1/holds"
_MAX_PAGE = 1000  # the service's limit on `limit`
# Holds that people are shown unless they ask for more.
_SHOWN = 50
# Someone waits for the answer; long enough for a worker's restart.
_RETRY_LIMIT_S = 10.0
_KINDS = {"audit_event": "audit events", "notification": "notifications"}
_RANGE = {"since": "from", "until": "to"}


def _client(url: str, token: str | None) -> HTTPClient:
    return HTTPClient(url, token=token, retry_limit_s=_RETRY_LIMIT_S)


def _option(member: str) -> str:
    """The option that a member of the request comes from."""
    return option_of(member.removeprefix("filter."))


@click.group(
    epilog="""\b
Examples:
  datastorage holds set --name 'case 2026-17' --reason 'letter of the court' --actor-id alice --since 2025-10-01
  datastorage holds list
  datastorage holds show 01890a5d-ac96-774b-bcce-b302099a8057
  datastorage holds release 01890a5d-ac96-774b-bcce-b302099a8057 --reason 'case closed'"""
)
def holds() -> None:
    """Set legal holds, see them and release them.

    What a hold takes is neither removed nor erased until every hold that takes it is released. Needs the scope
    holds:admin.
    """


@holds.command("list")
@service_options
@click.option(
    "--state",
    type=click.Choice(["active", "released", "all"]),
    default="active",
    show_default=True,
    help="Which holds.",
)
@click.option("--name", metavar="NAME", help="Exactly this name, such as that of a case.")
@click.option(
    "--limit", type=click.IntRange(1), help=f"Show so many at the most. Default: {_SHOWN}; with --json all of them."
)
@json_option
@guarded(_option)
def list_(url: str, token: str | None, state: str, name: str | None, limit: int | None, as_json: bool) -> None:
    """List holds, newest first (as JSON: one a line)."""
    query = given({"state": None if state == "all" else state, "name": name})
    if as_json:
        for hold in islice(_pages(_client(url, token), query, limit), limit):
            print_json(hold)
        return
    limit = limit or _SHOWN
    # One more than is shown tells whether there are more.
    found = list(islice(_pages(_client(url, token), query, limit + 1), limit + 1))
    if not found:
        which = "hold" if state == "all" else f"{state} hold"
        called = "" if name is None else f' with the name "{printable(name)}"'
        more = "; --state all shows released ones too" if state == "active" else ""
        click.echo(f"there is no {which}{called}{more}", err=True)
        return
    made = table()
    made.add_column("set, by / id", no_wrap=True, overflow="ellipsis", min_width=36)
    made.add_column("name / takes", overflow="fold")
    with understood():
        for hold in found[:limit]:
            made.add_row(_line(_done(hold, "set")), Text(printable(hold["name"])))
            made.add_row(_line(hold["hold_id"]), _line(_takes(hold["filter"])), style="dim")
            if hold["state"] != "active":
                made.add_row("", _line(f"released {_done(hold, 'released')}"), style="dim")
    show_table(made, console())
    if len(found) > limit:
        click.echo(f"the newest {limit:,}; there are more: a higher --limit, or --json for all", err=True)


@holds.command()
@service_options
@click.argument("hold_id", metavar="ID")
@json_option
@guarded(_option)
def show(url: str, token: str | None, hold_id: str, as_json: bool) -> None:
    """Show a hold: what it takes, who set it when and why; and the same of its release."""
    hold = _client(url, token).get(_path(hold_id)).object()
    if as_json:
        print_json(hold)
        return
    made = table()
    made.show_header = False
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    with understood():
        lines = {
            "hold": hold["hold_id"],
            "name": hold["name"],
            "state": hold["state"],
            "takes": _takes(hold["filter"]),
            "set": _done(hold, "set"),
            "because": hold["reason"],
            "act": hold["set_act"],
        }
        shown = list(lines.items())
        if hold["state"] != "active":
            shown += [
                ("released", _done(hold, "released")),
                ("because", hold["release_reason"]),
                ("act", hold["release_act"]),
            ]
        for label, text in shown:
            made.add_row(label, Text("\n".join(map(printable, text.split("\n")))))
    show_table(made, console())


@holds.command(
    "set",
    no_args_is_help=True,
    epilog="""\b
Examples:
  datastorage holds set --name 'case 2026-17' --reason 'letter of the court' \\
      --actor-id alice --since 2025-10-01 --until 2025-12-31T23:59:59.999999Z
  datastorage holds set --name 'case 2026-17' --reason 'letter of the court' --channel email --status failed
  datastorage holds set --name 'move of the archive' --reason 'until the copy is verified' --everything

\b
Exit codes:
  0  the hold is in force
  1  the service cannot be reached or has not set it; where that is not known, it is said how to look
  2  wrong options""",
)
@service_options
@click.option("--name", required=True, metavar="NAME", help="What it is called, such as the case.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is set.")
@event_filter_options
@notification_filter_options
@click.option("--kinds", metavar="KINDS", help="audit_event, notification, or both with a comma. Default: what fits.")
@click.option("--everything", is_flag=True, help="Hold every record. Needed where no filter is given.")
@json_option
@guarded(_option)
def set_(
    url: str,
    token: str | None,
    name: str,
    reason: str,
    data: str | None,
    kinds: str | None,
    everything: bool,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Set a hold on all records that match every filter: those that are stored, and those to come.

    Without --since and --until it has no beginning and no end. Times such as 7d are taken from now, once: the range of
    a hold does not move. Filters of events take events, those of notifications take notifications; a range of time
    alone, and --everything, take both.
    """
    wanted: dict[str, Any] = dict(pinned(given(filters)))
    if data is not None:
        wanted["data"] = _object(data)
    if kinds is not None:
        wanted["kinds"] = kinds.split(",")
    if not wanted and not everything:
        raise click.UsageError("say what to hold by a filter such as --actor-id, or give --everything")
    if wanted and everything:
        raise click.UsageError("--everything goes with no filter")
    hold_id = uuid7_text()
    body = {"hold_id": hold_id, "name": name, "reason": reason, "filter": wanted}
    hold = _change(_client(url, token), _PATH, body, hold_id).object()
    with understood():
        # Its answer was lost, and somebody released it before the request was sent again.
        if hold["state"] != "active":
            raise ServiceError(f"the hold was set, and is released since: {_look(hold_id)} says by whom and why")
    if as_json:
        print_json(hold)
        return
    with understood():
        click.echo(printable(f"hold {hold['hold_id']} is in force: {hold['name']}"))
        click.echo(printable(f"it takes {_takes(hold['filter'])}; those that are stored, and those to come"))


@holds.command(
    epilog="""\b
Example:
  datastorage holds release 01890a5d-ac96-774b-bcce-b302099a8057 --reason 'case closed' --yes"""
)
@service_options
@click.argument("hold_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is released.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@guarded(_option)
def release(url: str, token: str | None, hold_id: str, reason: str, yes: bool, as_json: bool) -> None:
    """Release a hold, for good. What another hold takes too stays held."""
    client = _client(url, token)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("releasing a hold needs --yes where nobody can be asked")
        found = client.get(_path(hold_id)).object()
        with understood():
            told = printable(f'release the hold "{found["name"]}", which takes {_takes(found["filter"])}?')
        click.confirm(told, abort=True)
    try:
        hold = _change(client, f"{_path(hold_id)}/release", {"reason": reason}, hold_id).object()
    except ProblemError as e:
        if e.status != 409:
            raise
        raise ServiceError(f"{printable(e.detail)}: {_look(hold_id)} says by whom and why") from e
    if as_json:
        print_json(hold)
        return
    with understood():
        click.echo(printable(f"hold {hold['hold_id']} is released: {hold['name']}"))


def _change(client: HTTPClient, path: str, body: Mapping[str, Any], hold_id: str) -> Answer:
    """Set or release a hold. Either may be sent again: by the id, and by the reason, it is seen to be the same."""
    try:
        return client.post(path, jsonvalue.compact(body), repeatable=True)
    except ServiceError as e:
        unknown = isinstance(e, UnreachableError) and e.connected
        unknown |= isinstance(e, ProblemError) and e.members.get("outcome") == "unknown"
        if not unknown:
            raise
        why = printable(e.detail) if isinstance(e, ProblemError) else str(e)
        raise ServiceError(
            f"whether it is done is not known ({why}): {_look(hold_id)} says. If there is none, do it again"
        ) from e


def _look(hold_id: str) -> str:
    return f"`datastorage holds show {hold_id}`"


def _path(hold_id: str) -> str:
    return f"{_PATH}/{quote(hold_id, safe='')}"


def _object(text: str) -> dict[str, Any]:
    """The JSON object that --data has, with every digit. Raises UsageError."""
    try:
        value = jsonvalue.parse(text.encode())
    except jsonvalue.JSONError as e:
        raise click.UsageError(f"--data: {e}") from e
    if not isinstance(value, dict):
        raise click.UsageError("--data: must be a JSON object")
    return value


def _pages(client: HTTPClient, query: Mapping[str, str], wanted: int | None) -> Iterator[dict[str, Any]]:
    """Holds, page after page; all of them, or at least as many as are wanted."""
    asked = {**query, "limit": str(min(wanted or _MAX_PAGE, _MAX_PAGE))}
    while True:
        page = client.get(_PATH, asked).object()
        with understood():
            found = [dict(hold) for hold in page["holds"]]
            cursor = page["pagination"]["next_cursor"]
        yield from found
        if cursor is None:
            return
        asked["cursor"] = str(cursor)


def _line(text: str) -> Text:
    return Text(printable(text))


def _done(hold: Mapping[str, Any], verb: str) -> str:
    """When it was set or released, and by whom, where that is known."""
    by = hold.get(f"{verb}_by")
    when: str = hold[f"{verb}_at"]
    return when if by is None else f"{when} by {by}"


def _takes(wanted: Mapping[str, Any]) -> str:
    """A filter in words: ``audit events with actor_id="alice" from 2025-10-01T00:00:00Z``."""
    kinds = " and ".join(_KINDS.get(kind, kind) for kind in wanted["kinds"])
    values = {name: value for name, value in wanted.items() if name != "kinds" and name not in _RANGE}
    told = " and ".join(f"{name}={_text(value)}" for name, value in values.items())
    times = [f"{word} {wanted[name]}" for name, word in _RANGE.items() if name in wanted]
    if not told and not times:
        return f"all {kinds}"
    return " ".join([kinds, *([f"with {told}"] if told else []), *times])


def _text(value: object) -> str:
    """As JSON, in quotes: a text may look like the words around it."""
    return jsonvalue.compact(value).decode()
