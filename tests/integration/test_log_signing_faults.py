"""Signing is broken off, paused and repeated at every step: no two trees of one size are ever signed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import redis

from devserver.processes import Guarded
from tests.integration.test_reconnect import at_port, port_of
from tests.log_support import lose_answer, statements_of
from tests.relay import Relay
from tests.signing_support import KEY, SignedLog, Steps, notes_in, signed_log, signed_turn
from tests.support import ROOT, Database, Valkey, wait_until

# Behind each of these something has changed that others see, or was found out that may be old by the time it is used.
_TELLING = (
    "COMMIT put_head", "read redis", "read file", "last", "tiles", "note_proven", "COMMIT note_proven", "advance redis",
    "advance file", "sign", "put", "COMMIT stands",
)  # fmt: skip
# Those at which another one finds most amiss; the others take as long.
_OFTEN = ("COMMIT note_proven", "advance redis", "sign")


@pytest.fixture
def signed(database: Database, streams: redis.Redis, valkey: Valkey, tmp_path: Path) -> Iterator[SignedLog]:
    with signed_log(database, tmp_path, valkey.url(0)) as made:
        yield made


def process(signed: SignedLog, valkey: Valkey, sent: str, *which: str) -> Guarded:
    database = signed.database
    where = [database.service_url, str(database.server.pooled), valkey.url(0), str(signed.folder)]
    return Guarded(
        [sys.executable, "-m", "tests.signing_deaths", *where, sent, *which],
        cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@pytest.mark.timeout(240)
def test_a_process_that_is_killed_behind_any_step(signed: SignedLog, valkey: Valkey) -> None:
    child = process(signed, valkey, "SIGKILL", "0", "120")
    out, _ = child.communicate(timeout=200)
    assert child.returncode == 3, "it was killed until there were no more steps"
    steps = (signed.folder / "steps").read_text().split("\n")
    assert set(_TELLING) | {"fsync", "replace"} <= set(steps)
    deaths = len(out.split()) - 1
    assert deaths > 30
    with signed.sequencers() as [one]:
        signed_turn(one)
    report = signed.check()
    assert signed.signed() == report.size == (deaths + 1) * 260
    made = notes_in(signed.made)
    stored = signed.database.count("log_checkpoints")
    assert len(made) > stored, "some died with a note that was never stored"


@pytest.mark.parametrize(
    "step",
    [n if n in _OFTEN else pytest.param(n, marks=pytest.mark.nightly) for n in _TELLING],
    ids=lambda n: n.replace(" ", "-"),
)
def test_one_that_is_stopped_behind_a_step_does_no_harm_when_it_comes_back(
    signed: SignedLog, valkey: Valkey, step: str
) -> None:
    child = process(signed, valkey, "SIGSTOP", step)
    assert child.stdout is not None
    stopped = psutil.Process(int(child.stdout.readline()))
    try:
        wait_until(lambda: stopped.status() == psutil.STATUS_STOPPED, what="it is stopped")
        with signed.sequencers() as [one]:

            def goes_on() -> bool:
                signed_turn(one)
                return signed.signed() == signed.head().size >= 260

            wait_until(goes_on, what="another one takes over and signs")
            for _ in range(3):
                statements_of(signed.database, 1, count=100)
                signed_turn(one)
            assert signed.signed() == 560
            stopped.send_signal(signal.SIGCONT)
            assert child.wait(60) == 0, "it came back"
            statements_of(signed.database, 1, count=100)
            wait_until(lambda: goes_on() and signed.signed() == 660, what="the log goes on")
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        child.stdout.close()
    signed.check()
    assert signed.head().inconsistent is None


def _cut(relay: Relay, steps: Steps) -> None:
    relay.hang_up()


def _forgotten(relay: Relay, steps: Steps) -> None:
    relay.forget()


def _answer_lost(relay: Relay, steps: Steps) -> None:
    assert steps.conn is not None
    lose_answer(steps.conn)


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("commit", ["COMMIT put_head", "COMMIT note_proven", "COMMIT stands"])
@pytest.mark.parametrize(("how", "before"), [(_cut, True), (_forgotten, True), (_answer_lost, False)])
def test_a_commit_in_doubt_is_not_signed(
    signed: SignedLog, commit: str, how: Callable[[Relay, Steps], None], before: bool
) -> None:
    with Relay(port_of(signed.database.service_url)) as relay:
        # All but sequencers goes past the relay.
        server = signed.database.server
        through = Database(
            signed.database.name, signed.database.superuser_url, signed.database.owner_url,
            at_port(signed.database.service_url, relay.port), server=server,
        )  # fmt: skip
        cut = SignedLog(through, signed.folder, signed.memories)
        steps = Steps(name=commit, before=before)
        steps.act = lambda _: how(relay, steps)
        statements_of(signed.database, 3)
        with cut.sequencers(keys=[steps.key(KEY)]) as [one]:
            steps.watch(one, signed.memories)
            signed_turn(one)
            assert steps.done
            assert not one.leading
            assert ("sign" in steps.said) == (commit == "COMMIT stands")
            statements_of(signed.database, 3)
            signed_turn(one)
    signed.check()
    assert signed.signed() == 6


@pytest.mark.parametrize("step", ["read file", "COMMIT note_proven", "advance redis", "sign"])
def test_another_one_signs_in_the_middle_of_a_signature(signed: SignedLog, valkey: Valkey, step: str) -> None:
    """Whatever one has found out by then, the others have gone on since."""
    statements_of(signed.database, 3)
    with (
        signed_log(signed.database, signed.folder, valkey.url(0)) as same,
        signed.sequencers(2) as [other, third],
    ):
        signed_turn(other)

        def go_on(_: str) -> None:
            for each in (third, other):
                statements_of(signed.database, 2)
                signed_turn(each)

        steps = Steps(name=step, act=go_on)
        statements_of(signed.database, 3)
        with same.sequencers(keys=[steps.key(KEY)]) as [one]:
            steps.watch(one, same.memories)
            signed_turn(one)
            assert steps.done
        statements_of(signed.database, 1)
        for _ in range(2):
            signed_turn(other)
    signed.check()
    assert signed.signed() == signed.head().size == 11
    assert signed.head().inconsistent is None


def test_several_sign_at_once(signed: SignedLog, valkey: Valkey) -> None:
    stop = threading.Event()

    def sign() -> None:
        with signed_log(signed.database, signed.folder, valkey.url(0)) as same, same.sequencers() as [one]:
            while not stop.is_set():
                signed_turn(one)

    with ThreadPoolExecutor(3) as threads:
        working = [threads.submit(sign) for _ in range(3)]
        try:
            for _ in range(60):
                statements_of(signed.database, 10)
            seen = "SELECT count(DISTINCT epoch) > 3 AND max(size) = 600 FROM log_checkpoints"
            wait_until(lambda: signed.database.query(seen) == [(True,)], what="several of them have signed")
        finally:
            stop.set()
        for each in working:
            each.result()
    signed.check()
    assert signed.head().inconsistent is None
