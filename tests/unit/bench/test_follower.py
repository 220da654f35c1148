"""The campaign's consumer of the feed: what it has kept where it was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.campaign.follower import Folder, Kept

LINES = [("run", -1), ("audit_event", "a", 0, "print"), ("audit_event", "b", 1, "print")]


def _lines(path: Path) -> list[Any]:
    return [tuple(json.loads(line)) for line in (path / "items").read_text().splitlines()]


def test_it_begins_at_the_beginning(tmp_path: Path) -> None:
    assert Folder(tmp_path).kept == Kept(None, -1, 0)


def test_what_came_before_its_cursor_was_kept_stays(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    first.add(LINES)
    first.handled("cursor", 1)
    first.add([("audit_event", "c", 2, "print")])
    again = Folder(tmp_path)
    assert (again.kept.cursor, again.kept.index) == ("cursor", 1)
    again.add([("run", 1)])
    assert _lines(tmp_path) == [*LINES, ("audit_event", "c", 2, "print"), ("run", 1)]


def test_a_line_that_has_no_end_is_not_there(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    for cursor in ("first", "second"):
        first.add(LINES)
        first.handled(cursor, 1)
        with open(tmp_path / "items", "a") as items:
            items.write('["audit_event", "zo')
        (tmp_path / "cursor.new").write_text("{")
        first = Folder(tmp_path)
        assert first.kept.cursor == cursor
    assert _lines(tmp_path) == [*LINES, *LINES]


def test_a_line_without_an_end_before_the_first_cursor_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "items").write_text('["run", -')
    Folder(tmp_path).add(LINES)
    assert _lines(tmp_path) == LINES
