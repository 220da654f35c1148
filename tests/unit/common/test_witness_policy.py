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
        ([f"witness w {KEYS['x1'].verifier}", "group g all w", "witness g x"], "line 3: this name"),
        ([f"witness w {KEYS['x1'].verifier}", "group g all none"], "no line before"),
        ([f"witness w {KEYS['x1'].verifier}", "group g 1.0 w"], "needed"),
        ([f"witness w {KEYS['x1'].verifier}", "group g 01 w"], "needed"),
        (["quorum g", f"witness g {KEYS['x1'].verifier}"], "line 1: a name that no line before"),
        (["quorum none\r"], "control"),
        (["#\x7f", "quorum none"], "control"),
        (["quorum none\x00"], "control"),
        (["# " + 70_000 * "x"], "more than"),
    ],
)
def test_what_is_no_policy(lines: list[str], why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        parse_policy("\n".join(lines).encode("utf-8", "surrogateescape"))


def test_names_are_octets_whatever_they_mean() -> None:
    kelvin, latin = b"\xe2\x84\xaa", b"\xff"
    lines = [
        b"witness K %b https://w.example/K" % str(KEYS["x1"].verifier).encode(),
        b"witness %b %b" % (kelvin, str(KEYS["x2"].verifier).encode()),
        b"witness %b %b" % (latin, str(KEYS["x3"].verifier).encode()),
        b"group all-of-them 3 K %b %b" % (kelvin, latin),
        b"\t# \xfe is in no text",
        b"quorum all-of-them",
    ]
    policy = parse_policy(b"\n".join(lines))
    assert policy.fulfilled(policy.witnesses)
    assert not policy.fulfilled(["K", "k"])


def test_the_name_of_a_key_is_text() -> None:
    with pytest.raises(PolicyError, match="line 1: not a verifier key"):
        parse_policy(b"witness w \xff+00000000+BAAA\nquorum w\n")


def test_as_much_as_every_implementation_should_take() -> None:
    keys = [make_key(f"w{n}.example", bytes([n]) * 32, COSIGNATURE) for n in range(1, 33)]
    logs = [make_key(f"log{n}.example", bytes([n]) * 32) for n in range(1, 33)]
    lines = [f"log {key.verifier} https://log.example/{n}" for n, key in enumerate(logs)]
    lines += [f"witness w{n} {key.verifier} https://w.example/{n}" for n, key in enumerate(keys)]
    lines += [f"group g{n} any w{n}" for n in range(31)]
    lines += [f"group all-groups all {' '.join(f'g{n}' for n in range(31))}", "quorum all-groups"]
    policy = parse_policy("\n".join(lines).encode())
    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)
    assert policy.fulfilled(f"w{n}" for n in range(31))
    assert not policy.fulfilled(f"w{n}" for n in range(1, 32))


def test_the_size_that_enough_of_them_have_come_to() -> None:
    policy = parse_policy(TWO_LEVELS.encode())
    assert policy.reached({"x1": 10, "x2": 30, "x3": 20, "y1": 25, "y2": 5}) == 20
    assert policy.reached({"x1": 10, "x2": 30, "y1": 7}) == 7
    assert policy.reached({"x1": 10, "y1": 7}) is None
    assert policy.reached({"both": 7}) is None
    assert policy.reached({}) is None
