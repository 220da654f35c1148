"""The count at the end: the ledgers of all clients against the tables and the dead letters."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.rows import dict_row

from app.dlq.keys import EVENTS, KEYS
from bench.campaign.load import EVENT_COLUMNS, NOTIFICATION_COLUMNS, fingerprint
from bench.campaign.report import Report
from bench.campaign.stage import Stage

_EXAMPLES = 5


@dataclass
class _Ledgers:
    """What the clients noted, of all of them."""

    sent: dict[str, str] = field(default_factory=dict)  # id → fingerprint
    acknowledged: dict[str, str] = field(default_factory=dict)  # id → kind of its request
    refused: set[str] = field(default_factory=set)
    unanswered: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)

    def read(self, path: Path) -> None:
        """Add the ledger of one client."""
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                item = json.loads(line)
                if "counts" in item:
                    self.answers.update(item["counts"])
                else:
                    self._note(item["kind"], item["result"], item["prints"])

    def _note(self, kind: str, result: str, prints: dict[str, str]) -> None:
        self.sent.update(prints)
        if result in ("200", "201", "202") or (kind == "notification" and result == "409"):
            # A notification id that is taken is this client's own earlier try: no other client has the id.
            self.acknowledged.update(dict.fromkeys(prints, kind))
        elif result == "400" and kind in ("invalid", "poison"):
            self.refused.update(prints)
        elif result == "unanswered":
            self.unanswered += len(prints)
        else:
            self.unexpected[f"{kind} {result}"] += 1


def count(stage: Stage, paths: Sequence[Path], report: Report) -> None:
    """Fill in what was acknowledged, what is there, and what was broken."""
    ledgers = _Ledgers()
    for path in paths:
        ledgers.read(path)
    there = Counter[str]()
    altered = set()
    with stage.connect(statement_timeout="0") as conn:
        for kind, record in stored(conn):
            of_event = kind == "audit_event"
            ident = record["event_id" if of_event else "notification_id"]
            found = fingerprint(EVENT_COLUMNS if of_event else NOTIFICATION_COLUMNS, record)
            there[ident] += 1
            if ledgers.sent.get(ident, found) != found:
                altered.add(ident)
    dead = dict(_dead(stage))
    altered |= {ident for ident, found in dead.items() if ledgers.sent.get(ident, found) != found}
    report.counts = dict(sorted(ledgers.answers.items()))
    report.unexpected = dict(ledgers.unexpected)
    report.unanswered = ledgers.unanswered
    report.acknowledged = len(ledgers.acknowledged)
    report.found = sum(1 for ident in ledgers.acknowledged if there[ident])
    gone = {ident: kind for ident, kind in ledgers.acknowledged.items() if not there[ident]}
    # Only what the campaign itself made impossible to store may be a dead letter.
    missing = [ident for ident, kind in gone.items() if kind != "poison" or ident not in dead]
    report.dead_letters = len(gone) - len(missing)
    waiting = {ident for name, keys in KEYS.items() for ident, _, _ in _entries(stage, name, keys.stream)}
    report.waiting = sum(1 for ident in missing if ident in waiting)
    report.wrongly_dead = sum(1 for ident in missing if ident in dead)
    doubled = [ident for ident, times in there.items() if times > 1]
    refused = [ident for ident in ledgers.refused if there[ident]]
    broken = {"missing": missing, "doubled": doubled, "altered": sorted(altered), "refused_but_stored": refused}
    for name, idents in broken.items():
        setattr(report, name, len(idents))
        if idents:
            report.examples[name] = idents[:_EXAMPLES]


def stored(conn: psycopg.Connection[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The kind of each record, and the columns of its row that are compared, with its ids as text."""
    tables = (
        ("audit_event", "audit_events", ("event_id::text", *EVENT_COLUMNS)),
        ("notification", "notification_audit", ("notification_id", "id::text", *NOTIFICATION_COLUMNS)),
    )
    with conn.transaction():
        for kind, table, columns in tables:
            # A cursor of the server's: large events do not all have to be here at once.
            with conn.cursor(name=table, row_factory=dict_row) as rows:
                rows.itersize = 200
                rows.execute(f"SELECT {', '.join(columns)} FROM {table}")
                for row in rows:
                    yield kind, row


def _dead(stage: Stage) -> Iterator[tuple[str, str]]:
    """The id and the fingerprint of each dead letter that has a reason."""
    for name, keys in KEYS.items():
        for ident, found, fields in _entries(stage, name, keys.dead):
            if fields.get(b"reason"):
                yield ident, found


def _entries(stage: Stage, name: str, stream: str) -> Iterator[tuple[str, str, dict[bytes, bytes]]]:
    """Of each entry of a stream: the id and the fingerprint of the record in it, and its fields."""
    columns = EVENT_COLUMNS if name == EVENTS else NOTIFICATION_COLUMNS
    after = b"-"
    with stage.queue.client() as connection:
        while batch := cast("list[tuple[bytes, Any]]", connection.xrange(stream, after, "+", count=200)):
            for _, fields in batch:
                payload = defaultdict(str, json.loads(fields[b"message"])["payload"])
                yield payload["event_id"] or payload["notification_id"], fingerprint(columns, payload), fields
            after = b"(" + batch[-1][0]
