"""YAML of somebody else's: scalars as YAML 1.2 has them, every digit kept, and nothing that expands without bound."""

from __future__ import annotations

import re
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from datastorage_common import yamlnodes
from datastorage_common.yamlfile import documents, settings
from datastorage_common.yamlnodes import MAX_DEPTH, YAMLFault

from tests.tree import modules


def value_of(scalar: str) -> Any:
    [document] = documents(f"key: {scalar}\n".encode())
    return document.value["key"]


def fault_of(text: str | bytes, read: Any = documents) -> tuple[str, int]:
    with pytest.raises(YAMLFault) as e:
        read(text if isinstance(text, bytes) else text.encode())
    assert str(e.value) == f"{e.value.reason} (line {e.value.line})"
    return e.value.reason, e.value.line


# --- scalars of data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "1:30",
        "12:30:45.5",
        "1_000",
        "1_0.5",
        "no",
        "yes",
        "on",
        "off",
        "y",
        "N",
        "=",
        "<<",
        "2026-01-05",
        "0b101",
        "0o9",
        "2026-01-05T10:00:00Z",
        "1.2.3",
        "0x",
        "+",
        ".",
        "1e",
        "tRUE",
        "nUll",
        "-1-",
        "1,000",
        "١",
    ],
)
def test_what_is_a_text_in_yaml_1_2_stays_as_it_was_written(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("0xffffffffffffffffffff", Decimal(0xFFFFFFFFFFFFFFFFFFFF)),
        ("123456789012345678901234567890", Decimal("123456789012345678901234567890")),
        ("9" * 5000, Decimal("9" * 5000)),
        ("0.12345678901234567890123", Decimal("0.12345678901234567890123")),
        ("1.10", Decimal("1.10")),
        (".5", Decimal("0.5")),
        ("1.", Decimal(1)),
        ("1e3", Decimal("1E+3")),
        ("-1.5E-400", Decimal("-1.5E-400")),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("Null", None),
        ("", None),
        ("'0755'", "0755"),
        ('"no"', "no"),
        ("!!str 5", "5"),
        ('!!int "5"', 5),
        ("!!float 1", Decimal(1)),
        ("! 5", "5"),
    ],
)
def test_other_scalars_are_what_the_core_schema_says(text: str, value: Any) -> None:
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))
    if isinstance(value, Decimal):
        assert str(found) == str(value), "every digit, those at the end too"


@pytest.mark.parametrize("text", ["0755", "00", "-007", "+0123456789012345678901"])
def test_numbers_of_two_meanings_are_refused_with_their_line(text: str) -> None:
    reason, line = fault_of(f"a: 1\nb:\n- x\n- {text}\n")
    assert ("differently" in reason, line) == (True, 4)


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", ".NAN"])
def test_numbers_that_json_has_not_are_refused_with_their_line(text: str) -> None:
    reason, line = fault_of(f"a: 1\nb: {text}\n")
    assert ("JSON has neither" in reason, line) == (True, 2)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a: stands here twice"),
        ("a:\n  x: 1\n  'x': 2\n", 3, "x: stands here twice"),
        ("a: [{x: 1,\n x: 2}]", 2, "x: stands here twice"),
        ("a: 1\n<<: {b: 2}\n", 2, "<<: YAML 1.2 has no merging"),
        ("a: 1\n1: 2\n", 2, "1: keys are texts in JSON"),
        ("a: 1\n~: 2\n", 2, "~: keys are texts in JSON"),
        ("a: 1\n? \n: 2\n", 2, "an empty key: keys are texts in JSON"),
        ("a: 1\n? [b]\n: 2\n", 2, "a key must be a text"),
        ("a: 1\nb: !!binary eA==\n", 2, "has a tag"),
        ("a: 1\nb: !own x\n", 2, "has a tag"),
        ("a: 1\nb: !!int x\n", 2, "has a tag"),
        ("a: 1\nb: !!set {x}\n", 2, "has a tag"),
        ("a: 1\nb: !!python/object:os.system {}\n", 2, "has a tag"),
        ("a: 1\nb: 1e99999999999999999999\n", 2, "a number with a larger exponent"),
        ('a: 1\nb: "\\0"\n', 2, "holds a NUL"),
        ('a: 1\nb: "\\ud800"\n', 2, "holds a NUL or half"),
        ("a: 1\nb: \x07\n", 2, "is not YAML: it holds the character #x0007"),
        ("a: 1\n\tb: 2\n", 2, "is not YAML: a tab stands where YAML takes spaces only"),
        ("a: 1\nb:\n\t- 2\n", 3, "is not YAML: a tab stands where YAML takes spaces only"),
        ("a: 1\nb: [\n", 3, "is not YAML: expected the node content, but found '<stream end>'"),
        ("a: 1\nb: *none\n", 2, "is not YAML: found undefined alias"),
        ("a: &x 1\nb: &x 2\n", 2, "an anchor has the name of an earlier one"),
        ("a: 1\nb: &x [*x]\n", 2, "an alias stands inside of what it stands for"),
        ("a: 1\nb: &x {c: {d: [1, *x]}}\n", 2, "an alias stands inside of what it stands for"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8"),
        ("a: 1\n".encode("utf-16"), 1, "is UTF-16: save it as UTF-8"),
        ("\ufeffa: 1\n".encode("utf-16-be"), 1, "is UTF-16: save it as UTF-8"),
        ("a: 1\n".encode("utf-32"), 1, "is UTF-32: save it as UTF-8"),
    ],
)
def test_what_is_not_taken_is_told_with_its_line(text: str | bytes, line: int, reason: str) -> None:
    told, at = fault_of(text)
    assert told.startswith(reason), told
    assert at == line


