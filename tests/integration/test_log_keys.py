"""The keys of the log: one takes the place of another, and a worker that has none works beside one that has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flask
from datastorage_common.notes import make_key, parse_note

from tests.integration.service import EVENTS
from tests.log_support import statements_of
from tests.signing_support import KEY, ORIGIN, signed_log, signed_turn
from tests.support import Database, event, wait_until

NEXT = make_key(ORIGIN, bytes(range(32, 64)))
OTHER = make_key("log.example/two", bytes(range(64, 96)))


def test_one_key_takes_the_place_of_another(database: Database, tmp_path: Path) -> None:
    """Instances get the new one one after the other, and take over from each other meanwhile."""
    with signed_log(database, tmp_path, None) as signed:
        for keys in ((KEY,), (KEY, NEXT), (KEY,), (KEY, NEXT), (NEXT, KEY, OTHER), (NEXT,), (KEY, NEXT), (NEXT,)):
            statements_of(database, 1)
            with signed.sequencers(keys=keys) as [one]:
                signed_turn(one)
            assert signed.signed() == signed.head().size
            [(text,)] = database.query("SELECT note FROM log_checkpoints ORDER BY size DESC LIMIT 1")
            note = parse_note(text.encode())
            for key in (KEY, NEXT, OTHER):
                signs = key in keys and key.name == ORIGIN
                assert (key.verifier.signed(note) is not None) == signs
        signed.check(keys=(KEY, NEXT))


def test_a_key_of_another_name_signs_nothing(database: Database, tmp_path: Path) -> None:
    with signed_log(database, tmp_path, None) as signed:
        for keys, origin, why in (
            ((KEY,), None, None),
            ((OTHER,), None, f"there is no key of the log {ORIGIN}: log.key_file has none"),
            ((OTHER, KEY), OTHER.name, f"there is no key of the log {ORIGIN}: log.origin is {OTHER.name}"),
            ((OTHER, KEY), None, None),
        ):
            statements_of(database, 1)
            with signed.sequencers(keys=keys, origin=origin) as [one]:
                signed_turn(one)
            assert signed.head().unsigned == why
            assert (signed.signed() == signed.head().size) == (why is None)
        assert signed.head().origin == ORIGIN
        signed.check()


def test_a_worker_without_a_key_beside_one_with(
    database: Database, tmp_path: Path, make_services_on: Callable[..., flask.Flask]
) -> None:
    """The one without may come first, and give places; the one with a key takes over, and signs."""
    key_file = tmp_path / "key"
    key_file.write_text(KEY.encode() + "\n")
    key_file.chmod(0o600)

    def all_signed() -> bool:
        return database.query(
            "SELECT size > 0 AND size = (SELECT max(c.size) FROM log_checkpoints c) FROM log_head"
        ) == [(True,)]

    without = make_services_on(database)
    assert without.test_client().post(EVENTS, json=event()).status_code == 201
    wait_until(lambda: database.query("SELECT size, unsigned IS NULL FROM log_head") == [(1, False)], what="a place")
    make_services_on(database, log={"key_file": str(key_file)})
    wait_until(all_signed, what="it is signed")
    for _ in range(3):
        assert without.test_client().post(EVENTS, json=event()).status_code == 201
        wait_until(lambda: database.query("SELECT size > 1 FROM log_head") == [(True,)], what="a place")
        wait_until(all_signed, what="it is signed")
