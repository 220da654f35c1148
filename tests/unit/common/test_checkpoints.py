"""Checkpoints and proofs as text."""

from __future__ import annotations

import pytest
from datastorage_common.checkpoints import Checkpoint, Proof, parse_checkpoint, parse_proof
from datastorage_common.notes import Note, NoteError, make_key

KEY = make_key("log.example/records", bytes(range(32)))
POINT = Checkpoint("log.example/records", 5, bytes(range(32)))
NOTE = Note(POINT.text(), (KEY.sign(POINT.text()),))
PROOF = Proof(3, (b"a" * 32, b"b" * 32), NOTE, b'{"v":1}')


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    assert POINT.text() == "log.example/records\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert parse_checkpoint(POINT.text()) == POINT
    more = Checkpoint(POINT.origin, 0, POINT.root, ("one", "two"))
    assert parse_checkpoint(more.text()) == more


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n5\n",
        "a\n\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n05\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n-5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n٥\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n9223372036854775808\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "a\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n",
        "a\n5\nnot base64\n",
        "a\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
        "a\n5\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(text)


def test_a_proof_is_read_as_it_was_written() -> None:
    for proof in (PROOF, Proof(0, (), NOTE), Proof(3, PROOF.path, NOTE, b"")):
        assert parse_proof(proof.encode()) == proof
    assert parse_proof(PROOF.encode()).checkpoint == POINT
    assert PROOF.encode().startswith(b"c2sp.org/tlog-proof@v1\nextra eyJ2IjoxfQ==\nindex 3\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"tlog-proof@v1", b"tlog-proof@v2"),
        (b"index 3\n", b""),
        (b"index 3", b"index 03"),
        (b"extra eyJ2IjoxfQ==", b"extra e%"),
        (b"extra eyJ2IjoxfQ==", b"extra eyJ2IjoxfR=="),
        (b"\n\nlog.example", b"\nlog.example"),
        (b"index 3\n", b"index 3\n" + 64 * (b"A" * 43 + b"=\n")),
        (b"index 3\n", b"index 3\nshort\n"),
        (b"index 3\n", b"index 3\n\xff\n"),
    ],
)
def test_what_is_no_proof(old: bytes, new: bytes) -> None:
    data = PROOF.encode()
    assert old in data
    with pytest.raises(NoteError):
        parse_proof(data.replace(old, new, 1))
    with pytest.raises(NoteError, match="more than"):
        parse_proof(data + b"x" * 200_000)
