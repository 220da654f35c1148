"""Fills audit_events by COPY: any number of events made of CloudTrail records, spread over last month and this one.

Indexes other than the primary key are built afterwards, which takes half the time of keeping them up to date.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import psycopg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.postgres.partitions import add_months
from loadtests.events import mapped
from tests.support import Database

# Rows of one correlation, and how many actors and resources there are: a filter by them picks few and many rows.
ROWS_A_CORRELATION = 5
ROWS_AN_ACTOR = 1000
ROWS_A_RESOURCE = 20
# Table and indexes, as measured, and the log that is written meanwhile.
BYTES_A_ROW = 1500
_SPARE_BYTES = 4 * 1024**3
_CHUNK = 2000
_COLUMNS = (
    "event_id, event_date, event_version, event_type, event_timestamp, event_category, event_action, event_outcome, "
    "correlation_id, event_data, actor_type, actor_id, resource_type, resource_id, namespace, cluster_name, severity, "
    "digest"
)
_INDEXES = (
    "SELECT indexrelid::regclass::text, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index "
    "WHERE indrelid = 'audit_events'::regclass AND NOT indisprimary"
)
_fork = multiprocessing.get_context("fork")


class NoRoomError(Exception):
    """The disk is too small for what was asked; the message says by how much."""


def check_disk(folder: str, rows: int) -> None:
    """NoRoomError unless the disk of ``folder`` has room for that many events."""
    needed, free = rows * BYTES_A_ROW + _SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise NoRoomError(
            f"{rows:,} events need about {needed / 1e9:.0f} GB and {folder} has {free / 1e9:.0f} GB free: "
            "ask for fewer ROWS, or choose another folder with DATA="
        )


def correlation(number: int) -> str:
    """The correlation id of an event by its number in the table."""
    return f"fill-{number // ROWS_A_CORRELATION}"


def actor(number: int, rows: int) -> str:
    """The actor of an event by its number in a table of so many rows; each has about a thousand events."""
    return f"actor-{number * 2_654_435_761 % max(1, rows // ROWS_AN_ACTOR)}"


def resource(number: int, rows: int) -> str:
    """The resource of an event by its number in a table of so many rows; each has about twenty events."""
    return f"resource-{number * 2_147_483_647 % max(1, rows // ROWS_A_RESOURCE)}"


@functools.cache
def _templates() -> list[tuple[bytes, bytes, bytes, bytes]]:
    """Of each record: what stands before the time, before the correlation, in event_data, and behind the resource."""

    def text(value: object) -> bytes:
        if value is None:
            return b"\\N"
        return str(value).encode().replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n")

    made = []
    for event in mapped():
        record = event["event_data"]
        # A record without its longest members: the table is to be long, not wide.
        data = {k: v for k, v in record.items() if len(orjson.dumps(v)) < 120}
        made.append(
            (
                b"\t".join(text(event[k]) for k in ("version", "event_type")),
                b"\t".join(text(event[k]) for k in ("event_category", "event_action", "event_outcome")),
                text(orjson.dumps(data).decode()).removesuffix(b"}"),
                b"\t".join(text(event.get(k)) for k in ("namespace", "cluster_name")),
            )
        )
    return made


def _rows(first: int, last: int, rows: int, begin: datetime, step: timedelta) -> Iterator[bytes]:
    """COPY text of the events with these numbers, in order of time."""
    templates = _templates()
    for chunk in range(first, last, _CHUNK):
        lines = []
        for n in range(chunk, min(chunk + _CHUNK, last)):
            at = begin + n * step
            ms = int(at.timestamp() * 1000)
            kind, middle, data, place = templates[n % len(templates)]
            # A UUIDv7, as the service makes them: later ones sort behind.
            ident = b"%08x-%04x-7%03x-8%03x-%012x" % (ms >> 16, ms & 0xFFFF, n & 0xFFF, n >> 12 & 0xFFF, n)
            lines.append(
                b'%b\t%b\t%b\t%b\t%b\t%b\t%b,"sequence":%d}\tservice\t%b\tkind-%d\t%b\t%b\t%b\t\\\\x%064x\n'
                % (
                    ident,
                    at.date().isoformat().encode(),
                    kind,
                    at.isoformat().encode(),
                    middle,
                    correlation(n).encode(),
                    data,
                    n,
                    actor(n, rows).encode(),
                    n % 20,
                    resource(n, rows).encode(),
                    place,
                    b"info" if n % 7 else b"warning",
                    n,
                )
            )
        yield b"".join(lines)


def _copy(url: str, first: int, last: int, rows: int, begin: datetime, step: timedelta, done: object) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET synchronous_commit = off")
        with conn.cursor().copy(f"COPY audit_events ({_COLUMNS}) FROM STDIN") as copy:
            for chunk in _rows(first, last, rows, begin, step):
                copy.write(chunk)
                with done.get_lock():  # type: ignore[attr-defined]
                    done.value += _CHUNK  # type: ignore[attr-defined]


def fill(database: Database, rows: int, *, processes: int = 2, progress: bool = True) -> float:
    """Put ``rows`` events into the empty table, build its indexes and vacuum it; the seconds that took.

    Raises RuntimeError where a part could not be written.
    """
    began = time.perf_counter()
    now = datetime.now(UTC)
    begin = datetime.combine(add_months(now.date(), -1), datetime.min.time(), UTC)
    step = (now - begin) / rows
    _templates()
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        indexes = conn.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            conn.execute(f"DROP INDEX {name}")
        done = _fork.Value("q", 0)
        bounds = [rows * n // processes for n in range(processes + 1)]
        children = [
            _fork.Process(target=_copy, args=(database.superuser_url, low, high, rows, begin, step, done), daemon=True)
            for low, high in itertools.pairwise(bounds)
        ]
        for child in children:
            child.start()
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, disable=not progress, transient=True) as bar:
            task = bar.add_task("  events", total=rows)
            while any(child.is_alive() for child in children):
                bar.update(task, completed=done.value)
                time.sleep(0.1)
            if any(child.exitcode for child in children):
                raise RuntimeError("filling the table failed: see above")
            bar.update(task, completed=rows)
            conn.execute("SET maintenance_work_mem = '512MB'")
            task = bar.add_task("  indexes", total=len(indexes) + 1)
            for _, definition in indexes:
                conn.execute(definition)
                bar.advance(task)
            with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
                superuser.execute("VACUUM (ANALYZE) audit_events")
                superuser.execute("CHECKPOINT")
            bar.advance(task)
    return time.perf_counter() - began
