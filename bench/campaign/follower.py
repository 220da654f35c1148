"""A consumer of the feed as a process of its own: it keeps what it got, then the cursor, and may be killed anywhere.

    python -m bench.campaign.follower FOLDER SEED PORTS QUERY

Its folder holds ``items``, a file of JSON lines that only grows: where a run begins, each record that came, and what
was wrong with an answer. ``cursor`` is replaced when all of a page is in that file. So each record comes at least once:
one that was kept before its page's cursor was comes again. With a file ``stop`` in the folder it ends as soon as the
feed says that there is nothing more.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.campaign.load import EVENT_COLUMNS, NOTIFICATION_COLUMNS, fingerprint

FEED = "/api/v1/audit/feed"
RUN, PROBLEM = "run", "problem"  # the first member of a line that is not a record's
Line = Sequence[Any]  # of a record: its kind, its id, its place, the fingerprint of what it says
_TIMEOUT_SECONDS = 12.0
_LIMITS = (1, 7, 100, 1000)
_WAIT_SECONDS = (0, 0, 1, 5)


def line_of(item: Mapping[str, Any]) -> tuple[str, str, int, str]:
    """The line of a record of the feed, or of a row of its kind."""
    kind = item["kind"]
    if kind == "act":
        return kind, item["act_id"], item["log_index"], ""
    ident = item["event_id"] if kind == "audit_event" else str(item["id"])
    columns = EVENT_COLUMNS if kind == "audit_event" else NOTIFICATION_COLUMNS
    return kind, ident, item["log_index"], "removed" if item.get("removed") else fingerprint(columns, item)


@dataclass(frozen=True)
class Kept:
    """What is on disk beside the records."""

    cursor: str | None = None  # None: from the beginning
    index: int = -1  # the place of the last record before the cursor
    size: int = 0  # of the file of records at that time, in bytes


class Folder:
    """What a consumer keeps, for one process at a time."""

    def __init__(self, path: Path) -> None:
        self._cursor, self._items, self.stop = path / "cursor", path / "items", path / "stop"
        self.kept = Kept()
        with contextlib.suppress(FileNotFoundError):
            self.kept = Kept(**json.loads(self._cursor.read_text()))
        self._out = open(self._items, "ab")  # noqa: SIM115 - as long as the process
        self._cut()

    def add(self, lines: Sequence[Line]) -> None:
        """Keep these, on disk when this returns."""
        self._out.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        self._out.flush()
        os.fsync(self._out.fileno())

    def handled(self, cursor: str, index: int) -> None:
        """Go on behind this cursor from now on: all before it has been kept."""
        self.kept = Kept(cursor, index, self._out.tell())
        new = self._cursor.with_name("cursor.new")
        with open(new, "w") as out:
            json.dump(vars(self.kept), out)
            out.flush()
            os.fsync(out.fileno())
        new.replace(self._cursor)

    def _cut(self) -> None:
        """Remove a line that a kill has left without its end: nothing was told that it is kept."""
        with open(self._items, "rb") as lines:
            lines.seek(self.kept.size)
            end = self.kept.size + lines.read().rfind(b"\n") + 1
        self._out.truncate(end)
        self._out.seek(end)


class Follower:
    """Asks one instance after the other for what comes next."""

    def __init__(self, folder: Folder, rng: random.Random, ports: list[int], query: Mapping[str, str]) -> None:
        self._folder = folder
        self._rng = rng
        self._ports = ports
        self._query = query
        self._campaign = os.getppid()
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def run(self) -> None:
        """Follow until told to stop and at the end, or the campaign is gone."""
        self._folder.add([(RUN, self._folder.kept.index)])
        while os.getppid() == self._campaign:
            stop = self._folder.stop.exists()
            limit, wait = self._rng.choice(_LIMITS), 0 if stop else self._rng.choice(_WAIT_SECONDS)
            status, answer, late = self._ask(limit, wait)
            if status == 200:
                self._take(answer, limit)
                if stop and answer["caught_up"]:
                    return
            elif status not in (0, 503):
                self._folder.add([(PROBLEM, f"{status} {answer.get('type')} {answer.get('detail')}")])
                late = True
            if late or status != 200 or (answer["caught_up"] and not wait):
                time.sleep(0.02 + self._rng.random() * 0.2)

    def _take(self, answer: dict[str, Any], limit: int) -> None:
        """Keep a page, and then its cursor."""
        kept, items = self._folder.kept, answer["events"]
        wrong = []
        if len(items) > limit:
            wrong.append(f"{len(items)} records where {limit} were asked for")
        if not items and not answer["caught_up"] and answer["next"] == kept.cursor:
            wrong.append("a page that is empty, not the end, and leads to itself")
        if items or wrong:
            self._folder.add([line_of(item) for item in items] + [(PROBLEM, what) for what in wrong])
        if answer["next"] != kept.cursor:
            self._folder.handled(answer["next"], items[-1]["log_index"] if items else kept.index)

    def _ask(self, limit: int, wait: int) -> tuple[int, dict[str, Any], bool]:
        """The status (0: no answer), what was answered, and whether it said to come later."""
        port = self._rng.choice(self._ports)
        after = {} if self._folder.kept.cursor is None else {"after": self._folder.kept.cursor}
        target = f"{FEED}?{urlencode({**self._query, **after, 'limit': limit, 'wait': wait})}"
        connection = self._connections.get(port)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS + max(_WAIT_SECONDS))
            self._connections[port] = connection
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, json.loads(response.read()), response.headers.get("Retry-After") is not None
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            return 0, {}, False


def main(folder: str, seed: str, ports: str, query: str) -> None:
    """Entry point of the process; ``ports`` are separated by commas, ``query`` is an object of parameters as JSON."""
    Follower(
        Folder(Path(folder)), random.Random(seed), [int(port) for port in ports.split(",")], json.loads(query)
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
