"""HTTP of the feed: what it may be asked, who waits for more, and its answers."""

from __future__ import annotations

import contextlib
from typing import Protocol

import flask
from datastorage_common.notes import SigningKey

from app.audit.accesses import NOT_RECORDED, AccessRecorder
from app.audit.current_caller import current_caller
from app.audit.filters import EVENT_CONDITIONS, read_event_filters
from app.audit.shapes import ITEMS
from app.auth.authorizer import read_limits, recorded_by
from app.clock import Clock
from app.config.settings import Settings
from app.http import bounded
from app.http.client_address import network_of
from app.http.environ import MAX_REQUEST_LINE
from app.http.json_provider import json_response
from app.http.links import address_with, parameter_lengths
from app.http.list_parameters import ListParameters
from app.http.parameters import declared_first, shown_name, takes
from app.http.problems import Problem
from app.http.request_context import client_address
from app.http.validation_failures import register_field_labels
from app.postgres.reader import Reader
from app.postgres.statements import each_with
from app.transparency import feed_cursor
from app.transparency.answers import NO_CURSOR, NOT_KEPT, in_place, log_read
from app.transparency.feed import END, FeedPage, FeedQuery, read_page
from app.transparency.feed_waiters import FeedWaiters
from app.transparency.records_read import EVENT, KINDS, Wanted

PARAMETERS = (*EVENT_CONDITIONS, "after", "limit", "wait", "kinds", "salts")
MAX_WAIT_SECONDS = 30
_DEFAULT_LIMIT = 100
# Else the first would count, as of other parameters, and records would be passed over or given again.
_TWO_CURSORS = "is given more than once: take one"
# Each looks at many events, on a connection of its own. Who finds no room soon is sent away: the threads that wait
# would be missing for everybody else.
_PICKING_PATIENCE_SECONDS = 0.1
_TOO_MANY = "too many look for few records in the feed now - please retry"
# Who may not wait asks again so soon.
_AGAIN = {"Retry-After": "1"}


class Parts(Protocol):
    """What this route needs of the service (`app.services.Services` has it)."""

    settings: Settings
    clock: Clock
    reader: Reader
    log_keys: tuple[SigningKey, ...]
    accesses: AccessRecorder | None
    feed_waiters: FeedWaiters


def add_feed(blueprint: flask.Blueprint, services: Parts) -> None:
    """The feed: records in the order of the log, and a wait for more."""
    register_field_labels(["after", "wait", "kinds", "salts"])
    keys = [key.verifier for key in services.log_keys]
    waiters, clock = services.feed_waiters, services.clock
    picking = bounded.Room(services.settings.server.threads // 8, _PICKING_PATIENCE_SECONDS, _TOO_MANY)

    def asked() -> tuple[FeedQuery, int]:
        return _asked(services)

    def page(query: FeedQuery) -> FeedPage:
        """Raises Problem."""
        # Looking for what is rare takes its time, and would hide how long other reads take.
        operation = "feed_filtered" if query.wanted.picks or EVENT not in query.wanted.kinds else "feed"
        with in_place("after"), picking if query.wanted.picks else contextlib.nullcontext():
            return bounded.page(
                lambda large: log_read(
                    services.reader,
                    operation,
                    lambda conn: read_page(conn, query, keys, clock.monotonic, large=large),
                )
            )

    def waited(query: FeedQuery, wait: int) -> tuple[FeedPage, bool]:
        """The page, once there is something in it or the time is over; whether there was room to wait so long."""
        until = clock.monotonic() + wait
        seen = waiters.grown
        found = page(query)
        if not wait or found.items or not found.caught_up:
            return found, True
        with waiters.room(recorded_by() or network_of(client_address())) as place:
            while place is not None and waiters.wait(place, seen, until):
                seen = waiters.grown
                found = page(query.from_cursor(found.next))
                if found.items or not found.caught_up:
                    return found, True
        return found, place is not None and not place.taken

    @blueprint.get("/audit/feed")
    @takes(PARAMETERS, asked)
    def feed() -> flask.Response:
        found, admitted = waited(*asked())
        recorder = services.accesses
        if found.sensitive and recorder and not recorder.keep(current_caller(), found.sensitive, declared_first()):
            raise Problem("service-unavailable", NOT_RECORDED, headers=NOT_KEPT)
        link = f'<{address_with(flask.request, "after", found.next)}>; rel="next"'
        return json_response(found.body(), headers={**NOT_KEPT, "Link": link, **({} if admitted else _AGAIN)})


def _asked(services: Parts) -> tuple[FeedQuery, int]:
    """What the current request asks for, and how many seconds it may wait. Raises Problem 400."""
    arguments = flask.request.args
    read = ListParameters(arguments, services.clock.now())
    read_event_filters(read)
    after = read.raw("after")
    if len(arguments.getlist("after")) > 1:
        read.refuse("after", _TWO_CURSORS)
    elif after is not None and after != END and not feed_cursor.looks_sealed(after):
        read.refuse("after", NO_CURSOR)
    limit = read.limit(_DEFAULT_LIMIT)
    wait = read.integer("wait", 0, MAX_WAIT_SECONDS, 0)
    salts = read.boolean("salts", False)
    named = read.raw("kinds")
    kinds = [EVENT] if named is None else named.split(",")
    if not set(kinds) <= set(KINDS):
        read.refuse("kinds", f"must be one or more of these, with commas between: {', '.join(KINDS)}")
    elif set(kinds) != {EVENT}:
        for name in EVENT_CONDITIONS:
            if name in read:
                read.refuse(name, "filters events: leave it out, or ask for kinds=audit_event alone")
    _refuse_if_too_long(read)
    read.check()
    wanted = Wanted(frozenset(kinds), read_limits(), ITEMS, events=each_with(read.conditions, read.values), salts=salts)
    return FeedQuery(after, limit, wanted, services.settings.server.max_response_bytes), wait


def _refuse_if_too_long(read: ListParameters) -> None:
    """Note the longest parameter where the service would not take the request that goes on from this one."""
    request = flask.request
    # How long a cursor is is known before anything is read.
    following = address_with(request, "after", "x" * feed_cursor.CHARACTERS)
    length = len(f"{request.method} {following} HTTP/1.1")
    if length > MAX_REQUEST_LINE:
        lengths = parameter_lengths(request)
        del lengths["after"]
        longest = max(lengths, key=lengths.__getitem__, default="after")
        read.refuse(
            shown_name(longest),
            f"is too long: the next request would have a line of {length} characters, and {MAX_REQUEST_LINE} may be",
        )
