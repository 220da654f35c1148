"""What a request brings as text is measured before it is parsed, so that its length decides how long that takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from datastorage_common import durations, times

from app.audit.filters import event_query, notification_query
from app.auth.read_limits import EVERYTHING
from app.config import values
from app.dlq import admin
from app.http import client_address
from app.http.problems import Problem
from app.postgres import lists
from app.postgres.lists import Cursor
from app.telemetry import trace
from tests.unit.fakes import NOW

# As long as a head may be at the most.
LONG = 64 * 1024


class Untouched:
    """Stands where a parser was: fails the test that calls it."""

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"a value that is too long was parsed ({name})")

    def __call__(self, *args: object, **named: object) -> Any:
        pytest.fail("a value that is too long was parsed")


def forbid(monkeypatch: pytest.MonkeyPatch, module: ModuleType, *names: str) -> None:
    for name in names:
        monkeypatch.setattr(module, name, Untouched(), raising=False)


@pytest.mark.parametrize("pattern", ["1", "1.", "1d", "1h1", " ", "2026-01-05T08:00:00.", "9", ".", "+"])
@pytest.mark.parametrize("read", [event_query, notification_query])
@pytest.mark.parametrize("name", ["since", "until"])
def test_a_long_time_is_refused_unread(
    monkeypatch: pytest.MonkeyPatch, read: Callable[..., object], name: str, pattern: str
) -> None:
    forbid(monkeypatch, times, "_BACK", "_PART", "_PLAIN", "re", "parse_rfc3339")
    with pytest.raises(Problem, match=f"{name}: invalid time format"):
        read({name: pattern * (LONG // len(pattern))}, NOW, EVERYTHING)


def test_a_long_cursor_is_refused_undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Cursor(NOW, "0" * 36).encode()
    assert Cursor.decode(known) is not None
    forbid(monkeypatch, lists, "base64", "orjson", "parse_rfc3339")
    with pytest.raises(Problem, match="cursor: is not a cursor"):
        event_query({"cursor": "A" * LONG}, NOW, EVERYTHING)


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_a_long_hop_is_no_address(monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    addresses = client_address.ClientAddresses(["10.0.0.0/8"], header)
    environ = {"REMOTE_ADDR": "10.0.0.1", f"HTTP_{header.upper().replace('-', '_')}": "for=" + "1" * LONG}
    parsed: list[str] = []
    ip_address = ipaddress.ip_address

    def parse(text: str) -> client_address.Address:
        parsed.append(text)
        return ip_address(text)

    monkeypatch.setattr(ipaddress, "ip_address", parse)
    assert addresses.of(environ) == "10.0.0.1"
    assert max(map(len, parsed)) < LONG


def test_what_stands_far_left_of_the_last_hops_is_not_looked_at() -> None:
    addresses = client_address.ClientAddresses(["10.0.0.0/8"])
    environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "1" * LONG + ", 203.0.113.7, 10.0.0.2"}
    assert addresses.of(environ) == "203.0.113.7"


def test_a_long_traceparent_is_ignored_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, trace, "_TRACEPARENT")
    assert trace.parse_traceparent("0" * LONG) is None


@pytest.mark.parametrize(
    "ident",
    ["1" * LONG + "-0", "٣-٣", "18446744073709551616-0", "0-18446744073709551616", "99999999999999999999-1"],
    ids=["long", "arabic", "first", "second", "both"],
)
def test_only_what_redis_takes_is_an_entry_id(ident: str) -> None:
    # Redis answers the others with an error, which looks like an outage.
    assert admin.split_id(f"events:{ident}") == (None, "")


def test_the_largest_entry_id_is_one() -> None:
    largest = "18446744073709551615-18446744073709551615"
    assert admin.split_id(f"events:{largest}") == ("events", largest)


@pytest.mark.parametrize("parse", [durations.parse_duration, values.parse_size])
def test_a_long_setting_is_refused_unread(monkeypatch: pytest.MonkeyPatch, parse: Callable[[object], object]) -> None:
    forbid(monkeypatch, durations, "_PART", "_DURATION", "re")
    forbid(monkeypatch, values, "_SIZE", "re")
    with pytest.raises(ValueError, match="such as"):
        parse("1" * LONG)


def test_a_row_of_parts_is_matched_whole_before_it_is_taken_apart() -> None:
    # Looking for the parts one by one begins anew at each digit, which is the square of the length.
    for whole in (times._BACK, durations._DURATION):
        assert whole.fullmatch("1d2h3m4s")
        assert not whole.fullmatch("1" * LONG)
