"""Whole logs that are checked against a feed that can lie."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datastorage_client.verify.feed import FEED
from datastorage_client.verify.steps import Fetch
from datastorage_client.verify.tiles import Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.whole import Whole, check_whole

from tests.unit.client.verify.log_server import KEY, Log
from tests.unit.client.verify.test_tree import fetch_from

TRUST = Trust((KEY.verifier,))
Lie = Callable[[dict[str, Any]], None]


def whole(log: Log, fetch: Fetch | None = None, follow: Path | None = None) -> Whole:
    fetch = fetch or fetch_from(log)
    return check_whole(fetch, Tree(Tiles(fetch), TRUST.check(log.note())), follow=follow)


def asked_pages(log: Log) -> int:
    return log.asked.count(FEED)


def edit(at: int, before: str, after: str) -> Lie:
    """Another text in the record of an entry."""

    def lie(page: dict[str, Any]) -> None:
        for i, item in enumerate(page["events"]):
            if json.loads(item)["log_index"] == at:
                assert before in item
                page["events"][i] = item.replace(before, after)

    return lie


def answering(log: Log, error: Exception, after: int = 0, least: int = 0) -> Fetch:
    """As a service that fails so, behind the first pages of the feed, where more than ``least`` records are wanted."""
    fetch, pages = fetch_from(log), iter(range(10**9))

    def ask(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        limit = int(path.partition("limit=")[2].partition("&")[0] or 0)
        if path.startswith(FEED) and next(pages) >= after and limit > least:
            raise error
        return fetch(path, accept, max_bytes)

    return ask


EVENT_7, EVENT_9 = (f"audit_event {uuid.UUID(int=n)}" for n in (8, 10))
ACT = f"intake_finished {uuid.UUID(int=1000)}"
