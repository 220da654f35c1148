"""When the keys of an issuer are fetched, who waits for them, and what a token is told meanwhile."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.auth import issuer_keys
from app.auth.issuer_keys import MAX_UNJUDGED, MAX_WAITING, Fetched, FetchError, IssuerKeys
from app.auth.key_set import KeySet, parse_key_set
from app.auth.principal import KeysUnknownError
from tests.support import wait_until
from tests.tokens import Issuer
from tests.unit.fakes import StandingClock

ISSUER = Issuer()


class Source:
    """In place of the HTTP fetcher: gives what it is told, and waits where it is told to."""

    def __init__(self, *kids: str) -> None:
        self.content = ISSUER.jwks(*kids)
        self.away = False
        self.fetches = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Semaphore(0)

    def fetch(self) -> Fetched:
        self.fetches += 1
        self.begun.release()
        assert self.go_on.wait(60)
        if self.away:
            raise FetchError("connection refused")
        return Fetched(self.content, parse_key_set(self.content), 300.0)


class Keys:
    """Keys on a clock that stands, whose rounds the test does by hand until it starts the thread."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.clock = StandingClock()
        self.keys = IssuerKeys("a", source, self.clock)
        self.ages: list[float] = []

    def start(self) -> None:
        self.keys.start(lambda name, age: self.ages.append(age))

    def later(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.keys.round()


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Keys]]:
    # Nobody here waits for a thread that is not there; what waits is told by the test.
    monkeypatch.setattr(issuer_keys, "_WAIT_SECONDS", 0.0)
    made: list[Keys] = []

    def keys(*kids: str) -> Keys:
        made.append(Keys(Source(*kids or ("ec",))))
        return made[-1]

    yield keys
    for each in made:
        each.source.go_on.set()
        each.keys.stop()


def outcome(k: Keys, ident: str, seen: KeySet | None = None) -> str:
    """What a token with an unknown key is told: newer keys, 503 or 401."""
    seen = seen or k.keys.current()
    try:
        return "401" if k.keys.after_unknown(ident, seen) is seen else "newer"
    except KeysUnknownError:
        return "503"


def test_before_the_first_set_nothing_can_be_judged(make: Callable[..., Keys]) -> None:
    k = make()
    k.source.away = True
    for _ in range(2):
        with pytest.raises(KeysUnknownError):
            k.keys.current()
        k.later(60)
    assert k.keys.failing
    assert k.keys.age() == math.inf
    k.source.away = False
    k.later(60)
    assert k.keys.current()
    assert (k.keys.failing, k.keys.age()) == (False, 0.0)


