"""The whole tree, read from tiles: every size around a tile's, and each thing in it altered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from datastorage_client.problems import problem
from datastorage_client.verify import TreeError
from datastorage_client.verify.steps import Fetch
from datastorage_client.verify.tiles import WIDTH, BundleFormError, Place, Tiles, split_bundle
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.walk import Identities, read_ahead, walk

from tests.log_tree import LogTree
from tests.unit.client.verify.log_server import KEY, Log

TRUST = Trust((KEY.verifier,))


def entry(number: int, ident: str | None = None) -> bytes:
    members = {
        "commitment": sha256(b"%d" % number).hexdigest(), "id": ident or str(uuid.UUID(int=number)),
        "kind": "audit_event", "on": "2026-01-05", "v": 1,
    }  # fmt: skip
    return json.dumps(members, separators=(",", ":"), sort_keys=True).encode()


def log_of(count: int) -> Log:
    log = Log()
    log.entries = [entry(i) for i in range(count)]
    log.sign()
    return log


def fetch_from(log: Log) -> Fetch:
    def fetch(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        status, kind, body = log.answer(path)
        if status != 200:
            raise problem(status, {"Content-Type": kind}, body)
        assert kind.partition(";")[0] == accept
        return body

    return fetch


def tree_of(log: Log, folder: Path | None = None, *, partial: bool = False) -> Tree:
    return Tree(Tiles(fetch_from(log), folder, partial=partial), TRUST.check(log.note()))


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (0, "tile/0/000"), (999, "tile/0/999"), (1000, "tile/0/x001/000"), (1234067, "tile/0/x001/x234/067"),
    ],
)  # fmt: skip
def test_tiles_have_the_names_of_the_specification(number: int, path: str) -> None:
    assert Place(0, number).path == path
    assert Place(0, number, 7).path == path + ".p/7"
    assert Place(None, number).path == path.replace("tile/0", "tile/entries")


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 700, 65_535, 65_536, 65_537, 66_000])
def test_a_tree_of_any_size_is_walked(size: int) -> None:
    log = log_of(size)
    tree = tree_of(log)
    found = walk(tree)
    assert (found.wrong, found.kinds["audit_event"]) == ([], size)
    independent = LogTree(b"".join(sha256(b"\0" + e).digest() for e in log.entries))
    for old in {0, 1, size // 3, size // 2, size - 1, size} & set(range(size + 1)):
        assert tree.root_at(old) == independent.root(old)


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("tile/0/000", 0),
        ("tile/0/001", 256),
        ("tile/0/002.p/88", 0),
        ("tile/1/000.p/2", 0),
        ("tile/entries/001", 256 + 3),
        ("tile/entries/002.p/88", 512 + 3),
    ],
)
def test_what_was_altered_is_named(path: str, first: int) -> None:
    log = log_of(600)

    def change(data: bytes) -> bytes:
        # In entry 3 of a bundle, behind its length: each is of the same length.
        at = 3 * (2 + len(log.entries[0])) + 30
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if "entries" in path else data[:-1] + b"!"

    log.changes["/api/v1/log/" + path] = change
    if path in ("tile/0/002.p/88", "tile/1/000.p/2"):
        with pytest.raises(TreeError, match="do not give the root of the checkpoint of 600 entries"):
            tree_of(log)
        return
    found = walk(tree_of(log))
    assert [(each.kind, each.index) for each in found.wrong] == [("tree", first)]


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data + b"\0\1x", lambda data: b"", lambda data: data[:-137]]
)
def test_a_bundle_of_another_length_is_wrong(change: Callable[[bytes], bytes]) -> None:
    log = log_of(300)
    log.changes["/api/v1/log/tile/entries/000"] = change
    assert walk(tree_of(log)).faults == {"tree": 1}


def test_an_entry_that_is_none_is_named() -> None:
    log = log_of(300)
    log.entries[258] = b'{"id":"x"}'
    log.sign()
    found = walk(tree_of(log))
    assert found.faults == {"entry": 1}
    assert "entry 258: an entry that is not the canonical JSON" in str(found.first)


def test_a_record_with_two_entries_is_named() -> None:
    log = log_of(600)
    log.entries[401] = entry(9999, str(uuid.UUID(int=7)))
    log.sign()
    found = walk(tree_of(log))
    assert found.faults == {"two entries": 1}
    assert str(found.first) == f"audit_event {uuid.UUID(int=7)}, entry 401: it has two entries, the first is 7"


def test_ids_that_are_used_again_are_found_among_many() -> None:
    seen = Identities()
    for i in range(5000):
        seen.add(str(i % 4990), i)
    assert sorted(seen.doubles()) == [(i, i + 4990) for i in range(10)]


def test_complete_tiles_are_kept_and_partial_ones_are_not(tmp_path: Path) -> None:
    log = log_of(600)
    walk(tree_of(log, tmp_path))
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001"}
    log.asked.clear()
    walk(tree_of(log, tmp_path))
    assert not {path for path in log.asked if not path.endswith(("88", "/2"))}


def test_a_kept_tile_that_is_wrong_is_fetched_anew(tmp_path: Path) -> None:
    log = log_of(600)
    walk(tree_of(log, tmp_path))
    for name in ("tile/0/001", "tile/entries/000"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-1])
    assert walk(tree_of(log, tmp_path)).well
    assert walk(Tree(Tiles(fetch_from(log), tmp_path), TRUST.check(log.note()))).well


def test_what_is_wrong_is_not_kept(tmp_path: Path) -> None:
    log = log_of(600)
    log.changes["/api/v1/log/tile/0/000"] = lambda data: bytes(len(data))
    assert walk(tree_of(log, tmp_path)).faults == {"tree": 1}
    assert not (tmp_path / "tile/0/000").exists()
    assert not (tmp_path / "tile/entries/000").exists()


def test_a_partial_tile_that_is_gone_comes_out_of_the_complete_one() -> None:
    log = log_of(600)
    note = log.note()
    log.entries += [entry(i) for i in range(600, 1024)]
    log.sign()
    log.missing |= {f"/api/v1/log/{name}" for name in ("tile/0/002.p/88", "tile/entries/002.p/88")}
    tree = Tree(Tiles(fetch_from(log)), TRUST.check(note))
    assert walk(tree).kinds["audit_event"] == 600


def test_bundles_come_in_order_from_any_number_on() -> None:
    tree = tree_of(log_of(5000))
    assert [number for number, _ in read_ahead(tree, 7)] == list(range(7, 20))
    log = log_of(600)
    log.changes["/api/v1/log/tile/entries/001"] = lambda data: b""
    with pytest.raises(TreeError):
        list(read_ahead(tree_of(log)))


def test_a_bundle_of_empty_entries_is_not_read_to_its_end() -> None:
    assert split_bundle(bytes(2 * WIDTH)) == [b""] * WIDTH
    with pytest.raises(BundleFormError, match="more than 256 entries"):
        split_bundle(bytes(64 * 1024 * 1024))
