"""Signed notes: the example of the specification, and all that is none."""

from __future__ import annotations

import pytest
from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import (
    COSIGNATURE,
    SIGNATURE,
    Note,
    NoteError,
    Signature,
    cosigned_at,
    make_key,
    parse_note,
    parse_signing_key,
    parse_verifier_key,
)

# c2sp.org/signed-note gives this key and this note.
KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNED = (
    "This is an example message.\n\n"
    "\N{EM DASH} example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
LOG = make_key("log.example/records", bytes(range(32)))
WITNESS = make_key("witness.example/w1", bytes(range(1, 33)), COSIGNATURE)
TEXT = "log.example/records\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def test_the_example_of_the_specification() -> None:
    key = parse_verifier_key(KEY)
    assert str(key) == KEY
    note = parse_note(SIGNED.encode())
    assert note.encode() == SIGNED.encode()
    assert key.signed(note) == note.signatures[0]


# The documentation of golang.org/x/mod/sumdb/note signs this text: with a key that it shows, and with one made of 32
# bytes of zero.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNING_KEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINES = (
    "\N{EM DASH} PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    "\N{EM DASH} EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)


def test_the_examples_of_go() -> None:
    first, second = parse_signing_key(GO_SIGNING_KEY), make_key("EnochRoot", bytes(32))
    assert (str(first.verifier), first.encode()) == (GO_KEY, GO_SIGNING_KEY)
    note = Note(GO_TEXT, (first.sign(GO_TEXT), second.sign(GO_TEXT)))
    assert note.encode().decode() == f"{GO_TEXT}\n{GO_LINES}"
    assert parse_note(note.encode()) == note


