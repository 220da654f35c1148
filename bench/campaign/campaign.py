"""The fault campaign: the real service under load while everything around it breaks, and then the count.

Three gunicorn instances, a real PostgreSQL and Valkey, several client processes that retry with ids of their own.
At the end, with everything back, each acknowledged record must be stored exactly once with the content that was
sent, or, where the campaign made that impossible, be a dead letter with its reason. Each stored one must have exactly
one entry in the log, and the log must begin as it was whenever it was looked at. Consumers of the feed must have got
all of the log, in its order.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.campaign import client, load
from bench.campaign.count import count
from bench.campaign.faults import FAULTS
from bench.campaign.faults.injector import Injector
from bench.campaign.faults.queue import COUNTS, move, spoil_counter
from bench.campaign.faults.tools import outage, send
from bench.campaign.feed_count import Feed, FeedCount
from bench.campaign.goals import NO_GOALS, Goals
from bench.campaign.log_count import count_log
from bench.campaign.report import Report
from bench.campaign.root_watch import RootWatch
from bench.campaign.signing import NoteWatch
from bench.campaign.stage import Stage
from tests.support import GunicornService, scratch_dir, wait_until

_DRAIN_SECONDS = 180.0
_LAST_OUTAGE_SECONDS = 30.0
_LOG_SECONDS = 60.0
_FEED_SECONDS = 120.0


def run(
    *,
    seconds: float,
    seed: int,
    clients: int = 3,
    gap: float = 1.0,
    app: str = "honest",
    only: list[str] | None = None,
    max_len: int = 5000,
    pause: float = 0.0,
    drain_seconds: float = _DRAIN_SECONDS,
    redis_server: Path | None = None,
    goals: Goals = NO_GOALS,
) -> Report:
    """Run a campaign and count. ``gap`` is the mean time between faults, ``pause`` between a client's requests.

    It goes on for ``seconds``, and after them until the goals are met.
    """
    report = Report(seed, seconds, app)
    with scratch_dir() as directory:
        stage = Stage(directory, app, redis_server, goals.events)
        watch = RootWatch(stage.connect)
        with stage.running(max_len):
            report.left_out = {name: why for name, why in stage.left_out.items() if name in (only or FAULTS)}
            names = [name for name in only or FAULTS if name not in report.left_out]
            ledgers = [directory / f"ledger-{i}" for i in range(clients)]
            notes = NoteWatch(stage.services)
            with watch.watching(), notes.watching():
                with _load(stage, ledgers, seed, pause, goals.batch, report):
                    injector = Injector(stage, random.Random(seed), names, gap)
                    injector.run(seconds, lambda: goals.met(stage))
                report.faults = injector.counts
                report.errors += injector.errors
                began = time.monotonic()
                _settle(stage, report, drain_seconds)
                report.drain_seconds = round(time.monotonic() - began, 1)
                if not report.errors:
                    _last_outage(stage, names, report, drain_seconds)
                _wait_for_log(stage, report)
                _drain_followers(stage, report)
            stage.ledger.finish()
            report.kills = stage.kills
            count(stage, [*ledgers, stage.ledger_path], report)
            count_log(stage, watch, notes, report)
            _count_feed(stage, report)
            _keep_logs(stage, report)
    return report


@contextlib.contextmanager
def _load(stage: Stage, ledgers: list[Path], seed: int, pause: float, batch: int, report: Report) -> Iterator[None]:
    """The client processes, while the block runs."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    processes = [
        context.Process(target=client.run, args=(seed * 1000 + i, stage.ports, ledger, stop, pause, batch))
        for i, ledger in enumerate(ledgers)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        stop.set()
        for process in processes:
            process.join(120)
            if process.is_alive():
                process.kill()
                report.errors.append("a client process did not end")


def _settle(stage: Stage, report: Report, drain_seconds: float) -> None:
    """Wait until the queue is empty and all that the instances say of themselves is true again."""
    try:
        with _trickle(stage, random.Random(f"{report.seed}-trickle")):
            wait_until(stage.drained, drain_seconds, "the queue is drained")
        for service in stage.services:
            wait_until(partial(_at_rest, service), 15, "gauges are back to zero")
            wait_until(partial(_is_healthy, service), 30, "health is back")
    except AssertionError as e:
        report.errors.append(f"{e}; health: {[_health(service) for service in stage.services]}")


