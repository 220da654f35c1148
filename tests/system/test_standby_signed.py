"""PostgreSQL fails over to a real standby while the log is signed: one that lacks the newest, and one that has it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from datastorage_common.notes import make_key

from tests.e2e.load import EVENTS, Writers
from tests.log_check import check_log
from tests.log_support import settled, size, statements_of
from tests.signing_support import (
    KEY,
    ORIGIN,
    SignedLog,
    Steps,
    new_origin,
    redis_memory,
    roots_of,
    signed_log,
    signed_turn,
)
from tests.standby import Pair, superuser, synchronous_pair
from tests.support import BACKEND, Database, GunicornService, event, valkey_server, wait_until

pytestmark = [
    pytest.mark.skipif(BACKEND != "embedded", reason="kills servers: runs with the embedded ones only"),
    pytest.mark.timeout(240),
]
NEW = "log.example/two"
_CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with synchronous_pair() as made:
        yield made


def service_of(pair: Pair, folder: Path, **settings: str) -> GunicornService:
    key_file = folder / "key"
    key_file.touch(0o600)
    key_file.write_text(f"{KEY.encode()}\n{make_key(NEW, KEY.seed).encode()}\n")
    environ = {
        "DATASTORAGE_DATABASE__URL": pair.url,
        "DATASTORAGE_SERVER__WORKERS": "1",
        "DATASTORAGE_LOG__KEY_FILE": str(key_file),
        **settings,
    }
    return GunicornService(environ, folder / "gunicorn.log")


def all_signed(database: Database) -> bool:
    rows = database.query(
        "SELECT size, (SELECT max(c.size) FROM log_checkpoints c WHERE c.origin = h.origin), origin FROM log_head h"
    )
    return rows[0][0] == rows[0][1]


def stored(service: GunicornService) -> bool:
    return service.request("POST", EVENTS, event()).status == 201


def test_an_asynchronous_standby_takes_over_without_what_was_signed(pair: Pair, tmp_path: Path) -> None:
    with valkey_server() as valkey:
        service = service_of(pair, tmp_path, DATASTORAGE_REDIS__URL=valkey.url())
        service.start()
        try:
            with Writers(service, 2, pause=0.01) as writers:
                wait_until(lambda: size(pair.database) > 50, what="load")
                pair.cut_off()
                seen = size(pair.database)
                wait_until(lambda: size(pair.database) > seen + 50, what="load that the standby never sees")
            wait_until(lambda: all_signed(pair.database), what="it is signed")
            lost = size(pair.database)
            new = pair.promote()
            assert size(new) < lost
            wait_until(lambda: stored(service), what="writes go on")
            why = "SELECT inconsistent FROM log_head"
            wait_until(lambda: new.query(why) != [(None,)], what="it is found out")
            assert new.query(why)[0][0].startswith(f"the memory in redis has {lost} entries")
            kept = size(new)
            health = wait_until(
                lambda: (found := service.request("GET", "/health").json).get("log_inconsistent") and found,
                what="/health says so",
            )
            assert health["status"] == "degraded"
            assert service.probe("/health/ready") == 200
            before = new.count()
            assert all(stored(service) for _ in range(5)), "writes go on"
            assert (new.count(), size(new)) == (before + 5, kept), "no place is given"

            with redis_memory(valkey.url()) as memory:
                new_origin(new, [memory], NEW)
            wait_until(lambda: size(new) > kept and all_signed(new), what="the log goes on")
            assert stored(service)
            wait_until(lambda: all_signed(new) and size(new) == new.count() + 1, what="all of it is signed")
            report = settled(new)
            [(root,)] = new.query("SELECT root FROM log_checkpoints WHERE origin = %s ORDER BY size DESC LIMIT 1", NEW)
            assert bytes(root) == report.root
        finally:
            service.stop()
    assert {w.status for w in writers.sent} <= {201, 202}


def test_a_synchronous_standby_has_all_that_was_signed(pair: Pair, tmp_path: Path) -> None:
    """No memory outside is needed: what is signed was committed on both."""
    service = service_of(pair, tmp_path)
    service.start()
    try:
        with Writers(service, 2, pause=0.01) as writers:
            wait_until(lambda: size(pair.database) > 100 and all_signed(pair.database), what="it is signed")
            notes = {n: bytes(r) for n, r in pair.database.query("SELECT size, root FROM log_checkpoints")}
            new = pair.promote()
            wait_until(lambda: stored(service), what="writes go on")
        wait_until(lambda: all_signed(new) and size(new) > max(notes), what="it is signed again")
        report = settled(new, (w.event_id for w in writers.sent if w.status == 201))
        assert new.query("SELECT inconsistent, unsigned FROM log_head") == [(None, None)]
        for n, root in [
            *notes.items(),
            *((n, bytes(r)) for n, r in new.query("SELECT size, root FROM log_checkpoints")),
        ]:
            assert report.tree.root(n) == root
    finally:
        service.stop()


@pytest.mark.parametrize("step", ["COMMIT put_head", "COMMIT note_proven", "advance file", "sign"])
def test_a_failover_between_steps(pair: Pair, tmp_path: Path, step: str) -> None:
    """The standby lacks what happened since it was cut off, and is there before the next step."""
    found: list[Database] = []

    def fail_over(_: str) -> None:
        found.append(pair.promote())

    statements_of(pair.database, 5)
    with signed_log(pair.database, tmp_path, None) as old:
        with old.sequencers() as [one]:
            signed_turn(one)
        assert old.signed() == 5
        pair.cut_off()
        statements_of(pair.database, 5)
        steps = Steps(name=step, act=fail_over)
        with old.sequencers(keys=[steps.key(KEY)]) as [one]:
            steps.watch(one, old.memories)
            signed_turn(one)
            assert steps.done
    [new] = found
    with signed_log(new, tmp_path, None) as signed:
        # Who has committed that the tree is proven needs no PostgreSQL to sign it.
        ahead = step != "COMMIT put_head"
        assert ("sign" in steps.said) == ahead
        statements_of(new, 7)
        with signed.sequencers(2) as several:
            for one in several:
                signed_turn(one)
        assert (signed.head().inconsistent is not None) == ahead
        assert signed.signed() == (5 if ahead else 12)
        statements_of(new, 1)
        _continues(signed)


def _continues(signed: SignedLog) -> None:
    """No size has two roots, and what is stored is the log's."""
    report = check_log(signed.database.superuser_url)
    assert report.faults == []
    assert all(report.tree.root(n) == root for n, root in signed.stored().items())
    assert all(len(roots) == 1 for roots in roots_of(signed.made).values())
    assert {origin for origin, _ in roots_of(signed.made)} == {ORIGIN}


def test_a_commit_that_no_standby_has_is_not_signed(pair: Pair, tmp_path: Path) -> None:
    """A commit that no standby confirms is in doubt: nothing is signed on top of it."""
    statements_of(pair.database, 3)
    with signed_log(pair.database, tmp_path, None) as signed, signed.sequencers() as [one]:
        signed_turn(one)
        pair.standby.kill()

        over = threading.Event()

        def cancel() -> None:
            while not over.wait(0.05):
                superuser(pair.primary, _CANCEL)

        thread = threading.Thread(target=cancel)
        thread.start()
        try:
            statements_of(pair.database, 2)
            for _ in range(3):
                signed_turn(one)
        finally:
            over.set()
            thread.join()
        assert signed.signed() == 3
        assert {size for _, size in roots_of(signed.made)} == {3}, "nothing was signed"
        pair.standby.start()
        signed_turn(one)
        wait_until(lambda: signed_turn(one) is None and signed.signed() == 5, what="it is signed")
    signed.check()
