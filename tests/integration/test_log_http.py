"""The log by HTTP: checkpoints, tiles, bundles, keys and proofs, each checked by code that imports nothing of it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import COSIGNATURE, Note, make_key, parse_note
from werkzeug.test import TestResponse

from app.postgres.database import Database as Pool
from tests.integration.service import MovableClock, Service, problem, running
from tests.log_growth import append, cosign, new_name, sign
from tests.log_tree import LogTree, tree_root
from tests.read_limits import LIMITS, NARROW, bearer, named_principals
from tests.support import PostgresServer

LOG = "/api/v1/log"
KEY = make_key("log.example/one", bytes(range(32)))
NEXT_KEY = make_key("log.example/one", bytes(range(1, 33)))
OTHER_KEY = make_key("log.example/two", bytes(range(2, 34)))
TEXT = "text/plain; charset=utf-8"
IMMUTABLE = "private, max-age=31536000, immutable"


@contextlib.contextmanager
def log_service(postgres: PostgresServer, template: str, **sections: Any) -> Iterator[Service]:
    """The service, with nothing in its log and nobody who signs it but the test."""
    with running(postgres, template, audit={"record_service": False}, **sections) as s:
        yield s


def forget(service: Service) -> None:
    """Let what was read within the last second be old."""
    assert isinstance(service.clock, LateClock)
    service.clock.ahead += 2.0


class LateClock(MovableClock):
    """Its monotonic clock can be put ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with log_service(postgres, template, services={"clock": LateClock()}) as s:
        s.clock = s.parts.clock  # type: ignore[assignment]
        yield s