@contextlib.contextmanager
def _trickle(stage: Stage, rng: random.Random) -> Iterator[None]:
    """A write now and then during the block: an entry is known to be at fault by what is stored beside it."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.3):
            send(stage, rng, load.of_events([load.event(rng)]))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _at_rest(service: GunicornService) -> bool:
    samples = service.metrics()
    names = ("datastorage_buffer_depth", 'datastorage_dlq_depth{stream="events"}', "datastorage_breaker_open")
    return all(samples.get(name) == 0 for name in names)


def _is_healthy(service: GunicornService) -> bool:
    return _health(service) == "healthy"


def _health(service: GunicornService) -> str:
    return str(service.request("GET", "/health").json.get("status"))


def _last_outage(stage: Stage, names: list[str], report: Report, drain_seconds: float) -> None:
    """PostgreSQL goes away once more, the queue is disturbed once more, and each instance has to find it by itself."""
    rng = random.Random(f"{report.seed}-last")  # ids that no other part of the campaign makes up
    try:
        with outage(stage):
            _expect_spills(stage, rng, "in the last outage")
            for what in _disturbances(stage, names, rng):
                _expect_spills(stage, rng, f"in the last outage, after {what}")
    except AssertionError as e:
        report.errors.append(str(e))
    try:
        wait_until(stage.drained, drain_seconds, "the queue is drained after the last outage")
    except AssertionError as e:
        report.errors.append(str(e))


def _wait_for_log(stage: Stage, report: Report) -> None:
    try:
        wait_until(stage.sequenced, _LOG_SECONDS, "everything stored has its place in the log")
        wait_until(stage.signed, _LOG_SECONDS, "the log is signed, and cosigned")
    except AssertionError as e:
        report.errors.append(str(e))


def _drain_followers(stage: Stage, report: Report) -> None:
    for follower in stage.followers:
        try:
            follower.drain(_FEED_SECONDS)
        except AssertionError as e:
            report.errors.append(str(e))


def _count_feed(stage: Stage, report: Report) -> None:
    found = FeedCount()
    with stage.connect(statement_timeout="0") as conn:
        feed = Feed.read(conn)
    for follower in stage.followers:
        each = feed.count(follower.lines(), follower.query)
        each.faults = [f"{follower.name}: {fault}" for fault in each.faults]
        found.add(each)
    report.followers = len(stage.followers)
    report.feed_items, report.feed_repeated, report.feed_missing = found.items, found.repeated, found.missing
    report.feed_out_of_order, report.feed_strange, report.feed_faults = found.out_of_order, found.strange, found.faults


def _disturbances(stage: Stage, names: list[str], rng: random.Random) -> Iterator[str]:
    """Disturb the queue, in each way that belongs to these faults; gives what it was, to look at the rest after it."""
    if "redis_moved" in names:
        move(stage, rng)
        yield "redis_moved"
    if "idle_close" in names:
        for end in (stage.queue.relay.hang_up, stage.queue.relay.forget):
            end()
            yield f"idle_close ({end.__name__})"
    if "queue_counters" in names:
        for value in COUNTS:
            spoil_counter(stage, value)
            yield f"queue_counters ({value!r})"


def _expect_spills(stage: Stage, rng: random.Random, when: str) -> None:
    for service in stage.services:
        result = send(stage, rng, load.of_events([load.event(rng)]), _LAST_OUTAGE_SECONDS, service.port)
        assert result == "202", f"a write {when}: {result}; health: {_health(service)}"


def _keep_logs(stage: Stage, report: Report) -> None:
    """With CHAOS_KEEP_LOGS=PREFIX, what the instances logged in a campaign that went wrong."""
    prefix = os.environ.get("CHAOS_KEEP_LOGS")
    if prefix and not report.ok:
        for service in stage.services:
            Path(f"{prefix}-{service.log.name}").write_bytes(service.log.read_bytes())