@pytest.mark.parametrize("read", [documents, settings])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a: 1\nb: "\\U00110000"\n', 2),
        ('a: 1\nb: "\\U99999999"\n', 2),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1\n", 1),
    ],
)
def test_numbers_that_are_of_no_character_and_no_version(text: str, line: int, read: Any) -> None:
    reason, found = fault_of(text, read)
    assert reason.startswith("is not YAML: an escape such as \\U0001F600 is of no character")
    assert found == line


def test_a_mark_at_the_beginning_is_no_part_of_the_text() -> None:
    [document] = documents("\ufeffa: 1\n".encode())
    assert (document.value, document.text) == ({"a": 1}, "a: 1\n")


def test_keys_that_yaml_1_1_takes_for_something_else() -> None:
    [document] = documents(b"no: 1\non: 2\n2026-01-05: 3\n=: 4\n'<<': 5\n'1': 6\n")
    assert document.value == {"no": 1, "on": 2, "2026-01-05": 3, "=": 4, "<<": 5, "1": 6}


def test_lines_of_keys() -> None:
    [document] = documents(b"# c\na:\n  b:\n    c:\n      d: 1\n")
    assert document.lines == {"a": 2, "a.b": 3, "a.b.c": 4}


# --- size and depth -------------------------------------------------------------------------------------------


def laughs(levels: int, width: int) -> bytes:
    """Lists of lists, each of which stands for ``width`` of the one before."""
    lines = ["a0: &a0 [" + ", ".join(["x"] * width) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]" for n in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("read", [documents, settings])
