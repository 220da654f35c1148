from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from datastorage_common import jsonvalue
from datastorage_common.jsonvalue import canonical, compact, parse
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
DIGITS = st.text("0123456789", min_size=1, max_size=40)


@st.composite
def number_texts(draw: st.DrawFn) -> str:
    whole = draw(DIGITS).lstrip("0") or "0"
    fraction = draw(st.one_of(st.just(""), DIGITS.map(lambda d: "." + d)))
    exponent = draw(st.one_of(st.just(""), st.integers(-300, 300).map(lambda e: f"e{e:+}")))
    return draw(st.sampled_from(["", "-"])) + whole + fraction + exponent


NUMBERS = number_texts().map(lambda t: parse(t.encode()))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


def same(a: Any, b: Any) -> bool:
    """Equality of JSON values, where true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


def respelled(value: Any, draw: st.DrawFn) -> str:
    """Another JSON text of the same value: other key order, white space and spelling of numbers."""
    if isinstance(value, dict):
        items = draw(st.permutations(list(value.items())))
        return "{ " + " ,\n".join(f"{json.dumps(k)} : {respelled(v, draw)}" for k, v in items) + "}"
    if isinstance(value, list):
        return "[" + " , ".join(respelled(v, draw) for v in value) + " ]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        if not value:
            return draw(st.sampled_from(["0", "-0", "0.00", "0E+7"]))
        sign, digits, exponent = Decimal(value).as_tuple()
        zeros = draw(st.integers(0, 5))
        assert isinstance(exponent, int)
        return f"{'-' * sign}{''.join(map(str, digits)).lstrip('0')}{'0' * zeros}E{exponent - zeros:+}"
    return json.dumps(value)


@given(VALUES)
def test_compact_text_parses_to_the_same_value(value: Any) -> None:
    assert same(parse(compact(value)), value)


@given(number_texts())
def test_no_digit_of_a_number_is_lost(text: str) -> None:
    again = compact(parse(text.encode())).decode()
    assert Decimal(again) == Decimal(text)
    assert len(Decimal(again).as_tuple().digits) == len(Decimal(text).as_tuple().digits)


@given(VALUES, st.data())
def test_canonical_form_does_not_depend_on_the_spelling(value: Any, data: st.DataObject) -> None:
    text = respelled(value, data.draw)
    assert canonical(parse(text.encode())) == canonical(value)


@given(VALUES, VALUES)
def test_canonical_form_tells_values_apart(a: Any, b: Any) -> None:
    assert (canonical(a) == canonical(b)) == same(a, b)


@pytest.mark.parametrize("value", [0, 1, -1, 10, 1200, 10**18 - 1])
def test_integers_are_canonical_whatever_type_holds_them(value: int) -> None:
    spellings = [value, Decimal(value), Decimal(f"{value}.00"), Decimal(f"{value}0e-1")]
    assert {canonical(v) for v in spellings} == {str(value).encode()}


@pytest.mark.parametrize(("text", "form"), [("1.50", "15e-1"), ("-0.0", "0"), ("0e9", "0"), ("-25e-3", "-25e-3")])
def test_canonical_number(text: str, form: str) -> None:
    assert jsonvalue.canonical_number(Decimal(text)) == form


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "line 1, column 1"),
        (b"{", "line 1"),
        (b"[1,]", "line 1"),
        (b"nul", "line 1"),
        (b"01", "line 1"),
        (b"'a'", "line 1"),
        (b'"a\nb"', "line 1"),
        (b"[1] 2", "line 1"),
        (b"\xef\xbb\xbf{}", "line 1"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"NaN", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', 'duplicate key "c"'),
        (b'{"\\u0061": 1, "a": 2}', 'duplicate key "a"'),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_parse_refuses(body: bytes, message: str) -> None:
    with pytest.raises(jsonvalue.JSONError, match=message.replace("[", r"\[")):
        parse(body)


def test_a_long_or_unprintable_duplicate_key_is_shown_in_part() -> None:
    key = b"\\ud800" + b"k" * 1000
    with pytest.raises(jsonvalue.JSONError) as e:
        parse(b'{"%s": 1, "%s": 2}' % (key, key))
    assert len(str(e.value)) < 150
    str(e.value).encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123456789012345678", 123456789012345678),
        ("1234567890123456789", Decimal("1234567890123456789")),
        ("1.10", Decimal("1.10")),
        ("1e2", Decimal("1e2")),
        ("1e99999999999999999999", jsonvalue.HUGE),
    ],
)
def test_numbers_are_int_or_decimal(text: str, value: object) -> None:
    parsed = parse(text.encode())
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ['"a\\u0000"', '{"\\ud800": 1}', '[{"a": ["\\udfff"]}]'])
def test_finds_text_that_cannot_be_stored(text: str) -> None:
    assert not jsonvalue.document(text.encode()).plain
    assert jsonvalue.has_unstorable_text(parse(text.encode()))


@pytest.mark.parametrize("text", ['"\\ud83d\\ude00"', '{"a": ["ä", "\\\\u0000"]}', "[1, null, true, 1.5]"])
def test_lets_text_pass_that_can_be_stored(text: str) -> None:
    assert not jsonvalue.has_unstorable_text(parse(text.encode()))


@pytest.mark.parametrize(
    ("text", "depth"), [("1", 0), ("{}", 1), ('{"a": 1}', 1), ("[[]]", 2), ('{"a": [1], "b": [[{}]]}', 4)]
)
def test_depth(text: str, depth: int) -> None:
    value = parse(text.encode())
    assert not jsonvalue.depth_exceeds(value, depth)
    assert depth == 0 or jsonvalue.depth_exceeds(value, depth - 1)


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("1" * 400, False),
        ("1" * 401, True),
        ("1e400", False),
        ("1e401", True),
        ("1e-400", False),
        ("1e-401", True),
        ('{"a": [{"b": 1e401}]}', True),
        ("[1e99999999999999999999]", True),
        ('{"a": ["x", true, 1]}', False),
    ],
)
def test_number_out_of_range(text: str, out: bool) -> None:
    assert jsonvalue.number_out_of_range(parse(text.encode()), 400) is out


@given(NUMBERS)
def test_a_number_written_out_has_no_exponent(number: Any) -> None:
    plain = str(number)
    if isinstance(number, Decimal):
        # Python writes the zeros of 0e5 too, PostgreSQL does not.
        plain = format(number if number else number.scaleb(-max(number.as_tuple().exponent, 0)), "f")
    assert jsonvalue.written_bytes([number]) == len(f"[{plain}]")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("[1e400]", 403),
        ("[1e-400]", 404),
        ("[-12.5e3]", 8),
        ("[0e400]", 3),
        ('["1E+400", 5]', 12),
        ('{"a": [1e400, {"b": 1.50}]}', 420),
    ],
)
def test_the_size_with_numbers_written_out(text: str, size: int) -> None:
    assert jsonvalue.written_bytes(parse(text.encode())) == size


@pytest.mark.parametrize("write", [compact, canonical])
def test_only_json_values_can_be_written(write: Any) -> None:
    with pytest.raises(TypeError):
        write({"a": object()})


@given(VALUES, st.booleans())
def test_a_document_is_what_the_strict_parser_makes_of_it(value: Any, spaced: bool) -> None:
    body = compact(value) if not spaced else b" " + compact(value)
    assert same(jsonvalue.document(body).value, jsonvalue._parse_exactly(body))


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (b'{"a":[1,true,null,"x"]}', True),
        (b'{"a":9007199254740991}', True),
        (b'{"a":9007199254740992}', False),
        (b'{"a":18446744073709551616}', False),
        (b'{"a":1' + b"0" * 5000 + b"}", False),
        (b'{"a":1.0}', False),
        (b'{"a":1e2}', False),
        (b'{"a":-0}', True),
        (b'{"a":"\\u0061"}', False),
        (b'{"a": 1}', True),
        (b'\n{ "a\\/:" : [\t":" ] }\r\n', True),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", False),
        (b"1", False),
    ],
)
def test_what_is_plain(body: bytes, plain: bool) -> None:
    assert jsonvalue.document(body).plain is plain
    assert same(jsonvalue.document(body).value, jsonvalue._parse_exactly(body))


def test_few_brackets_cannot_nest_deeply() -> None:
    assert not jsonvalue.may_exceed_depth(b'[{"a":[1]}]', 3)
    assert jsonvalue.may_exceed_depth(b'[{"a":[1]}]', 2)
    assert jsonvalue.may_exceed_depth(b"[[],[],[]]", 3), "it may be wrong that way"


SEEDS = (
    b'{"a": 1, "b": [true, false, null, "x:y", {"c": ":"}]}',
    '{"\u00e4":"\U0001f600","k":{"z":-0}}'.encode(),
    b'[1,2,{"a":"\\n\\t\\"\\\\\\/"}]',
    b' { "a" : [ ] , "b" : { } }\n',
    b'{"":"","x":1234567890123456789}',
    b'{"a":{"b":1},"a":{"b":1}}',
)
PIECES = st.sampled_from(
    [bytes([n]) for n in range(256)]
    + [b"\\u0041", b"\\ud800", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc2\xa0", b"\xe2\x80\xa8", b'"a":1,', b"//c\n"]
    + [b"true", b"null", b"NaN", b"Infinity", b"1e2", b"0.5", b"01", b"9007199254740993", b"/**/"]
)


@st.composite
def nearly_json(draw: st.DrawFn) -> bytes:
    """A text of JSON in which up to four places were changed."""
    text = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 3))] = draw(st.just(b"") | PIECES)
    return bytes(text)


@given(nearly_json())
def test_both_parsers_take_the_same_and_make_the_same_of_it(body: bytes) -> None:
    try:
        exact = jsonvalue._parse_exactly(body)
    except jsonvalue.JSONError:
        with pytest.raises(jsonvalue.JSONError):
            jsonvalue.document(body)
    else:
        assert same(jsonvalue.document(body).value, exact)


def test_a_member_that_comes_twice_is_seen() -> None:
    with pytest.raises(jsonvalue.JSONError, match='duplicate key "a"'):
        jsonvalue.document(b'{"x":":","a":1,"a":":"}')
