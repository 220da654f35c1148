"""Who follows the feed, under load: consumers that are killed again and again, and instances that stop and start."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from datastorage_common.notes import make_key

from bench.campaign import load
from bench.campaign.feed_count import Feed, FeedCount
from bench.campaign.follower import FEED
from bench.campaign.followers import FollowerProcess, following
from tests.log_support import new_id, settled
from tests.support import ROOT, Answer, Database, GunicornService, event, wait_until

Run = Callable[..., GunicornService]

KILLS = int(os.environ.get("FOLLOWER_KILLS", "10"))
EVENTS = "/api/v1/audit/events"
_WRITERS = 2
_BATCH_EVENTS = 20
_PAUSE_SECONDS = 0.03
_DRAIN_SECONDS = 120


@contextlib.contextmanager
def writing(services: list[GunicornService]) -> Iterator[dict[str, str]]:
    """Batches of events are sent during the block; the severity of each that was answered 201, by its id."""
    acknowledged: dict[str, str] = {}
    over = threading.Event()

    def write(number: int) -> None:
        rng = random.Random(number)
        while not over.is_set():
            events = [load.event(rng) for _ in range(rng.randrange(1, _BATCH_EVENTS))]
            with contextlib.suppress(OSError):  # it stops, or is still to start
                if rng.choice(services).request("POST", f"{EVENTS}/batch", events).status == 201:
                    acknowledged.update((e["event_id"], e["severity"]) for e in events)
            over.wait(_PAUSE_SECONDS)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(_WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def run_signing(run_service: Run, tmp_path: Path) -> Run:
    """Starts services that sign the log."""
    keys = tmp_path / "keys"
    keys.write_text(make_key("log.example/one", bytes(range(32))).encode())
    keys.chmod(0o600)
    return lambda **settings: run_service(log__key_file=str(keys), **settings)


def drained(database: Database, followers: list[FollowerProcess], acknowledged: dict[str, str]) -> FeedCount:
    """Have each come to the end of the feed, where it has every event that was acknowledged; what they got, counted."""
    settled(database, acknowledged)
    wait_until(lambda: all_signed(database), what="all of the log is signed")
    found = FeedCount()
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        feed = Feed.read(conn)
    for follower in followers:
        follower.drain(_DRAIN_SECONDS)
        lines = list(follower.lines())
        got = [line[1] for line in lines if line[0] == "audit_event"]
        severity = follower.query.get("severity")
        asked_for = {ident for ident, has in acknowledged.items() if severity in (None, has)}
        assert asked_for - set(got) == set()
        found.add(feed.count(lines, follower.query))
    return found


def all_signed(database: Database) -> bool:
    [(size, signed)] = database.query("SELECT size, (SELECT max(size) FROM log_checkpoints) FROM log_head")
    return bool(size == signed)


@pytest.mark.timeout(900)  # for 200 kills
def test_who_is_killed_again_and_again_gets_every_record_in_order(
    run_signing: Run, database: Database, tmp_path: Path
) -> None:
    service = run_signing(server__workers="2")
    rng = random.Random(KILLS)
    with following(tmp_path, [service.port]) as followers:
        with writing([service]) as acknowledged:
            for number in range(KILLS):
                time.sleep(rng.random() * 0.4)
                follower = followers[number % len(followers)]
                follower.kill(rng)
                follower.start()
        found = drained(database, followers, acknowledged)
    assert acknowledged
    assert found == FeedCount(items=found.items, repeated=found.repeated)
    runs = [line for follower in followers for line in follower.lines() if line[0] == "run"]
    assert len(runs) > len(followers)


def test_instances_that_stop_and_start_lose_nothing_of_the_feed(
    run_signing: Run, database: Database, tmp_path: Path
) -> None:
    services = [run_signing(server__workers="1") for _ in range(2)]
    with following(tmp_path, [service.port for service in services]) as followers:
        with writing(services) as acknowledged:
            for service in services:
                before = len(acknowledged)
                assert service.stop() == 0
                wait_until(lambda before=before: len(acknowledged) > before + 50, what="the other one is written to")
                service.start()
        found = drained(database, followers, acknowledged)
    # Nobody was killed, so nothing comes twice.
    assert found == FeedCount(items=found.items)
    assert found.items >= len(acknowledged)


# So long that who waits for it runs into the limit of the test.
_AN_HOUR = """
__file__ = {conf!r}
exec(compile(open(__file__).read(), __file__, "exec"))
_as_usual = post_fork

def post_fork(server, worker):
    from app.transparency import feed_routes
    feed_routes.MAX_WAIT_SECONDS = 3600
    _as_usual(server, worker)
"""


def test_who_waits_is_answered_when_an_instance_stops_and_goes_on_at_another(run_signing: Run, tmp_path: Path) -> None:
    conf = tmp_path / "gunicorn.conf.py"
    conf.write_text(_AN_HOUR.format(conf=str(ROOT / "gunicorn.conf.py")))
    # One request thread in four may wait. The delay is never over here: requests are still served.
    settings = {"server__workers": "1", "server__threads": "4", "shutdown__endpoint_propagation_delay": "1h"}
    stopping, other = run_signing(**settings, start=False, shutdown__timeout="2h"), run_signing()
    stopping.config = conf
    with contextlib.ExitStack() as stack:
        stopping.start()
        stack.callback(stopping.kill)
        assert stopping.request("POST", EVENTS, event()).status == 201
        page = wait_until(lambda: (a := poll(stopping)).json["events"] and a, what="it is in the feed").json
        assert page["caught_up"]
        answers: list[Answer] = []
        thread = threading.Thread(
            target=lambda: answers.append(poll(stopping, after=page["next"], wait=3600)), daemon=True
        )
        thread.start()
        wait_until(lambda: stopping.metrics()["datastorage_feed_waiting"] == 1, what="it waits")
        assert refused(poll(stopping, after=page["next"], wait=3600)), "there is room for one"
        assert stopping.process is not None
        stopping.process.send_signal(signal.SIGTERM)
        thread.join(100)
        assert len(answers) == 1, "who waits was not answered"
        assert answers[0].status == 200
        assert answers[0].json == {"events": [], "next": page["next"], "caught_up": True}
        # From now on nobody waits here, and what is written comes elsewhere.
        assert refused(poll(stopping, after=page["next"], wait=3600))
        ident = new_id()
        assert stopping.request("POST", EVENTS, event(event_id=ident)).status == 201
        [item] = wait_until(lambda: poll(other, after=page["next"], wait=30).json["events"], what="it comes")
        assert item["event_id"] == ident


def poll(service: GunicornService, **query: Any) -> Answer:
    return service.request("GET", f"{FEED}?{urlencode(query)}", timeout=3600)


def refused(answer: Answer) -> bool:
    """Whether there was no room to wait."""
    return "Retry-After" in answer.headers