@pytest.mark.parametrize(
    "text",
    [
        laughs(7, 9),
        laughs(20, 9),
        b"a: &a " + b"x" * 100_000 + b"\nb: [" + b"*a, " * 100 + b"]\n",
        b"a: &a {x: 1}\nb: [" + b"*a," * 100_000 + b"]\n",
        b"x: [" + b"1," * 100_000 + b"]\n",
    ],
)
def test_what_would_be_too_large_is_refused_before_it_is(
    text: bytes, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in nodes that were made, and in bytes that were allocated."""
    made = 0
    compose = yamlnodes.BoundedLoader.compose_node

    def counted(*args: Any) -> Any:
        nonlocal made
        made += 1
        return compose(*args)

    monkeypatch.setattr(yamlnodes.BoundedLoader, "compose_node", counted)
    small = len(text) < 2000
    if small:  # it slows down what allocates much
        tracemalloc.start()
    reason, _ = fault_of(text, read)
    if small:
        assert tracemalloc.get_traced_memory()[1] < 2 * 1024**2
        tracemalloc.stop()
    assert "once its aliases are written out" in reason
    assert made <= min(len(text), yamlnodes.MAX_SIZE // yamlnodes._NODE_SIZE + 1)


def test_aliases_within_bounds_are_what_they_stand_for() -> None:
    [document] = documents(b"a: &a [1, &b {c: 0.10}]\nd: [*a, *b]\n")
    assert document.value == {
        "a": [1, {"c": Decimal("0.10")}],
        "d": [[1, {"c": Decimal("0.10")}], {"c": Decimal("0.10")}],
    }


@pytest.mark.parametrize("read", [documents, settings])
@pytest.mark.parametrize("opening", ["[", "- ", "{a: ", "a:\n"])
def test_what_nests_too_deeply_is_refused(opening: str, read: Any) -> None:
    text = "".join(" " * n + "a:\n" for n in range(2000)) if opening == "a:\n" else opening * 100_000
    reason, _ = fault_of(text, read)
    assert reason == f"nested deeper than {MAX_DEPTH} levels"


def test_what_nests_deeply_is_taken() -> None:
    depth = MAX_DEPTH - 2
    [document] = documents(f"a: {'[' * depth}1{']' * depth}".encode())
    for _ in range(depth):
        [document.value["a"]] = document.value["a"]
    assert document.value == {"a": 1}


# --- several documents ----------------------------------------------------------------------------------------


def test_each_document_has_its_own_text_and_lines() -> None:
    first, second = "# one\na: 1\n# two\n", "---\nb:\n  c: 2\n"
    found = documents((first + second).encode())
    assert [(d.text, d.line, d.value, d.lines) for d in found] == [
        (first, 1, {"a": 1}, {"a": 2}),
        (second, 4, {"b": {"c": 2}}, {"b": 5, "b.c": 6}),
    ]


@pytest.mark.parametrize(
    "text", ["---\na: 1\n---\n", "a: 1\n...\n", "---\n---\na: 1\n", "# c\n---\na: 1\n--- # nothing\n"]
)
def test_documents_that_hold_nothing_do_not_count(text: str) -> None:
    [document] = documents(text.encode())
    assert (document.value, document.text) == ({"a": 1}, text)
    assert settings(text.encode()) == {"a": 1}


@pytest.mark.parametrize("text", ["", "\n", "# c\n", "---\n", "---\n...\n---\n"])
def test_a_file_without_documents(text: str) -> None:
    assert documents(text.encode()) == []
    assert settings(text.encode()) is None


# --- settings -------------------------------------------------------------------------------------------------


def test_settings_are_read_as_they_always_were() -> None:
    text = b"a: no\nb: on\nc: 1_000\nd: 2027-01-05T10:00:00Z\ne: 1.5\nf: &f {x: 1}\ng: {<<: *f, y: 2}\n5: h\n"
    assert settings(text) == {
        "a": False,
        "b": True,
        "c": 1000,
        "d": datetime(2027, 1, 5, 10, tzinfo=UTC),
        "e": 1.5,
        "f": {"x": 1},
        "g": {"x": 1, "y": 2},
        5: "h",
    }


@pytest.mark.parametrize("text", ["0755", "1:30", "190:20:30", "-010", "1:30.5"])
def test_settings_of_two_meanings_are_refused_without_being_shown(text: str) -> None:
    reason, line = fault_of(f"database:\n  password: {text}\n", settings)
    assert ("differently" in reason, line, text in reason.partition("such as")[0]) == (True, 2, False)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "*s3cret",
            "!s3cret x",
            "&s3cret x\nb: &s3cret x",
            "[s3cret",
            "'s3cret",
            '"s3cret\\q"',
            "a: s3cret",
            "%s3cret",
        ),
        *("!!int s3cret", "!!float s3cret", "!!bool s3cret", "!!binary s3cret=", "!!timestamp s3cret", "!<s3cret> x"),
    ],
)
@pytest.mark.parametrize("read", [documents, settings])
def test_no_fault_shows_a_value(text: str, read: Any) -> None:
    reason, line = fault_of(f"a: 1\npassword: {text}\n", read)
    assert "s3cret" not in reason
    assert line in (2, 3)


@pytest.mark.parametrize("text", ['"\\0"', '"\\ud800"'])
def test_settings_are_texts_that_can_be_kept(text: str) -> None:
    assert fault_of(f"a: 1\nb: {text}\n", settings) == (
        "holds a NUL or half of a surrogate pair, which can be kept nowhere",
        2,
    )


def test_settings_are_one_document() -> None:
    assert fault_of("a: 1\n---\nb: 2\n", settings) == ("holds 2 documents where one is read", 2)


def test_yaml_is_loaded_in_one_place() -> None:
    loads = re.compile(r"yaml\.(safe_|full_|unsafe_)?(load|compose|parse|scan)|yaml\.C?\w*Loader")
    found = {p.name for p in modules() if loads.search(p.read_text(encoding="utf-8"))}
    assert found == {"yamlfile.py", "yamlnodes.py"}
