"""A whole log as a service shows it: every entry against the tree, and every record against its entry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from datastorage_client.problems import LogInconsistentError
from datastorage_client.verify.compare import RecordCheck
from datastorage_client.verify.feed import NoFeedError
from datastorage_client.verify.memory import Followed, OnDisk
from datastorage_client.verify.standing import CONTRADICTS, NOT_GIVEN, contradiction
from datastorage_client.verify.steps import Fetch
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.walk import Walked, walk

NOT_ASKED_FOR = "that was not asked for"


@dataclass(slots=True)
class Whole(Walked):
    """What was found in a log.

    ``compared``: records that were held against their entries. ``compared_before``: those that an earlier run has
    compared, and this one has not. ``not_compared``: why none were, where none could be.
    """

    compared: int = 0
    compared_before: int = 0
    not_compared: str | None = None


def check_whole(
    fetch: Fetch,
    tree: Tree,
    *,
    records: bool = True,
    follow: Path | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Whole:
    """Check all entries and, with ``records``, all records; and whether the service says itself that all is well.

    ``follow``: the folder that says up to where an earlier run has compared them, from where on this one does. Where
    the service gives no records in the order of the log, ``not_compared`` says so. Raises DataStorageError, OSError.
    """
    found = Whole()
    if (said := contradiction(fetch)) is not None:
        found.add("inconsistent", said)
        # Its feed stands still.
        found.not_compared = NOT_GIVEN if records else NOT_ASKED_FOR
        walk(tree, on_progress, found=found)
        return found
    if not records:
        found.not_compared = NOT_ASKED_FOR
        walk(tree, on_progress, found=found)
        return found
    origin = tree.checkpoint.origin
    held = Followed(0, None) if follow is None else OnDisk(follow).followed(origin, tree.size)
    with closing(RecordCheck(fetch, tree.size, held, found)) as check:
        walk(tree, on_progress, check.check, found)
    found.compared, found.compared_before = check.compared, check.start
    if isinstance(check.failed, NoFeedError):
        found.compared_before, found.not_compared = 0, str(check.failed)
    elif isinstance(check.failed, LogInconsistentError):
        # It was found meanwhile.
        found.add("inconsistent", CONTRADICTS)
        found.not_compared = NOT_GIVEN
    elif check.failed is not None and found.well:
        raise check.failed
    elif follow is not None and found.well and check.next is not None:
        OnDisk(follow).follow(origin, Followed(tree.size, check.next))
    return found
