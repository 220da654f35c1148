"""The export of the client: a stream that is whole or an error, never a quiet end."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterable, Iterator

import httpx
import pytest
from datastorage_client import (
    AsyncDataStorageClient,
    BrokenOffError,
    ConnectionFailedError,
    DataStorageClient,
    FeedExpiredError,
    UnexpectedAnswerError,
)
from datastorage_client.connections import unpacked

from app.http.problems import Problem
from tests.unit.client.export_service import BEFORE, ExportService, event
from tests.unit.fakes import HOUR
from tests.unit.stub_service import Canned, Cut, busy

# One back-off or two, where a test is about answers that stay wrong.
RETRY_S = 1.0


@pytest.fixture
def stub() -> Iterator[ExportService]:
    with ExportService([event(index) for index in range(3)]) as running:
        yield running


def read(stub: ExportService, timeout: float = HOUR, **arguments: str) -> bytes:
    with (
        DataStorageClient(stub.url, timeout=timeout, retry_for=RETRY_S) as client,
        client.export(**arguments) as export,
    ):  # type: ignore[arg-type]
        return b"".join(export)


async def aread(stub: ExportService, timeout: float = HOUR, **arguments: str) -> bytes:
    async with (
        AsyncDataStorageClient(stub.url, timeout=timeout, retry_for=RETRY_S) as client,
        client.export(**arguments) as export,  # type: ignore[arg-type]
    ):
        return b"".join([part async for part in export])


def both(stub: ExportService, timeout: float = HOUR, **arguments: str) -> bytes:
    """By threads, and by asyncio the same."""
    found = read(stub, timeout, **arguments)
    assert asyncio.run(aread(stub, timeout, **arguments)) == found
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_what_comes_is_what_was_sent(stub: ExportService, form: str, packed: bool) -> None:
    stub.packed = packed
    assert both(stub, format=form, actor_id="alice", after="2026-01-05/" + event(0)["event_id"]) != b""
    assert both(stub, format=form) == stub.whole(form)
    asked = stub.requests[0]
    assert asked.query["actor_id"] == "alice"
    assert asked.headers["Accept"] == {"ndjson": "application/x-ndjson", "csv": "text/csv"}[form]


def test_what_is_told_of_it(stub: ExportService) -> None:
    with DataStorageClient(stub.url) as client, client.export(kinds=["audit_event", "notification"]) as export:
        assert (export.before, export.range, export.principal) == (BEFORE, (0, 3), "alice")
        assert (export.next_feed, export.request_id) == ("/api/v1/audit/feed?after=behind", "request-1")
    assert stub.asked() == [{"format": "ndjson", "kinds": "audit_event,notification"}]


@pytest.mark.parametrize("packed", [False, True])
def test_a_stream_that_breaks_at_any_byte_is_broken_off(stub: ExportService, packed: bool) -> None:
    stub.items = stub.items[:1]
    stub.packed = packed
    whole = gzip.compress(stub.whole(), 1, mtime=0) if packed else stub.whole()

    def cut(at: int) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
        def bend(chunks: Iterable[bytes]) -> Iterator[bytes]:
            if at:
                yield b"".join(chunks)[:at]
            raise Cut

        return bend

    with DataStorageClient(stub.url, timeout=HOUR, retry_for=0) as client:
        for at in range(len(whole) + 1):
            stub.bends.append(cut(at))
            found: list[bytes] = []
            with client.export() as export, pytest.raises(BrokenOffError, match="broke off"):
                found.extend(export)
            assert stub.whole().startswith(b"".join(found))


def test_a_gzip_without_its_end_is_broken_off_though_the_last_chunk_came(stub: ExportService) -> None:
    stub.packed = True
    stub.bends.extend([lambda chunks: [b"".join(chunks)[:-9]], lambda chunks: iter(())])
    for _ in range(2):
        with pytest.raises(BrokenOffError, match="in the middle of its gzip"):
            read(stub)


def test_a_gzip_that_was_altered_is_refused(stub: ExportService) -> None:
    stub.packed = True
    stub.bends.extend(
        [
            lambda chunks: [b"".join(chunks)[:-8] + bytes(8)],
            lambda chunks: [b"".join(chunks) + b"more"],
            lambda chunks: [*chunks, b"more"],
            lambda chunks: [b"no gzip at all"],
        ]
    )
    while stub.bends:
        with pytest.raises(UnexpectedAnswerError, match="not what was sent"):
            read(stub)


def test_a_gzip_of_very_much_comes_in_small_parts(stub: ExportService) -> None:
    stub.packed = True
    stub.bends.append(lambda chunks: [gzip.compress(bytes(50_000_000))])
    with DataStorageClient(stub.url, timeout=HOUR) as client, client.export() as export:
        sizes = [len(part) for part in export]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 256 * 1024


def test_a_silent_service_is_left(stub: ExportService) -> None:
    done = threading.Event()

    def silent(chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from chunks
        done.wait(HOUR)

    stub.bends.extend([silent, silent])
    with pytest.raises(BrokenOffError, match=r"nothing came for 0\.3 s"):
        read(stub, timeout=0.3)
    with pytest.raises(BrokenOffError, match=r"broke off"):
        asyncio.run(aread(stub, timeout=0.3))
    done.set()


def test_busy_is_waited_for_before_the_first_byte(stub: ExportService) -> None:
    stub.script.extend([busy(), None, busy(), None])
    assert both(stub) == stub.whole()
    assert len(stub.requests) == 4


def test_problems_are_raised_and_say_what_is_wrong(stub: ExportService) -> None:
    body = Problem("feed-expired", "gone", members={"next": "abc"}).body("https://kubernaut.ai/problems", "/")
    stub.script.append(Canned(410, body, (("Content-Type", "application/problem+json"),)))
    with pytest.raises(FeedExpiredError):
        read(stub)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Type": "text/html"}, "is not application/x-ndjson"),
        ({"Content-Encoding": "br"}, "was not asked for"),
        ({"Datastorage-Export-Before": "../etc"}, "where the export ends"),
    ],
)
def test_other_answers_are_refused(stub: ExportService, headers: dict[str, str], said: str) -> None:
    stub.headers = headers
    with pytest.raises(ConnectionFailedError, match=said):
        read(stub)
    with pytest.raises(ConnectionFailedError, match=said):
        asyncio.run(aread(stub))


def test_arguments_that_make_no_request(stub: ExportService) -> None:
    with DataStorageClient(stub.url) as client:
        with pytest.raises(ValueError, match="format is one of"):
            client.export(format="parquet")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="unexpected keyword argument 'actor'"):
            client.export(actor="alice")  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="with statement"):
            _ = client.export().before
    assert stub.requests == []


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}])
def test_an_answer_that_ends_with_its_connection_is_refused(headers: dict[str, str]) -> None:
    request = httpx.Request("GET", "http://service/api/v1/audit/export")
    with pytest.raises(httpx.DecodingError, match="told from a break"):
        unpacked(httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"{}")), request)