def test_a_set_is_fetched_again_when_its_time_is_over(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    for _ in range(26):
        k.later(10)
    assert k.source.fetches == 1
    for _ in range(8):
        k.later(10)
    assert k.source.fetches == 2


def test_the_same_set_stays_the_same_object(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    first = k.keys.current()
    k.later(400)
    assert k.keys.current() is first
    k.source.content = ISSUER.jwks("rsa")
    k.later(400)
    assert k.keys.current() is not first


def test_the_last_good_set_stays_for_as_long_as_the_issuer_is_away(
    make: Callable[..., Keys], caplog: pytest.LogCaptureFixture
) -> None:
    k = make()
    k.later(0)
    first = k.keys.current()
    k.source.away = True
    with caplog.at_level(logging.ERROR):
        for _ in range(60):
            k.later(10)
    assert k.keys.current() is first
    assert k.keys.failing
    assert k.keys.age() == 600
    assert 10 < k.source.fetches < 40
    lines = [r.getMessage() for r in caplog.records]
    assert 1 < len(lines) <= 6, "no more than one a minute"
    assert lines[0].endswith("connection refused; the keys that were fetched before stay in force")


def test_an_unknown_key_brings_about_one_fetch_for_all(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    k.later(20)
    for number in range(1000):
        assert outcome(k, f"made-up-{number}") == ("503" if number < MAX_UNJUDGED else "401")
    k.later(0)
    assert k.source.fetches == 2
    for number in range(1000, 2000):
        outcome(k, f"made-up-{number}")
    for _ in range(9):
        k.later(1)
    assert k.source.fetches == 2, "not before ten seconds are over"
    k.later(1)
    assert k.source.fetches == 3


def test_an_unknown_key_is_refused_after_a_fetch_that_began_later(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    assert outcome(k, "other") == "503"
    k.later(0)
    assert [outcome(k, "other") for _ in range(3)] == ["401"] * 3
    assert k.source.fetches == 2
    # Another one comes while no fetch may begin.
    assert outcome(k, "third") == "503"
    k.later(10)
    assert (outcome(k, "third"), outcome(k, "other")) == ("401", "401")
    # It may have been published since.
    k.later(31)
    assert outcome(k, "other") == "503"


def test_when_to_come_again(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    outcome(k, "one")
    k.later(0)
    k.clock.seconds += 3.5
    with pytest.raises(KeysUnknownError) as e:
        k.keys.after_unknown("two", k.keys.current())
    assert e.value.retry_after_seconds == 7


def test_a_new_key_is_found(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    seen = k.keys.current()
    k.source.content = ISSUER.jwks("ec", "rsa")
    assert outcome(k, "rsa", seen) == "503"
    k.later(0)
    assert outcome(k, "rsa", seen) == "newer"


def test_while_the_issuer_is_away_an_unknown_key_is_not_refused(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    k.source.away = True
    k.later(400)
    assert outcome(k, "new") == "503"
    for _ in range(5):
        k.later(100)
        assert outcome(k, "new") == "503"
    # Within bounds: others are.
    for number in range(MAX_UNJUDGED - 1):
        assert outcome(k, f"made-up-{number}") == "503"
    assert outcome(k, "one-more") == "401"
    k.source.away = False
    k.later(100)
    assert outcome(k, "new") == "401"


def test_a_key_id_that_no_issuer_has_is_not_asked_for(make: Callable[..., Keys]) -> None:
    k = make()
    k.later(0)
    k.later(20)
    assert outcome(k, "x" * 257) == "401"
    k.later(0)
    assert k.source.fetches == 1


def test_what_goes_wrong_in_a_fetch_leaves_the_set(make: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch) -> None:
    k = make()
    k.later(0)
    first = k.keys.current()
    monkeypatch.setattr(k.source, "fetch", lambda: 1 / 0)
    k.later(400)
    assert (k.keys.current(), k.keys.failing) == (first, True)


def test_a_set_without_keys_is_in_force(make: Callable[..., Keys], caplog: pytest.LogCaptureFixture) -> None:
    k = make()
    k.later(0)
    k.source.content = b'{"keys": []}'
    for _ in range(3):
        k.later(400)
    assert not k.keys.current()
    assert [r.getMessage() for r in caplog.records if "publishes no key" in r.getMessage()] == [
        "issuer a publishes no key that can be used: its tokens are refused"
    ]


def test_the_request_that_meets_a_new_key_waits_for_it(
    make: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "_WAIT_SECONDS", 60.0)
    k = make()
    k.start()
    k.keys.wait_first(60)
    seen = k.keys.current()
    k.source.content = ISSUER.jwks("rsa")
    assert outcome(k, "rsa", seen) == "newer"
    assert k.source.fetches == 2
    wait_until(lambda: k.ages, what="the age")


def test_no_more_than_a_few_threads_wait(make: Callable[..., Keys], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "_WAIT_SECONDS", 60.0)
    k = make()
    k.start()
    k.keys.wait_first(60)
    seen = k.keys.current()
    k.source.begun.acquire()
    k.source.go_on.clear()
    k.source.content = ISSUER.jwks("rsa")
    with ThreadPoolExecutor(MAX_WAITING) as pool:
        waiting = [pool.submit(outcome, k, "rsa", seen) for _ in range(MAX_WAITING)]
        try:
            wait_until(lambda: k.keys._waiting == MAX_WAITING, what="all places taken")
            assert k.source.begun.acquire(timeout=60)
            assert [outcome(k, "rsa", seen) for _ in range(50)] == ["503"] * 50, "answered at once"
            assert not any(w.done() for w in waiting)
        finally:
            k.source.go_on.set()
        assert [w.result() for w in waiting] == ["newer"] * MAX_WAITING
    assert k.source.fetches == 2
