"""One request to a witness: what is sent, which answers are taken, and that each ends."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from datastorage_common.checkpoints import Checkpoint
from datastorage_common.merkle import leaf_hash, node_hash
from datastorage_common.notes import COSIGNATURE, MAX_NOTE_BYTES, Note, Signature, make_key

from app.transparency import witness_client
from app.transparency.witness_client import Other, WitnessClient, WitnessError
from tests.witness_server import SIZE, TEXT, AnswerOf, Asked, WitnessServer, witness_server

LOG = make_key("log.example/records", bytes(32))
LEAVES = [leaf_hash(b"%d" % n) for n in range(2)]
ONE = Checkpoint(LOG.name, 1, LEAVES[0])
TWO = Checkpoint(LOG.name, 2, node_hash(*LEAVES))


def note(point: Checkpoint) -> bytes:
    return Note(point.text(), (LOG.sign(point.text()),)).encode()


@pytest.fixture
def witness() -> Iterator[WitnessServer]:
    with witness_server("witness.example/w1", LOG.verifier) as server:
        yield server


@pytest.fixture
def client(witness: WitnessServer) -> Iterator[WitnessClient]:
    made = client_of(witness, witness.url)
    yield made
    made.close()


def client_of(witness: WitnessServer, url: str) -> WitnessClient:
    return WitnessClient(url, witness.key.verifier, ssl.create_default_context(), lambda: datetime.now(UTC))


def test_it_is_asked_from_where_it_is_to_the_new_checkpoint(witness: WitnessServer, client: WitnessClient) -> None:
    first = client.add_checkpoint(0, [], note(ONE))
    second = client.add_checkpoint(1, [LEAVES[1]], note(TWO))
    assert isinstance(first, Signature)
    assert isinstance(second, Signature)
    witness.key.verifier.check(TWO.text(), second)
    assert witness.asked == [Asked(0, [], ONE), Asked(1, [LEAVES[1]], TWO)]
    assert witness.paths == 2 * ["POST /prefix/add-checkpoint"]
    assert len(witness.connections) == 1  # kept alive
    assert client.last_seen(LOG.name).text == TWO.text()


def test_it_says_where_it_is(witness: WitnessServer, client: WitnessClient) -> None:
    client.add_checkpoint(0, [], note(ONE))
    assert client.add_checkpoint(0, [], note(TWO)) == Other(1)


def refusing(status: int, kind: str = TEXT, body: bytes = b"") -> Callable[[Asked], AnswerOf]:
    return lambda _: (status, kind, body)


def lines(*signatures: Signature) -> Callable[[Asked], AnswerOf]:
    return refusing(200, TEXT, "".join(s.line() for s in signatures).encode())


KEY = WitnessServer("witness.example/w1").key
SAME_NAME = make_key(KEY.name, bytes(32), COSIGNATURE)
NOW = int(time.time())  # when the tests were collected, which may be long ago when they run
GOOD = KEY.cosign(ONE.text(), NOW)
OF_ANOTHER = KEY.cosign(TWO.text(), NOW)


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (refusing(404), "refused"),
        (refusing(403), "refused"),
        (refusing(400), "refused"),
        (refusing(500), "refused"),
        (refusing(201), "refused"),
        (refusing(307), "refused"),
        (refusing(422), "contradicts"),
        (refusing(409), "wrong"),
        (refusing(409, TEXT, b"3\n"), "wrong"),
        (refusing(409, SIZE, b"-3\n"), "wrong"),
        (refusing(409, SIZE, b"03\n"), "wrong"),
        (refusing(409, SIZE, b"3\n3\n"), "wrong"),
        (refusing(409, SIZE, b"9223372036854775808\n"), "wrong"),
        (refusing(409, SIZE, b"\xff"), "wrong"),
        (refusing(200), "wrong"),
        (refusing(200, TEXT, b"\xff\n"), "wrong"),
        (refusing(200, TEXT, b"well done\n"), "wrong"),
        (refusing(200, TEXT, MAX_NOTE_BYTES * b" "), "wrong"),
        (refusing(200, TEXT, (MAX_NOTE_BYTES + 1) * b" "), "away"),
        (lines(OF_ANOTHER), "wrong"),
        (lines(SAME_NAME.cosign(ONE.text(), NOW)), "wrong"),
        (lines(Signature(KEY.name, KEY.verifier.key_id, KEY.sign(ONE.text()).value)), "wrong"),
        (lines(KEY.cosign(ONE.text(), 0)), "wrong"),
        (lines(KEY.cosign(ONE.text(), NOW + 86_400)), "wrong"),
        (lines(KEY.cosign(ONE.text(), NOW - 4000)), "wrong"),
        (lines(KEY.cosign(ONE.text(), 2**63 - 1)), "wrong"),
        (lines(OF_ANOTHER, GOOD), "wrong"),
    ],
)
def test_what_is_no_cosignature_is_not_taken(
    witness: WitnessServer, client: WitnessClient, instead: Callable[[Asked], AnswerOf], reason: str
) -> None:
    witness.instead = instead
    with pytest.raises(WitnessError) as caught:
        client.add_checkpoint(0, [], note(ONE))
    assert caught.value.reason == reason
    assert str(caught.value).isprintable()
    assert "/prefix/elsewhere" not in witness.paths


def test_lines_of_other_keys_are_passed_over(witness: WitnessServer, client: WitnessClient) -> None:
    other = make_key("witness.example/w2", bytes(32), COSIGNATURE)
    ml_dsa = Signature(KEY.name, b"\x06abc", 2420 * b"x")
    good = KEY.cosign(ONE.text(), int(time.time()))
    witness.instead = lines(ml_dsa, other.cosign(TWO.text(), NOW), SAME_NAME.cosign(ONE.text(), NOW), good)
    assert client.add_checkpoint(0, [], note(ONE)) == good


def test_one_that_does_not_listen(witness: WitnessServer, client: WitnessClient) -> None:
    witness.stop()
    with pytest.raises(WitnessError, match="does not answer") as caught:
        client.add_checkpoint(0, [], note(ONE))
    assert caught.value.reason == "away"


@pytest.mark.parametrize("how", ["silent", "dripping"])
def test_one_that_does_not_come_to_an_end(
    witness: WitnessServer, client: WitnessClient, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(witness_client, "TOTAL_SECONDS", 0.5)
    if how == "silent":
        witness.hold = threading.Event()
    witness.drip = how == "dripping"
    with pytest.raises(WitnessError, match="Timeout") as caught:
        client.add_checkpoint(0, [], note(ONE))
    assert caught.value.reason == "away"


@pytest.mark.parametrize(
    "url", ["", "ftp://w.example", "http://", "https://me:secret@w.example/", "http://w:0", "x" * 9000]
)
def test_a_url_that_cannot_be_asked(witness: WitnessServer, url: str) -> None:
    with pytest.raises(WitnessError, match="its URL is none") as caught:
        client_of(witness, url).add_checkpoint(0, [], note(ONE))
    assert "secret" not in str(caught.value)


def test_no_proxy_of_the_environment_is_asked(witness: WitnessServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(client_of(witness, witness.url).add_checkpoint(0, [], note(ONE)), Signature)


def test_what_it_shows_may_be_nothing(witness: WitnessServer, client: WitnessClient) -> None:
    with pytest.raises(WitnessError):
        client.last_seen(LOG.name)
    witness.shows = b"no note"
    with pytest.raises(WitnessError) as caught:
        client.last_seen(LOG.name)
    assert caught.value.reason == "wrong"
