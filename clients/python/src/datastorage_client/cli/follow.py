"""`datastorage follow`: the feed as lines of JSON, for what takes lines from a program or a file."""

from __future__ import annotations

import _thread
import contextlib
import functools
import logging
import math
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click
from datastorage_common import jsonvalue
from datastorage_common.terminal import printable

from datastorage_client import problems
from datastorage_client.cli.errors import ServiceError, end, fail, understood
from datastorage_client.cli.filters import event_filter_options, given, option_of, pinned
from datastorage_client.cli.follow_output import Output
from datastorage_client.cli.follow_state import State, StateError, StateLostError, alone
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import service_options
from datastorage_client.feed import DEFAULT_FEED_WAIT_S, FeedPage, FeedQuery
from datastorage_client.formats.cloudevents import cloud_event
from datastorage_client.formats.ocsf import ocsf_event
from datastorage_client.retry import Backoff

KINDS = ("audit_event", "notification", "act")
_LIMIT = 1000
# Somebody waits for the end; long enough for a worker's restart.
_ONCE_RETRY_S = 10.0
# RFC 3986, by its characters.
_URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
Form = Callable[[bytes], bytes | None]


def _check_source(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A click callback: what can be the source of CloudEvents."""
    if value is not None and not _URI_REFERENCE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no URI, such as https://audit.example.org", ctx, parameter)
    return value


@click.command(
    epilog="""\b
Examples:
  datastorage follow --state /var/lib/audit/state.json >> /var/log/audit.ndjson
  datastorage follow --state state.json --category payments --format cloudevents | my-collector
  datastorage follow --state state.json --from end --once      # from now on; nothing yet

\b
A record comes at least once: the state moves on once a page is on the disk, or taken from
the pipe. What tells doubles: kind, event_id and event_date, or id.

\b
Exit codes:
  0  it was ended by SIGTERM or SIGINT, or with --once everything is written
  1  the service refuses, or with --once does not answer; records are missing that it does not keep any more;
     or the output or the state cannot be written
  2  wrong options, or a state that does not fit them"""
)
@service_options
@click.option(
    "--state",
    "state_file",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where it is remembered what was written. Of one query; one command at a time has it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "cloudevents", "ocsf"]),
    default="ndjson",
    show_default=True,
    help="Items of the feed, CloudEvents 1.0, or OCSF 1.3 (API Activity).",
)
@click.option(
    "--source", metavar="URI", callback=_check_source, help="The source of CloudEvents. Default: the service's address."
)
@click.option("--kinds", metavar="KINDS", default="audit_event", show_default=True, help="With commas between.")
@click.option("--salts", is_flag=True, help="With what proves each record (ndjson alone).")
@click.option(
    "--from",
    "begin",
    type=click.Choice(["beginning", "end"]),
    default="beginning",
    show_default=True,
    help="Where it begins without a state.",
)
@click.option("--once", is_flag=True, help="End when everything that there is now is written.")
@click.option("--accept-gap", is_flag=True, help="Go on where records are missing that the log does not keep any more.")
@event_filter_options
def follow(
    url: str,
    token: str | None,
    state_file: Path,
    form: str,
    source: str | None,
    kinds: str,
    salts: bool,
    begin: str,
    once: bool,
    accept_gap: bool,
    **filters: str | None,
) -> None:
    """Print what is stored, as it is stored, and remember where that was.

    A line a record, in the order of the log, on standard output; words go to standard error. A record that was removed
    comes as a tombstone in ndjson, and not at all in the other formats.
    """
    checked = {"format": form, "kinds": _checked_kinds(kinds, form), "salts": salts, **given(filters)}
    if salts and form != "ndjson":
        raise click.UsageError("--salts goes with --format ndjson")
    if source is not None and form != "cloudevents":
        raise click.UsageError("--source goes with --format cloudevents")
    if sys.__stdout__ is None:
        raise click.UsageError("standard output is closed: records have to go somewhere")
    client = HTTPClient(url, token=token)
    stop = threading.Event()
    with _told(), _ended_by_signals(stop):
        try:
            with alone(state_file) as path:
                state = State(path, checked, _moments(filters))
                asked = {"kinds": kinds, "salts": salts, **given(filters), **state.moments}
                follower = _Follower(client, asked, state, stop, accept_gap=accept_gap, once=once)
                _print(follower.pages(begin), _form(form, source or url), state, stop, once=once)
        except StateError as e:
            end(str(e), 2)
        except StateLostError as e:
            end(str(e), 1)
        except ServiceError as e:
            fail(e, _option)
        except problems.DataStorageError as e:
            fail(client.told(e), _option)


def _option(parameter: str) -> str:
    """The option that a parameter of the query comes from: where the last page ended, that is the state."""
    return "--state" if parameter == "after" else option_of(parameter)


def _moments(filters: Mapping[str, str | None]) -> dict[str, str]:
    """The filters that are times counted from now, such as ``24h``, as the times that they mean now."""
    typed = given(filters)
    return {name: value for name, value in pinned(typed).items() if value != typed[name]}


def _checked_kinds(text: str, form: str) -> str:
    for kind in text.split(","):
        if kind not in KINDS:
            raise click.UsageError(f"--kinds: {printable(kind)} is none of {', '.join(KINDS)}")
        if kind == "act" and form != "ndjson":
            raise click.UsageError("--kinds act goes with --format ndjson")
    return text


def _print(pages: Iterator[FeedPage], form: Form, state: State, stop: threading.Event, *, once: bool) -> None:
    """Write each page, and then that it is written."""
    output = Output(sys.stdout.fileno(), stop)
    output.begin()
    for page in pages:
        with understood():
            lines = [line for item in page.raw_events() if (line := form(item)) is not None]
        if not output.write(lines):
            return
        state.keep(page.next)
        if once and page.caught_up:
            return


class _Follower:
    """Pages without end, also over a log that became another one."""

    def __init__(
        self,
        client: HTTPClient,
        asked: dict[str, Any],
        state: State,
        stop: threading.Event,
        *,
        accept_gap: bool,
        once: bool,
    ) -> None:
        # Who asks for what there is now is not kept waiting for more.
        wait = 0 if once else DEFAULT_FEED_WAIT_S
        self._client = client
        self._query = FeedQuery.of(wait, {"limit": _LIMIT, **asked})  # type: ignore[typeddict-item]
        self._state = state
        self._stop = stop
        self._accept_gap = accept_gap
        self._retry_for = _ONCE_RETRY_S if once else math.inf

    def pages(self, begin: str) -> Iterator[FeedPage]:
        """Raises DataStorageError where it does not go on."""
        after = self._state.cursor
        if after is None and begin == "end":
            # Once, and without waiting: the end of a later request is a later one, and what came between is missed.
            query = replace(self._query, wait=0, arguments={**self._query.arguments, "wait": 0})
            for page in self._client.follow(query, "end", self._retry_for, self._stop):
                after = page.next
                yield page
                break
        backoff, gone = Backoff(), 0
        # A log that is gone again and again is not asked at full speed.
        while not self._stop.wait(backoff.wait(gone) if gone else 0):
            try:
                for page in self._client.follow(self._query, after, self._retry_for, self._stop):
                    after, gone = page.next, 0
                    yield page
            except (problems.FeedRestartedError, problems.FeedExpiredError) as e:
                after, gone = self._following(e), gone + 1

    def _following(self, error: problems.FeedRestartedError | problems.FeedExpiredError) -> str:
        """Where it goes on in spite of the problem. Raises it where it does not."""
        if error.next is None:
            raise error
        if isinstance(error, problems.FeedRestartedError):
            click.echo(f"datastorage: {printable(error.detail)}: records may come again", err=True)
            return error.next
        lost = "RECORDS ARE MISSING: what follows the last that was written is not kept any more"
        if not self._accept_gap:
            end(f"{lost}. --accept-gap goes on with the oldest that there is", 1)
        click.echo(f"datastorage: {lost}; going on with the oldest that there is", err=True)
        return error.next


def _form(name: str, source: str) -> Form:
    """What becomes of an item; None where it has no such form."""
    if name == "ndjson":
        # Between members white space may be anything, and a line break would make two lines of it.
        return lambda item: item.replace(b"\n", b" ").replace(b"\r", b" ")
    make = functools.partial(cloud_event, source=source) if name == "cloudevents" else ocsf_event

    def form(item: bytes) -> bytes | None:
        record = jsonvalue.parse(item)
        if record.get("removed") is True:
            return None
        return jsonvalue.compact(make(record))

    return form


@contextlib.contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set ``stop``."""

    def ended(number: int, frame: FrameType | None) -> None:
        # In a thread: the one that is interrupted may hold the lock that is in the event.
        _thread.start_new_thread(stop.set, ())

    before = {number: signal.signal(number, ended) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the library logs of outages goes to standard error, as a command says it."""
    log = logging.getLogger("datastorage_client.feed")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("datastorage: %(message)s"))
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.propagate = before
        log.removeHandler(handler)