def path_of(number: int) -> str:
    """The number of a tile, as C2SP tlog-tiles has it in paths."""
    digits = str(number).zfill(-(-len(str(number)) // 3) * 3)
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def tile_path(level: int | str, number: int, width: int) -> str:
    return f"{LOG}/tile/{level}/{path_of(number)}" + (f".p/{width}" if width < 256 else "")


def entries_in(bundle: bytes) -> list[bytes]:
    found = []
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        assert len(bundle) >= end
        found.append(bundle[2:end])
        bundle = bundle[end:]
    return found


def leaves_of(service: Service, size: int) -> list[bytes]:
    """The leaf hashes of the whole log, by its bundles."""
    leaves: list[bytes] = []
    client = service.client
    for number in range(-(-size // 256)):
        answer = client.get(tile_path("entries", number, min(256, size - 256 * number)))
        assert answer.status_code == 200, answer.text
        leaves += [hashlib.sha256(b"\0" + entry).digest() for entry in entries_in(answer.data)]
    return leaves


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def root_by_path(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to: RFC 6962, section 2.1.1, read backwards."""
    if size == 1:
        assert path == []
        return leaf
    middle = split(size)
    if index < middle:
        return node(root_by_path(index, middle, leaf, path[:-1]), path[-1])
    return node(path[-1], root_by_path(index - middle, size - middle, leaf, path[:-1]))


def consistency(old: int, leaves: list[bytes], known: bool = True) -> list[bytes]:
    """The consistency proof of RFC 6962, section 2.1.2, as it is written there."""
    if old == len(leaves):
        return [] if known else [tree_root(leaves)]
    middle = split(len(leaves))
    if old <= middle:
        return [*consistency(old, leaves[:middle], known), tree_root(leaves[middle:])]
    return [*consistency(old - middle, leaves[middle:], False), tree_root(leaves[:middle])]


def hashes(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text, validate=True) for text in texts]


def get(service: Service, path: str, **headers: str) -> TestResponse:
    return service.client.get(path, headers=headers)


def refused(service: Service, path: str, slug: str = "not-found", status: int = 404) -> dict[str, Any]:
    answer = get(service, path)
    body = problem(answer, status, slug, path.partition("?")[0].replace("%2F", "/"))
    if status == 404:
        assert answer.headers["Cache-Control"] == "no-store"
    return body


def as_text(answer: TestResponse) -> tuple[dict[str, Any], int, list[bytes], str]:
    """A tlog-proof, taken apart: what is in extra, index, path and checkpoint."""
    head, _, note = answer.text.partition("\n\n")
    first, extra, index, *path = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    said = json.loads(base64.b64decode(extra.removeprefix("extra "), validate=True))
    return said, int(index.removeprefix("index ")), hashes(path), note


# --- checkpoints and keys -----------------------------------------------------------------------------------------


def test_a_log_that_is_not_signed(service: Service) -> None:
    for path in ("checkpoint", "checkpoint/witnessed", "key", "consistency?from=0", "entries/0/proof"):
        assert "origin" not in refused(service, f"{LOG}/{path}", "no-checkpoint"), "it has no name yet"
    append(service.database, 300)
    for path in ("tile/0/000", "tile/0/001.p/44", "tile/entries/000"):
        refused(service, f"{LOG}/{path}")


def test_the_checkpoint_is_the_note_as_it_was_signed(service: Service) -> None:
    append(service.database, 5)
    point = sign(service.database, KEY)
    answer = get(service, f"{LOG}/checkpoint")
    assert (answer.status_code, answer.content_type) == (200, TEXT)
    assert answer.headers["Cache-Control"] == "private, max-age=1"
    note = parse_note(answer.data)
    assert parse_checkpoint(note.text) == point
    assert KEY.verifier.signed(note) is not None
    head = service.client.head(f"{LOG}/checkpoint")
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(answer.data))
    again = get(service, f"{LOG}/checkpoint", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"])
def test_a_condition_that_does_not_hold_is_kept_by_nobody(service: Service, path: str) -> None:
    append(service.database, 1)
    sign(service.database, KEY)
    answer = get(service, f"{LOG}/{path}", **{"If-Match": '"another"'})
    assert (answer.status_code, answer.data, answer.headers["Cache-Control"]) == (412, b"", "no-store")


def test_the_checkpoint_is_read_once_a_second(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    append(service.database, 5)
    sign(service.database, KEY)
    reads: list[object] = []
    read = Pool.read
    monkeypatch.setattr(Pool, "read", lambda self, query: reads.append(query) or read(self, query))
    client = service.client
    forget(service)
    first = {client.get(f"{LOG}/checkpoint").data for _ in range(20)}
    assert len(reads) == len(first) == 1
    append(service.database, 5)
    sign(service.database, KEY)
    forget(service)
    assert client.get(f"{LOG}/checkpoint").data not in first
    assert len(reads) == 2


def test_without_a_database_it_is_503(service: Service) -> None:
    append(service.database, 5)
    sign(service.database, KEY)
    assert get(service, f"{LOG}/checkpoint").status_code == 200
    service.parts.monitor.stop()
    service.parts.breaker.failed(unreachable=True)
    forget(service)
    for path in ("checkpoint", "tile/0/000.p/5", "consistency?from=1", "entries/1/proof"):
        problem(get(service, f"{LOG}/{path}"), 503, "service-unavailable", f"{LOG}/{path.partition('?')[0]}")


def test_a_log_under_another_name(service: Service) -> None:
    append(service.database, 5)
    sign(service.database, KEY)
    new_name(service.database, "log.example/two")
    forget(service)
    for path in ("checkpoint", "entries/0/proof", "consistency?from=1"):
        assert refused(service, f"{LOG}/{path}", "no-checkpoint")["origin"] == "log.example/two"
    append(service.database, 2)
    point = sign(service.database, OTHER_KEY)
    forget(service)
    assert parse_checkpoint(parse_note(get(service, f"{LOG}/checkpoint").data).text) == point
    assert get(service, f"{LOG}/consistency?from=5").json["size"] == 7
    refused(service, f"{LOG}/consistency?from=1&to=5", "validation-error", 400)


def test_a_log_that_is_inconsistent_shows_what_was_signed(service: Service) -> None:
    append(service.database, 5)
    sign(service.database, KEY)
    service.database.query("UPDATE log_head SET inconsistent = 'it is' RETURNING true")
    for path in ("checkpoint", "tile/0/000.p/5", "tile/entries/000.p/5", "consistency?from=1", "entries/1/proof"):
        assert get(service, f"{LOG}/{path}").status_code == 200, path


def test_keys_are_those_of_the_present_name(postgres: PostgresServer, template: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("\n".join(key.encode() for key in (KEY, OTHER_KEY, NEXT_KEY)))
    file.chmod(0o600)
    with log_service(postgres, template, log={"key_file": str(file)}) as s:
        answer = get(s, f"{LOG}/key")
        assert (answer.status_code, answer.content_type) == (200, TEXT)
        assert answer.text == f"{KEY.verifier}\n{NEXT_KEY.verifier}\n"
        assert "PRIVATE" not in answer.text


def made_up(service: Service, size: int, note: str) -> None:
    """Put a row into log_checkpoints as the service's role may, with the root of that tree."""
    with psycopg.connect(service.database.service_url) as conn:
        conn.execute(
            "INSERT INTO log_checkpoints (origin, size, root, epoch, note) VALUES (%s, %s, sha256(''), 0, %s)",
            (KEY.name, size, note),
        )


def test_a_checkpoint_that_no_key_of_the_log_has_signed_is_not_served(
    postgres: PostgresServer, template: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(KEY.encode())
    file.chmod(0o600)
    clock = LateClock()
    with log_service(postgres, template, services={"clock": clock}, log={"key_file": str(file)}) as s:
        with psycopg.connect(s.database.service_url) as conn:
            conn.execute("UPDATE log_head SET origin = %s", (KEY.name,))
        append(s.database, 3)
        made_up(s, 1, "garbage")
        refused(s, f"{LOG}/checkpoint", "no-checkpoint")
        point = sign(s.database, KEY)
        append(s.database, 3)
        made_up(s, 5, Note(point.text(), (KEY.sign(point.text()),)).encode().decode())
        made_up(s, 6, f"{KEY.name}\n6\n")
        clock.ahead += 2.0
        assert parse_checkpoint(parse_note(get(s, f"{LOG}/checkpoint").data).text) == point
        refused(s, f"{LOG}/tile/0/000.p/6")
        refused(s, f"{LOG}/entries/4/proof", "not-yet-in-log")
        assert get(s, f"{LOG}/consistency?from=1").json["size"] == 3
        assert get(s, f"{LOG}/consistency?from=1&to=1").status_code == 400, "no key has signed that of 1 entry"
        s.parts.database.read(s.parts.log_watch.look)
        state = s.parts.log_watch.state
        assert (state.size, state.signed) == (6, 3), "/health says so too"
        append(s.database, 1)
        newer = sign(s.database, KEY)
        clock.ahead += 2.0
        assert parse_checkpoint(parse_note(get(s, f"{LOG}/checkpoint").data).text) == newer


def test_the_witnessed_checkpoint_is_that_of_the_policy(
    postgres: PostgresServer, template: str, tmp_path: Path
) -> None:
    witnesses = [make_key(f"witness.example/{n}", bytes(range(n, n + 32)), COSIGNATURE) for n in (1, 2)]
    file = tmp_path / "policy"
    lines = [f"witness w{n} {key.verifier}" for n, key in enumerate(witnesses)]
    file.write_text("\n".join([f"log {KEY.verifier}", *lines, "group both all w0 w1", "quorum both", ""]))
    clock = LateClock()
    with log_service(postgres, template, services={"clock": clock}, log={"witness_policy": str(file)}) as s:
        refused(s, f"{LOG}/checkpoint/witnessed", "no-checkpoint")
        append(s.database, 5)
        older = sign(s.database, KEY)
        for key in witnesses:
            cosign(s.database, key, older)
        append(s.database, 5)
        cosign(s.database, witnesses[0], sign(s.database, KEY))
        clock.ahead += 2.0
        answer = get(s, f"{LOG}/checkpoint/witnessed")
        assert (answer.content_type, answer.headers["Cache-Control"]) == (TEXT, "private, max-age=1")
        note = parse_note(answer.data)
        assert parse_checkpoint(note.text) == older, "the newer one is cosigned by one of them alone"
        for key in (KEY, *witnesses):
            assert key.verifier.signed(note) is not None
        assert get(s, f"{LOG}/checkpoint").data != answer.data


# --- tiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_536, 65_792 + 11])
def test_every_tile_follows_from_the_bundles(service: Service, size: int) -> None:
    for part in [size // 3, size - size // 3] if size > 2 else [size]:
        append(service.database, part)
    point = sign(service.database, KEY)
    leaves = leaves_of(service, size)
    assert len(leaves) == size
    tree = LogTree(b"".join(leaves))
    assert parse_checkpoint(parse_note(get(service, f"{LOG}/checkpoint").data).text).root == tree.root(size)
    client = service.client
    seen = 0
    for level in range(4):
        count = size // 256**level
        for number in range(-(-count // 256)):
            width = min(256, count - 256 * number)
            answer = client.get(tile_path(level, number, width))
            assert answer.status_code == 200, answer.text
            assert answer.data == tree.tile(level, number), (level, number)
            assert (answer.content_type, answer.headers["Cache-Control"]) == ("application/octet-stream", IMMUTABLE)
            seen += 1
        width = count % 256
        for path in (tile_path(level, count // 256, 256), tile_path(level, count // 256, width + 1)):
            refused(service, path)
    assert seen == (tree.tiles() if size else 0)
    assert point.root == tree.root(size)


def test_a_partial_tile_is_served_when_the_tree_has_grown(service: Service) -> None:
    append(service.database, 300)
    sign(service.database, KEY)
    partial = get(service, tile_path(0, 1, 44))
    bundle = get(service, tile_path("entries", 1, 44))
    assert (partial.status_code, bundle.status_code) == (200, 200)
    append(service.database, 500)  # nothing of it is signed
    forget(service)
    for width in (45, 256):
        refused(service, tile_path(0, 1, width))
        refused(service, tile_path("entries", 1, width))
    assert get(service, tile_path(0, 1, 44)).data == partial.data
    sign(service.database, KEY)
    # At once, whatever was read a moment ago: another instance has told the client of the checkpoint.
    whole = get(service, tile_path(0, 1, 256))
    assert (whole.status_code, whole.data[: 44 * 32]) == (200, partial.data)
    assert get(service, tile_path(0, 1, 44)).data == partial.data
    assert get(service, tile_path(0, 1, 1)).data == partial.data[:32]
    assert get(service, tile_path("entries", 1, 44)).data == bundle.data
    assert get(service, tile_path("entries", 1, 256)).data.startswith(bundle.data)


def test_bundles_are_packed_for_those_who_take_it(service: Service) -> None:
    append(service.database, 256)
    sign(service.database, KEY)
    path = tile_path("entries", 0, 256)
    plain = get(service, path)
    assert len(entries_in(plain.data)) == 256
    assert (plain.content_type, plain.headers["Vary"]) == ("application/octet-stream", "Accept-Encoding")
    assert "Content-Encoding" not in plain.headers
    packed = get(service, path, **{"Accept-Encoding": "gzip, identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) * 2 / 3
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert get(service, path, **{"Accept-Encoding": "gzip"}).data == packed.data, "the same each time"
    for header in ("identity", "gzip;q=0", "br", "identity;q=1, gzip;q=0.5"):
        assert get(service, path, **{"Accept-Encoding": header}).data == plain.data, header
    head = service.client.head(path, headers={"Accept-Encoding": "gzip"})
    assert (head.status_code, head.content_length) == (200, len(packed.data))
    again = get(service, path, **{"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


HOSTILE = [
    *("0/0", "0/00", "0/0000", "0/x000/000", "0/x000/x001/000", "0/001/000", "0/x001", "0/000.p/0", "0/000.p/256"),
    *("0/000.p/01", "0/000.p/+1", "0/000.p/", "0/000.p", "0/000.p/1/", "0/000/", "/0/000", "0//000", "00/000"),
    *("-1/000", "0%2F000.p%2F1", "0/000.p%2f1"),
    *("0/-01", "0/000.p/-1", "64/000", "063/000", "+0/000", "0/٠٠٠", "٠/000", "0/000.p/١", "0/000%0a", "0/000.p/1%0a"),
    *("0/x00a/000", "0/X001/000", "data/000", "entries", "entries/", "entries/0", "entries/x000/000", "entries/0/000"),
    *("entries//000", "0%2F000", "entries%2F000", "0/x000%2F000", "%30/000", "0/000%2Ep/1", "entries/%30%30%30"),
    *("../checkpoint", "0/../0/000", "0/..", "0/000.p/..", "..%2f.."),
    *("0/" + "x999/" * 6 + "999", "0/" + "x001/" * 9 + "000"),
    *("0/" + "x001/" * 2000 + "000", "63/000", "8/000.p/1", "entries/" + "9" * 10_000, "9" * 5000 + "/000"),
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_what_names_no_tile_is_not_there(service: Service, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    append(service.database, 1)
    sign(service.database, KEY)
    monkeypatch.setattr(Pool, "read", lambda self, query: pytest.fail("nothing has to be asked for"))
    for method in ("GET", "HEAD"):
        answer = service.client.open(f"{LOG}/tile/{path}", method=method)
        assert answer.status_code == 404, answer.text


# --- proofs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 65_536 + 300])
def test_proofs_lead_to_the_root(service: Service, size: int) -> None:
    append(service.database, size)
    point = sign(service.database, KEY)
    leaves = leaves_of(service, size)
    sampled = sorted({n for n in (0, 1, 254, 255, 256, size // 2, 65_535, 65_536, size - 2, size - 1) if 0 <= n < size})
    for index in sampled:
        path = f"{LOG}/entries/{index}/proof"
        text = get(service, path)
        assert (text.status_code, text.content_type) == (200, TEXT)
        assert (text.headers["Cache-Control"], text.headers["Vary"]) == ("private, no-store", "Accept")
        said, at, steps, note = as_text(text)
        assert (at, note.encode()) == (index, get(service, f"{LOG}/checkpoint").data)
        assert said.keys() == {"entry"}
        entry = json.dumps(said["entry"], separators=(",", ":"), sort_keys=True).encode()
        leaf = hashlib.sha256(b"\0" + entry).digest()
        assert leaf == leaves[index]
        assert root_by_path(index, size, leaf, steps) == point.root
        body = get(service, path, Accept="application/json").json
        assert body == {**said, "index": index, "hashes": body["hashes"], "checkpoint": note}
        assert hashes(body["hashes"]) == steps
    tree = LogTree(b"".join(leaves))
    for old in [*sampled, size]:
        body = get(service, f"{LOG}/consistency?from={old}").json
        assert (body["from"], body["size"]) == (old, size)
        assert body["checkpoint"].encode() == get(service, f"{LOG}/checkpoint").data
        assert hashes(body["hashes"]) == ([] if old == 0 else consistency(old, leaves))
    assert tree.root(size) == point.root


def test_consistency_with_an_earlier_checkpoint(service: Service) -> None:
    sizes = []
    for count in (3, 254, 100, 700):
        append(service.database, count)
        sizes.append(sign(service.database, KEY).size)
    leaves = leaves_of(service, sizes[-1])
    for to in sizes:
        for old in (n for n in sizes if n <= to):
            answer = get(service, f"{LOG}/consistency?from={old}&to={to}")
            assert answer.headers["Cache-Control"] == "no-store"
            body = answer.json
            point = parse_checkpoint(parse_note(body["checkpoint"].encode()).text)
            assert (point.size, point.root) == (to, tree_root(leaves[:to]))
            assert hashes(body["hashes"]) == consistency(old, leaves[:to])
    for query, name in (
        *((f"from={old}", "from") for old in ("", "-1", "1e3", "1.0", "٣", "+1", "9" * 30, "9" * 5000, str(2**63))),
        *((f"from=0&to={to}", "to") for to in ("", "-1", "4", "1058", "x", "9" * 30)),
        *(("", "from"), (f"from={sizes[-1] + 1}", "from"), ("from=257&to=3", "to"), (f"from={2**63 - 1}", "from")),
    ):
        body = refused(service, f"{LOG}/consistency?{query}", "validation-error", 400)
        assert name in body["field_errors"], query


@pytest.mark.parametrize("index", ["-1", "007", "+1", "1e3", "٣", "x", "9" * 30, "9" * 5000, str(2**63), "..", "1.0"])
def test_what_names_no_entry_is_not_there(service: Service, index: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "read", lambda self, query: pytest.fail("nothing has to be asked for"))
    assert get(service, f"{LOG}/entries/{index}/proof").status_code == 404
    assert get(service, f"/api/v1/audit/notifications/{index}/proof").status_code == 404
    assert get(service, f"/api/v1/audit/events/{index}/proof").status_code == 404


def test_an_entry_behind_the_checkpoint_is_not_there_yet(service: Service) -> None:
    append(service.database, 2)
    sign(service.database, KEY)
    append(service.database, 1)
    assert get(service, f"{LOG}/entries/1/proof").status_code == 200
    for index in (2, 3, 2**63 - 1):
        refused(service, f"{LOG}/entries/{index}/proof", "not-yet-in-log")
    assert get(service, f"{LOG}/entries/2/proof").headers["Retry-After"] == "1"


# --- who may see it -----------------------------------------------------------------------------------------------

HASHES = ("checkpoint", "checkpoint/witnessed", "key", "tile/0/000.p/2")
ENTRIES = ("tile/entries/000.p/2", "consistency?from=1", "entries/0/proof")


@pytest.mark.parametrize("public", [False, True])
def test_who_may_see_the_log(postgres: PostgresServer, template: str, tmp_path: Path, public: bool) -> None:
    file = tmp_path / "keys"
    file.write_text(KEY.encode())
    file.chmod(0o600)
    with named_principals(), log_service(postgres, template, log={"public": public, "key_file": str(file)}) as s:
        s.parts.sequencer.stop()
        append(s.database, 2)
        sign(s.database, KEY)
        for path in HASHES + ENTRIES:
            opened = public and path in HASHES
            expected = 404 if path == "checkpoint/witnessed" else 200
            assert s.client.get(f"{LOG}/{path}", headers=bearer("unlimited")).status_code == expected, path
            assert get(s, f"{LOG}/{path}").status_code == (expected if opened else 401), path
            for who in NARROW:
                answer = s.client.get(f"{LOG}/{path}", headers=bearer(who))
                assert answer.status_code == (expected if opened else 403), path
                assert opened or "without limits" in answer.json["detail"]
        assert LIMITS["unlimited"].narrow is False
        cached = get(s, f"{LOG}/tile/0/000.p/2", **bearer("unlimited")).headers["Cache-Control"]
        assert cached == ("public" if public else "private") + ", max-age=31536000, immutable"
        cached = get(s, f"{LOG}/tile/entries/000.p/2", **bearer("unlimited")).headers["Cache-Control"]
        assert cached == IMMUTABLE, "never public"
        assert get(s, f"{LOG}/tile/entries/../0/000.p/2").status_code in (401, 404)
