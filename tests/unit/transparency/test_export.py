"""The stream of an export: places that are named, pieces that are read ahead, and what is sent meanwhile."""

from __future__ import annotations

import gzip
import hashlib
import threading
from datetime import date
from uuid import UUID

import pytest

from app.transparency import export
from app.transparency.export import EventName, NotificationName, Place, Sent, Span, parse_place, parts
from app.transparency.records_read import Read
from tests.support import wait_until

IDENT = "01890a5d-ac96-774b-bcce-b302099a8057"
CURSOR = "A" * 108


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0", 0),
        ("123456789012345678", 123456789012345678),
        ("1234567890123456789", None),
        ("-1", None),
        ("\u0661", None),
        ("notification/7", NotificationName(7)),
        ("notification/", None),
        ("notification/-7", None),
        (f"2026-01-05/{IDENT}", EventName(date(2026, 1, 5), UUID(IDENT))),
        (f"2026-02-30/{IDENT}", None),
        (f"0000-01-05/{IDENT}", None),
        ("2026-01-05/01890a5d-ac96-774b-bcce", None),
        (f"2026-01-05/{IDENT}\n", None),
        (CURSOR, CURSOR),
        ("", None),
        ("end", None),
    ],
)
def test_a_place(text: str, place: Place | None) -> None:
    assert parse_place(text) == place


def pieces(at: int) -> Read:
    return Read([b"%d\n" % at], at + 1, [str(at)] if at % 2 else [])


def stream(span: Span, sent: Sent, *, packed: bool = False, now: float = 0.0) -> bytes:
    return b"".join(parts(span, b"head\n", pieces, sent, packed=packed, monotonic=lambda: now))


@pytest.mark.parametrize("packed", [False, True])
def test_all_of_it_is_sent_and_counted(packed: bool) -> None:
    sent = Sent()
    body = stream(Span(3, 6, "c"), sent, packed=packed)
    plain = gzip.decompress(body) if packed else body
    assert plain == b"head\n3\n4\n5\n"
    digest = hashlib.sha256(plain).hexdigest()
    assert sent.told() == {"rows": 3, "sensitive_events": 2, "bytes": len(plain), "sha256": digest}


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_to_look_through(packed: bool) -> None:
    body = stream(Span(3, 3, "c"), Sent(), packed=packed)
    assert (gzip.decompress(body) if packed else body) == b"head\n"


def test_the_next_piece_is_read_while_one_is_sent() -> None:
    begun = {at: threading.Event() for at in range(3)}

    def read(at: int) -> Read:
        begun[at].set()
        return pieces(at)

    sent = Sent()
    made = parts(Span(0, 3, "c"), b"", read, sent, packed=False, monotonic=lambda: 0.0)
    assert next(made) == b"0\n"
    assert begun[1].wait(60)
    assert sent.rows == 1, "what is not sent is not counted"
    made.close()
    assert not begun[2].is_set()


def test_nobody_reads_on_once_it_is_closed() -> None:
    before = {thread.name for thread in threading.enumerate()}
    made = parts(Span(0, 9, "c"), b"", pieces, Sent(), packed=False, monotonic=lambda: 0.0)
    next(made)
    made.close()
    wait_until(lambda: {thread.name for thread in threading.enumerate()} <= before, what="its thread has ended")


def test_what_fails_is_raised_where_it_is_missing() -> None:
    def read(at: int) -> Read:
        if at == 1:
            raise OSError("gone")
        return pieces(at)

    made = parts(Span(0, 9, "c"), b"", read, Sent(), packed=False, monotonic=lambda: 0.0)
    assert next(made) == b"0\n"
    with pytest.raises(OSError, match="gone"):
        next(made)


def test_in_gzip_something_comes_while_nothing_is_found() -> None:
    now = [0.0]

    def read(at: int) -> Read:
        now[0] += 2.0
        return Read([b"found\n"] if at == 8 else [], at + 1, [])

    made = list(parts(Span(0, 9, "c"), b"", read, Sent(), packed=True, monotonic=lambda: now[0]))
    assert gzip.decompress(b"".join(made)) == b"found\n"
    assert sum(part.endswith(export._NOTHING) for part in made) >= 2
    plain = list(parts(Span(0, 9, "c"), b"", read, Sent(), packed=False, monotonic=lambda: now[0]))
    assert plain == [b"found\n"]
