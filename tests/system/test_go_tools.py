"""Other people's tools, in Go, accept the log as it is, and refuse one that was tampered with."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from datastorage_common.checkpoints import encode_hash, parse_checkpoint, parse_proof
from datastorage_common.merkle import check_inclusion, leaf_hash
from datastorage_common.notes import COSIGNATURE, Note, NoteError, make_key, parse_note, parse_signing_key
from datastorage_common.witness_policy import parse_policy

from tests.system.go_tools import GoTools
from tests.system.static_log import StaticLog, resource, served

KEY = make_key("log.example/records", bytes(range(32)))
NEXT_KEY = make_key("log.example/records", bytes(range(1, 33)))
WITNESSES = {
    name: make_key(f"witness.example/{name}", bytes([n]) * 32, COSIGNATURE)
    for n, name in enumerate(["x1", "x2", "x3", "y1", "y2"], 1)
}


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "log.vkey"
    file.write_text(f"{KEY.verifier}\n")
    return file


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> StaticLog:
    return StaticLog.make(tmp_path_factory.mktemp("log"), KEY, 700)


@pytest.fixture
def copy(log: StaticLog, tmp_path: Path) -> StaticLog:
    """The log once more, to be tampered with."""
    folder = tmp_path / "copy"
    shutil.copytree(log.folder, folder)
    return StaticLog(folder, log.key, log.size, log.tiles, log.edge)


# Full tiles alone, upper levels, more than a thousand bundles.
@pytest.mark.parametrize("size", [1, 256, 700, 65_536, 70_000, 260_000])
def test_a_log_is_read_whole(size: int, go: GoTools, key_file: Path, tmp_path: Path) -> None:
    log = StaticLog.make(tmp_path, KEY, size)
    root = encode_hash(log.edge.root())
    with served(log.folder) as url:
        assert f"{size} entries are in the tree with the root {root}\n" in go.says("tiles", url, key_file)
        assert go.fsck(url, key_file) == (size, root)


def test_a_log_continues_an_older_tree_and_no_other(
    log: StaticLog, go: GoTools, key_file: Path, tmp_path: Path
) -> None:
    older = StaticLog.make(tmp_path / "older", KEY, 300)
    with served(log.folder) as url:
        said = go.says("tiles", url, key_file, older.folder / "checkpoint")
        assert "it continues the tree of 300 entries" in said
        text = older.note().text.replace("\n300\n", "\n301\n")
        (tmp_path / "forged").write_bytes(Note(text, (KEY.sign(text),)).encode())
        assert go.refuses("tiles", url, key_file, tmp_path / "forged")


@pytest.mark.parametrize(
    "path", [resource("0", 1, 256), resource("0", 2, 188), resource("1", 0, 2), resource("entries", 0, 256)]
)
def test_a_tampered_tile_is_refused(path: str, copy: StaticLog, go: GoTools, key_file: Path) -> None:
    copy.spoil(path)
    with served(copy.folder) as url:
        assert go.refuses("tiles", url, key_file)
        assert go.fsck(url, key_file) is None


def test_a_forged_checkpoint_is_refused(copy: StaticLog, go: GoTools, key_file: Path) -> None:
    good = copy.note()
    lines = good.text.split("\n")
    other_root = "\n".join([*lines[:2], encode_hash(bytes(32)), ""])
    forged = {
        "the text changed": Note(good.text.replace("700", "699"), good.signatures),
        "another key": Note(good.text, (NEXT_KEY.sign(good.text),)),
        "another log": Note(f"other.example\n{good.text.partition(chr(10))[2]}", good.signatures),
        "another root, signed": Note(other_root, (KEY.sign(other_root),)),
    }
    for what, note in forged.items():
        copy.put("checkpoint", note.encode())
        with served(copy.folder) as url:
            assert go.refuses("tiles", url, key_file), what
            assert go.fsck(url, key_file) is None, what


def test_notes_go_both_ways(log: StaticLog, go: GoTools, key_file: Path, tmp_path: Path) -> None:
    ours = log.note()
    said = go.says("note", "open", key_file, given=ours.encode())
    assert said == f"{ours.text}signed by {KEY.name}+{KEY.verifier.key_id.hex()}\n"

    (tmp_path / "key").write_text(f"{NEXT_KEY.encode()}\n")
    # Go adds a signature to those that are there, with the file of a signing key as it is.
    theirs = parse_note(go.says("note", "sign", tmp_path / "key", given=ours.encode()).encode())
    assert theirs == Note(ours.text, (*ours.signatures, NEXT_KEY.sign(ours.text)))
    assert NEXT_KEY.verifier.signed(theirs)
    assert KEY.verifier.signed(theirs)
    assert parse_checkpoint(theirs.text).size == log.size

    # Both keys while one takes over from the other: each alone is enough, and both are seen.
    (tmp_path / "both").write_text(f"{KEY.verifier}\n{NEXT_KEY.verifier}\n")
    (tmp_path / "next").write_text(f"{NEXT_KEY.verifier}\n")
    assert go.says("note", "open", tmp_path / "both", given=theirs.encode()).count("signed by") == 2
    for file in (key_file, tmp_path / "next"):
        assert go.says("note", "open", file, given=theirs.encode()).count("signed by") == 1

    assert go.refuses("note", "open", tmp_path / "next", given=ours.encode())
    assert go.refuses("note", "open", key_file, given=ours.encode().replace(b"700", b"701"))


def test_proofs_of_entries(log: StaticLog, go: GoTools, key_file: Path, tmp_path: Path) -> None:
    for index in (0, 1, 255, 256, 511, 512, 698, 699):
        said = go.says("proof", "inclusion", key_file, given=log.proof(index).encode())
        assert said.startswith(f"entry {index} of 700: ")
    good = log.proof(300)
    for i, hash_ in enumerate(good.path):
        changed = bytes([hash_[0] ^ 1]) + hash_[1:]
        broken = replace(good, path=(*good.path[:i], changed, *good.path[i + 1 :]))
        assert "root" in go.refuses("proof", "inclusion", key_file, given=broken.encode())
    for broken in (
        replace(good, index=301),
        replace(good, path=good.path[:-1]),
        replace(good, extra=log.proof(301).extra),
    ):
        assert go.refuses("proof", "inclusion", key_file, given=broken.encode())
    (tmp_path / "next").write_text(f"{NEXT_KEY.verifier}\n")
    assert go.refuses("proof", "inclusion", tmp_path / "next", given=good.encode())


def changed_in_one_place(data: bytes) -> list[bytes]:
    """The data with one byte changed, left out or put in, at each place."""
    found = []
    for i in range(len(data)):
        found += [data[:i] + bytes([byte]) + data[i + 1 :] for byte in {data[i] ^ 1, 0x20, 0x0A, 0x0D, 0x00, 0xFF}]
        found += [data[:i] + data[i + 1 :], data[:i] + b"\n" + data[i:], data[: i + 1] + data[i:]]
    return [other for other in found if other != data]


def framed(inputs: list[bytes]) -> bytes:
    return b"".join(len(data).to_bytes(4, "big") + data for data in inputs)


def test_what_is_a_note_here_is_one_there(log: StaticLog, go: GoTools, key_file: Path) -> None:
    def taken(data: bytes) -> bool:
        try:
            return KEY.verifier.signed(parse_note(data)) is not None
        except NoteError:
            return False

    text = log.note().text
    good = [
        log.note().encode(),
        Note(text, (WITNESSES["x1"].cosign(text, 1), KEY.sign(text), NEXT_KEY.sign(text))).encode(),
        Note("one\n\ntwo\n", (KEY.sign("one\n\ntwo\n"),)).encode(),
    ]
    inputs = good + [other for data in good for other in changed_in_one_place(data)]
    said = go.says("note", "each", key_file, given=framed(inputs)).split()
    ours = [taken(data) for data in inputs]
    assert ours.count(True) > len(good), "none of the others can be opened"
    different = [(data, our) for data, theirs, our in zip(inputs, said, ours, strict=True) if (theirs == "true") != our]
    # Go passes over the bits behind the last byte of base64: those of the signatures of two others.
    assert [our for _, our in different] == [False, False]
    for data, _ in different:
        assert Counter(data) - Counter(good[1]) in (Counter(b"v"), Counter(b"b"))


def test_what_is_a_proof_here_is_one_there(log: StaticLog, go: GoTools, key_file: Path) -> None:
    """Go takes more: zeros in front of numbers, carriage returns."""

    def taken(data: bytes) -> bool:
        try:
            proof = parse_proof(data)
            point = proof.checkpoint
            entry = json.dumps(json.loads(proof.extra or b"")["entry"], sort_keys=True, separators=(",", ":"))
            check_inclusion(proof.index, point.size, leaf_hash(entry.encode()), proof.path, point.root)
            return KEY.verifier.signed(proof.note) is not None and point.origin == KEY.name
        except (ValueError, KeyError):
            return False

    good = [log.proof(300).encode(), log.proof(0).encode()]
    inputs = good + [other for data in good for other in changed_in_one_place(data)]
    said = go.says("proof", "each", key_file, given=framed(inputs)).split()
    ours = [taken(data) for data in inputs]
    assert ours[: len(good)] == [True] * len(good)
    assert [data for data, theirs, our in zip(inputs, said, ours, strict=True) if our and theirs == "false"] == []


def test_witnesses_cosign_and_have_the_quorum_or_not(log: StaticLog, go: GoTools, tmp_path: Path) -> None:
    lines = [
        f"log {KEY.verifier}",
        *(f"witness {name} {key.verifier} https://{key.name}" for name, key in WITNESSES.items()),
        "# two of the one, any of the other",
        "group xs 2 x1 x2 x3",
        "group ys any y1 y2",
        "group both all xs ys",
        "quorum both",
    ]
    (tmp_path / "policy").write_text("\n".join(lines) + "\n")
    policy = parse_policy((tmp_path / "policy").read_bytes())
    text = log.note().text
    cosigned = {name: key.cosign(text, 1_700_000_000) for name, key in WITNESSES.items()}
    notes, wanted = [], []
    for count in range(len(WITNESSES) + 1):
        for there in combinations(WITNESSES, count):
            notes.append(Note(text, (KEY.sign(text), *(cosigned[name] for name in there))).encode())
            wanted.append("true" if policy.fulfilled(there) else "false")
    said = go.says("witness", "quorum", tmp_path / "policy", given=b"\0".join(notes) + b"\0")
    assert said.split() == wanted
    assert set(wanted) == {"true", "false"}
    # Cosignatures of another text count for nothing.
    other = Note(text, tuple(key.cosign(text + "more\n", 1) for key in WITNESSES.values()))
    assert go.says("witness", "quorum", tmp_path / "policy", given=other.encode()).split() == ["false"]

    note = log.note()
    for name in ("x1", "x2", "y2"):
        (tmp_path / "key").write_text(f"{WITNESSES[name].encode()}\n")
        note = parse_note(go.says("witness", "cosign", tmp_path / "key", given=note.encode()).encode())
    assert policy.witnessed(note) == {"x1", "x2", "y2"}
    assert parse_signing_key((tmp_path / "key").read_text()) == WITNESSES["y2"]