def test_the_cosigned_checkpoint_of_the_specification() -> None:
    # c2sp.org/tlog-cosignature shows this note, and the time in it; its keys are not shown.
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    lines = (
        "\N{EM DASH} example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "\N{EM DASH} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2"
        "oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )
    note = parse_note(f"{text}\n{lines}".encode())
    assert (note.text, note.encode().decode()) == (text, f"{text}\n{lines}")
    assert cosigned_at(note.signatures[1]) == 1679315147
    point = parse_checkpoint(note.text)
    assert (point.origin, point.size, point.text()) == ("example.com/behind-the-sofa", 20852163, text)


def test_a_verifier_key_of_a_witness_elsewhere() -> None:
    # From the tests of github.com/transparency-dev/formats, note/note_cosigv1_test.go.
    key = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    assert str(parse_verifier_key(key, (COSIGNATURE,))) == key


def test_sixteen_signatures_of_the_largest_kind_are_a_note() -> None:
    # c2sp.org/signed-note: verifiers must take 16, and those of keys after the quantum have up to nearly 5 kB.
    others = tuple(Signature(f"w{n}.example", bytes([0, 0, 0, n]), bytes(5000)) for n in range(15))
    note = parse_note(Note(TEXT, (*others, LOG.sign(TEXT))).encode())
    assert LOG.verifier.signed(note) is not None


def test_a_note_with_the_signature_of_its_log_and_that_of_a_witness() -> None:
    note = Note(TEXT, (LOG.sign(TEXT), WITNESS.cosign(TEXT, 1_700_000_000)))
    assert parse_note(note.encode()) == note
    assert LOG.verifier.signed(note) == note.signatures[0]
    found = WITNESS.verifier.signed(note)
    assert found is not None
    assert cosigned_at(found) == 1_700_000_000
    assert make_key("other.example", bytes(32)).verifier.signed(note) is None


def test_an_empty_line_in_the_text_is_text() -> None:
    note = Note("one\n\ntwo\n", (LOG.sign("one\n\ntwo\n"),))
    assert parse_note(note.encode()).text == "one\n\ntwo\n"


@pytest.mark.parametrize("key", [LOG, WITNESS])
def test_another_text_or_another_signature_is_refused(key: object) -> None:
    sign = (lambda text: LOG.sign(text)) if key is LOG else (lambda text: WITNESS.cosign(text, 1_700_000_000))
    verifier = LOG.verifier if key is LOG else WITNESS.verifier
    good = sign(TEXT)
    with pytest.raises(NoteError, match="is wrong"):
        verifier.signed(Note(TEXT + "more\n", (good,)))
    for value in (good.value[:-1], good.value + b"x", bytes([good.value[0] ^ 1]) + good.value[1:], b"x"):
        broken = Note(TEXT, (type(good)(good.name, good.key_id, value),))
        with pytest.raises(NoteError, match="is wrong"):
            verifier.signed(broken)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "without signatures"),
        (b"text\n", "without signatures"),
        (b"text\n\n", "without signatures"),
        (b"text\n\n\xe2\x80\x94 a QUJDREVG", "without signatures"),
        (b"text\n\n- a QUJDREVG\n", "is none"),
        (b"text\n\n\xe2\x80\x94 a+b QUJDREVG\n", "is none"),
        (b"text\n\n\xe2\x80\x94 a b QUJDREVG\n", "is none"),
        ("text\n\n\N{EM DASH} a\N{NO-BREAK SPACE}b QUJDREVG\n".encode(), "is none"),
        (b"text\n\n\xe2\x80\x94 a QUJD*\n", "base64"),
        (b"text\n\n\xe2\x80\x94 a QUJDRA==\n", "too short"),
        (b"text\n\n\xe2\x80\x94 a QUJDREVG=\n", "base64"),
        (b"text\n\n\xe2\x80\x94 a QUJDREV\n", "base64"),
        (b"text\n\n\xe2\x80\x94 a QUJDREVGR0==\n", "base64"),
        (b"te\x00xt\n\n\xe2\x80\x94 a QUJDREVG\n", "control"),
        (b"te\xffxt\n\n\xe2\x80\x94 a QUJDREVG\n", "UTF-8"),
        (b"text\n\n" + 65 * b"\xe2\x80\x94 a QUJDREVG\n", "64 signatures"),
        (b"x" * 140_000 + b"\n\n\xe2\x80\x94 a QUJDREVG\n", "more than"),
    ],
)
def test_what_is_no_note(data: bytes, why: str) -> None:
    with pytest.raises(NoteError, match=why):
        parse_note(data)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a verifier key"),
        ("example.com/foo", "not a verifier key"),
        (KEY.replace("530d903a", "530D903A"), "not a verifier key"),
        (KEY.replace("530d903a", "530d903b"), "does not fit"),
        (KEY.replace("/foo", "/bar"), "does not fit"),
        (KEY[:-4], "kind"),
        (KEY.replace("+Aek", "+Bek"), "kind|fit"),
        (KEY + "!", "base64"),
    ],
)
def test_what_is_no_verifier_key(text: str, why: str) -> None:
    with pytest.raises(NoteError, match=why):
        parse_verifier_key(text)


def test_a_key_of_another_kind_is_not_taken() -> None:
    assert parse_verifier_key(str(WITNESS.verifier)) == WITNESS.verifier
    with pytest.raises(NoteError, match="kind"):
        parse_verifier_key(str(WITNESS.verifier), (SIGNATURE,))
    with pytest.raises(NoteError, match="kind"):
        parse_verifier_key(str(LOG.verifier), (COSIGNATURE,))


def test_a_signing_key_is_read_as_it_was_written_and_shows_itself_nowhere() -> None:
    for key in (LOG, WITNESS):
        assert parse_signing_key(key.encode() + "\n") == key
        assert key.encode().rpartition("+")[2] not in repr(key)
    for text in ("", LOG.encode()[8:], LOG.encode().replace("records", "others"), LOG.encode()[:-8] + "AAAAAAA="):
        with pytest.raises(NoteError) as caught:
            parse_signing_key(text)
        assert LOG.encode().rpartition("+")[2] not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\N{EM SPACE}b", "a\udcff"])
def test_a_name_that_no_key_can_have(name: str) -> None:
    with pytest.raises(NoteError, match="name"):
        make_key(name, bytes(32))
