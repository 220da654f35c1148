"""Signed notes: the example of the specification, and all that is none."""

from __future__ import annotations

import pytest
from datastorage_common.notes import (
    COSIGNATURE,
    SIGNATURE,
    Note,
    NoteError,
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
        (b"te\x00xt\n\n\xe2\x80\x94 a QUJDREVG\n", "control"),
        (b"te\xffxt\n\n\xe2\x80\x94 a QUJDREVG\n", "UTF-8"),
        (b"text\n\n" + 65 * b"\xe2\x80\x94 a QUJDREVG\n", "64 signatures"),
        (b"x" * 70_000 + b"\n\n\xe2\x80\x94 a QUJDREVG\n", "more than"),
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


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\N{EM SPACE}b"])
def test_a_name_that_no_key_can_have(name: str) -> None:
    with pytest.raises(NoteError, match="name"):
        make_key(name, bytes(32))
