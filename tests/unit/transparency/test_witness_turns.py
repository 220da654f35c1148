"""How a witness is asked: what a failure means for the next time, and that nothing stays behind."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from datastorage_common.notes import COSIGNATURE, make_key
from datastorage_common.witness_policy import Witness

from app.transparency.log_reads import Published
from app.transparency.witness_client import WitnessClient, WitnessError
from app.transparency.witness_turns import Question, Requests, Turn
from tests.support import wait_until

KEY = make_key("w.example", bytes(32), COSIGNATURE).verifier
QUESTION = Question(Published("log.example", 1, b""), 0, [])
AWAY = WitnessError("away", "it does not answer")


def turn_of(**client: Any) -> Turn:
    return Turn(Witness("w", KEY, "https://w.example"), cast("WitnessClient", SimpleNamespace(**client)))


def test_the_pause_doubles_and_has_an_end() -> None:
    turn = turn_of()
    pauses = []
    for _ in range(2000):
        turn.failed(100.0, AWAY)
        pauses.append(turn.again_at - 100.0)
    assert pauses[:8] == [4, 8, 16, 32, 64, 128, 256, 300]
    assert set(pauses[8:]) == {300}
    turn.cosigned()
    turn.failed(100.0, AWAY)
    assert turn.again_at == 104.0


def test_what_is_news() -> None:
    turn = turn_of()
    assert not turn.cosigned()
    assert [turn.failed(0.0, AWAY) for _ in range(3)] == [True, False, False]
    assert turn.failed(0.0, WitnessError("refused", "it answers 500"))
    assert [turn.cosigned() for _ in range(2)] == [True, False]


def test_its_label_is_that_of_its_key() -> None:
    assert turn_of().label == f"w.example+{KEY.key_id.hex()}"


def test_a_mistake_leaves_nobody_busy() -> None:
    def mistake(*_: object) -> None:
        raise AssertionError("a mistake")

    wake = threading.Event()
    requests, turn = Requests(wake), turn_of(add_checkpoint=mistake)
    requests.ask(turn, QUESTION)
    wait_until(wake.is_set, what="there is an answer")
    [answer] = requests.answers()
    assert isinstance(answer.said, WitnessError)
    assert not turn.busy


def test_no_thread_to_be_had_leaves_nobody_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    requests, turn = Requests(threading.Event()), turn_of(add_checkpoint=None)
    requests.ask(turn, QUESTION)
    assert not turn.busy
    assert list(requests.answers()) == []


def test_one_that_shows_nothing_is_no_failure() -> None:
    def refuses(*_: object) -> None:
        raise WitnessError("refused", "it answers 404")

    wake = threading.Event()
    requests, turn = Requests(wake), turn_of(last_seen=refuses)
    requests.ask_for_last(turn, QUESTION)
    wait_until(wake.is_set, what="there is an answer")
    assert [answer.said for answer in requests.answers()] == [None]
