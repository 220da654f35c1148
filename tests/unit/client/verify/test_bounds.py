"""How much of an answer is taken, and for how long a run goes on: what is asked for has a size."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from datastorage_client import AsyncDataStorageClient, DataStorageClient
from datastorage_client.cli import http_client
from datastorage_client.cli.commands import datastorage
from datastorage_client.cli.pace import ANSWER_S, START_S, Pace, TooSlowError
from datastorage_client.connections import Reading
from datastorage_client.problems import ProblemError
from datastorage_client.transport import AnswerTooLargeError
from datastorage_client.verify import Verifier
from datastorage_client.verify.tiles import Place
from datastorage_common.checkpoints import MAX_PROOF_BYTES

from tests.unit.client.verify.log_server import KEY, Log, serving

CHECKPOINT = "/api/v1/log/checkpoint"
KEYS = str(KEY.verifier)


@pytest.mark.parametrize(
    ("place", "most"),
    [
        (Place(0, 0), 8192),
        (Place(1, 7, 3), 96),
        (Place(None, 0), 256 * (2 + 65535)),
        (Place(None, 0, 1), 2 + 65535),
    ],
)
def test_a_place_has_a_size(place: Place, most: int) -> None:
    assert place.max_bytes == most


def test_a_checkpoint_of_megabytes_is_not_read() -> None:
    log = Log(5)
    log.changes[CHECKPOINT] = lambda note: note + b"x" * MAX_PROOF_BYTES
    with serving(log) as url:
        with (
            DataStorageClient(url, retry_for=0) as client,
            pytest.raises(AnswerTooLargeError, match=f"larger than {MAX_PROOF_BYTES} bytes"),
        ):
            Verifier(KEYS).update(client)

        async def ask() -> None:
            async with AsyncDataStorageClient(url, retry_for=0) as client:
                with pytest.raises(AnswerTooLargeError, match=f"larger than {MAX_PROOF_BYTES} bytes"):
                    await Verifier(KEYS).aupdate(client)

        asyncio.run(ask())


def test_an_event_may_be_larger_than_a_proof() -> None:
    log = Log()
    text = '"' + "a" * MAX_PROOF_BYTES + '"'
    ident = log.put_event(data=f'{{"text": {text}}}')
    log.sign()
    with serving(log) as url, DataStorageClient(url, retry_for=0) as client:
        assert Verifier(KEYS).event(client, ident).index == 0


@pytest.mark.parametrize(
    ("path", "grow", "says"),
    [
        # Packed by the server, so that little comes over the wire.
        ("tile/0/000", lambda data: data + bytes(1), "tile 0 of level 0 does not belong to the tree"),
        ("tile/0/001.p/44", lambda data: data + bytes(1), "tile/0/001.p/44: more than the 1,408 bytes"),
        ("tile/entries/000", lambda data: data + bytes(20_000_000), "the bundle of entry 0: more than the 16,777,472"),
    ],
)
def test_a_tile_of_megabytes_is_wrong(path: str, grow: Callable[[bytes], bytes], says: str, tmp_path: Path) -> None:
    log = Log(300)
    log.changes[f"/api/v1/log/{path}"] = grow
    (tmp_path / "key").write_text(KEYS)
    with serving(log) as url:
        result = CliRunner().invoke(datastorage, ["verify", "--url", url, "--key", str(tmp_path / "key")])
    assert result.exit_code == 1, result.output
    assert says in result.stderr


def test_what_is_behind_the_end_of_an_answer_is_not_kept() -> None:
    packed = gzip.compress(b'{"ok": true}') + bytes(1_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = httpx.Response(200, headers=headers)
    reading = Reading(answer, 1000)
    for start in range(0, len(packed), 65536):
        reading.add(packed[start : start + 65536])
    assert reading._unpack is not None
    assert len(reading._unpack.unused_data) < 65536
    assert reading.whole(httpx.Request("GET", "http://localhost")).json() == {"ok": True}


def test_a_problem_may_be_longer_than_the_tile_that_is_not_there() -> None:
    # A log that keeps no partial tiles: of 32 bytes each, and the problem says so in more.
    log = Log(257)
    log.missing |= {f"/api/v1/log/tile/{kind}/001.p/1" for kind in ("0", "entries")}
    with serving(log) as url:
        client = http_client.HTTPClient(url)
        with pytest.raises(ProblemError, match="Not found"):
            client.fetch("/api/v1/log/tile/0/001.p/1", "application/octet-stream", 32)


def test_a_run_ends_that_does_not_come_forward() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    pace.check()
    for _ in range(1000):  # as fast as it has to be
        now += ANSWER_S
        pace.came()
        pace.check()
    now += START_S
    pace.check()
    now += 0.1
    with pytest.raises(TooSlowError, match="1000 answers took longer than 2600 s"):
        pace.check()


def test_a_command_says_that_a_service_is_too_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(KEYS)
    log, now = Log(300), [0.0]

    def slowly(data: bytes) -> bytes:
        now[0] += START_S
        return data

    monkeypatch.setattr(http_client, "Pace", lambda: Pace(lambda: now[0]))
    for path in (CHECKPOINT, "/api/v1/log/tile/0/001.p/44"):
        log.changes[path] = slowly
    with serving(log) as url:
        result = CliRunner().invoke(datastorage, ["verify", "--url", url, "--key", str(tmp_path / "key")])
    assert result.exit_code == 3
    assert "the service is too slow: 2 answers took longer than 604 s" in result.stderr
