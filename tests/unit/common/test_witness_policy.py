"""Policies of witnesses, as c2sp.org/tlog-policy writes them down."""

from __future__ import annotations

from itertools import combinations

import pytest
from datastorage_common.notes import COSIGNATURE, Note, NoteError, make_key
from datastorage_common.witness_policy import PolicyError, parse_policy

LOG = make_key("log.example/records", bytes(32))
KEYS = {
    name: make_key(f"{name}.example", bytes([n]) * 32, COSIGNATURE)
    for n, name in enumerate(["x1", "x2", "x3", "y1", "y2"], 1)
}
TWO_LEVELS = "\n".join(
    [
        "# two of the one, any of the other",
        f"log {LOG.verifier} https://log.example/",
        *(f"witness {name}\t{key.verifier}" for name, key in KEYS.items()),
        "",
        "group xs 2 x1 x2 x3",
        "group ys any y1 y2",
        "  group both all xs ys ",
        "quorum both",
    ]
)


def test_a_quorum_on_two_levels() -> None:
    policy = parse_policy(TWO_LEVELS.encode())
    assert policy.logs == (LOG.verifier,)
    for count in range(len(KEYS) + 1):
        for there in combinations(KEYS, count):
            wanted = sum(n.startswith("x") for n in there) >= 2 and any(n.startswith("y") for n in there)
            assert policy.fulfilled(there) is wanted, there


def test_who_has_cosigned_is_told_by_checked_signatures() -> None:
    policy = parse_policy(TWO_LEVELS.encode())
    text = "log.example/records\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    good = Note(text, (LOG.sign(text), KEYS["x1"].cosign(text, 1), KEYS["y2"].cosign(text, 2)))
    assert policy.witnessed(good) == {"x1", "y2"}
    with pytest.raises(NoteError):
        policy.witnessed(Note(text, (KEYS["x1"].cosign(text + "x\n", 1),)))


def test_no_quorum_and_a_single_witness() -> None:
    assert parse_policy(b"quorum none\n").fulfilled([])
    policy = parse_policy(f"witness w {KEYS['x1'].verifier}\nquorum w".encode())
    assert policy.fulfilled(["w"])
    assert not policy.fulfilled([])


def test_names_are_octets() -> None:
    # c2sp.org/tlog-policy: a Kelvin sign is no K, and what is no UTF-8 is a name as well.
    one, two, three = (str(KEYS[name].verifier).encode() for name in ("x1", "x2", "x3"))
    lines = [b"witness K " + one, b"witness \xe2\x84\xaa " + two, b"witness \xff " + three, b"quorum \xff"]
    policy = parse_policy(b"\n".join(lines))
    assert [w.key.name for w in policy.witnesses.values()] == ["x1.example", "x2.example", "x3.example"]
    assert policy.fulfilled(policy.witnessed(Note("t\n", (KEYS["x3"].cosign("t\n", 1),))))
    assert not policy.fulfilled({"K"})


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "no line with the quorum"),
        (["quorum none", "quorum none"], "line 2: there is a quorum already"),
        (["quorum w"], "no line before defines"),
        (["quorum"], "quorum NAME"),
        (["host w"], "line 1: log, witness"),
        (["log"], "log KEY"),
        ([f"log {LOG.verifier}", f"log {LOG.verifier}"], "line 2: this log is there twice"),
        ([f"log {KEYS['x1'].verifier}"], "kind"),
        ([f"witness w {LOG.verifier}"], "kind"),
        ([f"witness none {KEYS['x1'].verifier}"], "taken"),
        ([f"witness w {KEYS['x1'].verifier}", f"witness w {KEYS['x2'].verifier}"], "taken"),
        ([f"witness w {KEYS['x1'].verifier}", f"witness v {KEYS['x1'].verifier}"], "twice"),
        (["witness w"], "witness NAME"),
        ([f"witness w \udcff+00000000+{str(KEYS['x1'].verifier).rpartition('+')[2]}"], "line 1: not a verifier key"),
        (["group g all"], "group NAME"),
        (["group g all w"], "no line before"),
        ([f"witness w {KEYS['x1'].verifier}", "group g 2 w"], "needed"),
        ([f"witness w {KEYS['x1'].verifier}", "group g 0 w"], "needed"),
        ([f"witness w {KEYS['x1'].verifier}", "group g all w w"], "two groups"),
        ([f"witness w {KEYS['x1'].verifier}", "group g all w", "group h all w"], "two groups"),
        ([f"witness w {KEYS['x1'].verifier}", "group w all w"], "taken"),
        (["quorum none\x00"], "control"),
        (["# " + 70_000 * "x"], "more than"),
    ],
)
def test_what_is_no_policy(lines: list[str], why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        parse_policy("\n".join(lines).encode("utf-8", "surrogateescape"))
