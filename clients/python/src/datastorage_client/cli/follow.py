"""`datastorage follow`: the feed as lines of JSON, for what takes lines from a program or a file."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from datastorage_common import jsonvalue
from datastorage_common.terminal import printable

from datastorage_client import problems
from datastorage_client.cli.errors import ProblemError, end, fail
from datastorage_client.cli.filters import event_filter_options, given, option_of, pinned
from datastorage_client.cli.follow_output import Output
from datastorage_client.cli.follow_state import State, StateError, alone
from datastorage_client.cli.http_client import HTTPClient
from datastorage_client.cli.options import service_options
from datastorage_client.feed import DEFAULT_FEED_WAIT_S, FeedPage, FeedQuery
from datastorage_client.formats.cloudevents import cloud_event
from datastorage_client.formats.ocsf import ocsf_event

KINDS = ("audit_event", "notification", "act")
_LIMIT = 1000
# A service that has never answered is not waited for: its address is more likely wrong.
_FIRST_PAGE_S = 10.0
Form = Callable[[bytes], bytes | None]


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
  1  the service does not answer, or records are missing that it does not keep any more
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
@click.option("--source", metavar="URI", help="The source of CloudEvents. Default: the service's address.")
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
    asked = {"kinds": _checked_kinds(kinds, form), "salts": salts, **pinned(given(filters))}
    if salts and form != "ndjson":
        raise click.UsageError("--salts goes with --format ndjson")
    if source is not None and form != "cloudevents":
        raise click.UsageError("--source goes with --format cloudevents")
    client = HTTPClient(url, token=token)
    stop = threading.Event()
    with _told(), _ended_by_signals(stop):
        try:
            with alone(state_file):
                # As it was written: 24h means the same when it is asked again.
                state = State(state_file, {"format": form, "kinds": kinds, "salts": salts, **given(filters)})
                follower = _Follower(client, asked, state, stop, accept_gap=accept_gap)
                _print(follower.pages(begin), _form(form, source or url), state, stop, once=once)
        except StateError as e:
            end(str(e), 2)
        except problems.DataStorageError as e:
            fail(client.told(e), option_of)


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
        lines = [line for item in page.raw_events() if (line := form(item)) is not None]
        if not output.write(lines):
            return
        state.keep(page.next)
        if once and page.caught_up:
            return


class _Follower:
    """Pages without end, also over a log that became another one."""

    def __init__(
        self, client: HTTPClient, asked: dict[str, Any], state: State, stop: threading.Event, *, accept_gap: bool
    ) -> None:
        self._client = client
        self._query = FeedQuery.of(DEFAULT_FEED_WAIT_S, {"limit": _LIMIT, **asked})  # type: ignore[typeddict-item]
        self._state = state
        self._stop = stop
        self._accept_gap = accept_gap

    def pages(self, begin: str) -> Iterator[FeedPage]:
        """Raises DataStorageError where it does not go on."""
        after = self._state.cursor or ("end" if begin == "end" else None)
        patience = _FIRST_PAGE_S
        while not self._stop.is_set():
            follower = self._client.follow(self._query, after, patience, self._stop)
            try:
                for page in follower:
                    after = page.next
                    yield page
                    if patience != math.inf:
                        # It is there: from now on an outage is waited out.
                        patience = math.inf
                        break
                else:
                    return
            except problems.ProblemError as e:
                after = self._following(e)

    def _following(self, error: problems.ProblemError) -> str:
        """Where it goes on in spite of the problem. Raises it where it does not."""
        following = error.members.get("next")
        told = self._client.told(error)
        slug = told.slug if isinstance(told, ProblemError) else ""
        if slug not in ("feed-restarted", "feed-expired") or not isinstance(following, str):
            raise error
        if slug == "feed-expired" and not self._accept_gap:
            end(
                "the log does not keep what follows any more: records are missing behind what was written."
                " To go on with the oldest that there is: --accept-gap",
                1,
            )
        why = "records may come again" if slug == "feed-restarted" else "records are missing here"
        click.echo(f"datastorage: {printable(error.detail or '')}; {why}", err=True)
        return following


def _form(name: str, source: str) -> Form:
    """What becomes of an item; None where it has no such form."""
    if name == "ndjson":
        return lambda item: item
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
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
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
