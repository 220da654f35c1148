"""The filters of lists and exports as options, the same for every command that has them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
from datastorage_common.times import parse_time, rfc3339

_RELATIVE = re.compile(r"[0-9.dhms]+")
_TIMES = ("since", "until")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _say_when_a_day_ends(value: str) -> None:
    """Tell a person that the day which is named is not in it. Scripts were tried out by one, and keep quiet."""
    if _DAY.fullmatch(value) and _is_watched():
        try:
            following = date.fromisoformat(value) + timedelta(days=1)
        except (ValueError, OverflowError):  # the service refuses it, or there is no later day
            return
        click.echo(f"--until {value} ends at its first moment (UTC); for the whole day give {following}", err=True)


def _is_watched() -> bool:
    return sys.stderr.isatty()


def _filter(*names: str, seen: Callable[[str], None] = lambda value: None, **more: Any) -> Callable[..., Any]:
    """An option that is given once: of several the last would count, and seem to be one of them all."""

    def once(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
        if len(values) > 1:
            raise click.BadParameter("is given more than once: take one, and run the command for each", ctx, parameter)
        for value in values:
            seen(value)
        return values[0] if values else None

    return click.option(*names, multiple=True, callback=once, **more)


_OF_EVENTS = (
    _filter("--event-type", metavar="TYPE", help="Exactly this type, such as aws.s3.GetBucketPolicy."),
    _filter("--category", "event_category", metavar="CATEGORY", help="Exactly this category."),
    _filter("--outcome", "event_outcome", type=click.Choice(["success", "failure", "pending"]), help="This outcome."),
    _filter("--severity", metavar="SEVERITY", help="Exactly this severity."),
    _filter("--correlation-id", metavar="ID", help="Exactly this correlation."),
    _filter("--actor-type", metavar="TYPE", help="Exactly this kind of actor."),
    _filter("--actor-id", metavar="ID", help="Exactly this actor."),
    _filter("--resource-type", metavar="TYPE", help="Exactly this kind of resource."),
    _filter("--resource-id", metavar="ID", help="Exactly this resource."),
    _filter("--namespace", metavar="NAME", help="Exactly this namespace."),
    _filter("--cluster-name", metavar="NAME", help="Exactly this cluster."),
    _filter("--request-id", metavar="ID", help="What came with this request: the X-Request-ID of its answer."),
    _filter("--since", metavar="TIME", help="Not before: 24h, 7d (back from now), 2026-01-05, 2026-01-05T10:00:00Z."),
    _filter(
        "--until",
        metavar="TIME",
        seen=_say_when_a_day_ends,
        help="Not after; forms as for --since. A day is its first moment, in UTC.",
    ),
    _filter("--data", metavar="JSON", help="Events whose event_data contains this JSON object."),
)
_OF_NOTIFICATIONS = (
    _filter("--remediation-id", metavar="ID", help="Of notifications: exactly this remediation."),
    _filter("--channel", metavar="CHANNEL", help="Of notifications: this channel, such as email."),
    _filter("--status", metavar="STATUS", help="Of notifications: this status, such as failed."),
)


def event_filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The filters of events; the command is called with each by the name that the service has for it."""
    return _with(_OF_EVENTS, command)


def notification_filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those of notifications alone; `--since` and `--until` are among those of events."""
    return _with(_OF_NOTIFICATIONS, command)


def _with(
    options: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...], command: Callable[..., Any]
) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def given(filters: Mapping[str, str | None]) -> dict[str, str]:
    """Those that were given."""
    return {name: value for name, value in filters.items() if value is not None}


def pinned(query: Mapping[str, str]) -> dict[str, str]:
    """The query with ``24h`` as the moment that it means now: what is asked for later must not begin later."""
    now = datetime.now(UTC)
    return {name: _pinned(value, now) if name in _TIMES else value for name, value in query.items()}


def _pinned(text: str, now: datetime) -> str:
    moment = parse_time(text, now) if _RELATIVE.fullmatch(text) else None
    return rfc3339(moment) if moment is not None else text


def option_of(parameter: str) -> str:
    """The option that gives a parameter of the query."""
    options = {p.name: p.opts[0] for p in click.get_current_context().command.params}
    return options.get(parameter, parameter)
