"""JSON without loss: a strict parser, a compact form that keeps every digit, and a canonical form to hash.

A parsed value is made of dict, list, str, bool, None, int (up to 18 digits) and Decimal (every other number),
so nothing is rounded on the way in or out. RFC 8259; duplicate keys, NaN and Infinity are refused.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec
import orjson

# An int of so many digits fits PostgreSQL's bigint and orjson's 64 bits; longer ones stay Decimal.
_MAX_INT_DIGITS = 18
# Lone surrogates and NUL can only arrive as \u escapes: raw ones are not valid UTF-8 or not valid in a string.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Where a compact text may hold a number with an exponent; strings can look like it.
_EXPONENT = re.compile(rb"\dE[+-]\d")
# How deep what is stored may be nested, and how many digits a number in it may have: jsonb writes exponents out.
MAX_NESTING = 32
MAX_NUMBER_DIGITS = 400
# What writing numbers out may add to a value that has no limit of its own.
MAX_GROWTH_BYTES = 256 * 1024


class JSONError(ValueError):
    """The bytes are not acceptable JSON; the message is fit for a client."""


class HugeNumber:
    """A number whose exponent is beyond what Decimal can hold; never storable."""


HUGE = HugeNumber()


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MAX_INT_DIGITS else Decimal(text)


def _decimal(text: str) -> Decimal | HugeNumber:
    try:
        return Decimal(text)
    except InvalidOperation:
        return HUGE


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                shown = key[:100].encode("utf-8", "backslashreplace").decode()
                raise JSONError(f"duplicate key {json.dumps(shown, ensure_ascii=False)}")
            seen.add(key)
    return result


def _constant(text: str) -> NoReturn:
    raise JSONError(f"{text} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
)


class _NotPlainError(Exception):
    """A number that is not an integer."""


def _not_plain(text: str) -> NoReturn:
    raise _NotPlainError


_plain_decoder = msgspec.json.Decoder(float_hook=_not_plain)


class Document(NamedTuple):
    """A parsed JSON text.

    ``plain``: it holds no number but integers below 2**53 and no string that cannot be stored, so neither has to be
    looked for again.
    """

    value: Any
    plain: bool


def document(body: bytes) -> Document:
    """The value of a UTF-8 JSON text, and whether it is plain. Raises JSONError with a sentence for the client.

    A fast decoder drops the first of two equal keys without a word. Each member has a colon, and no colon is written
    as an escape where there is no ``\\u``: written out again, a value that has lost a member has fewer of them.
    """
    if b"\\u" not in body:  # as which a NUL or a lone surrogate would have to come
        try:
            value = _plain_decoder.decode(body)
            if isinstance(value, dict | list):
                written = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
                if written.count(b":") == body.count(b":"):
                    return Document(value, True)
        except (ValueError, orjson.JSONEncodeError, _NotPlainError, RecursionError):
            pass  # the strict parser says what is wrong, if anything is
    return Document(_parse_exactly(body), False)


def parse(body: bytes) -> Any:
    """The value of a UTF-8 JSON text. Raises JSONError with a sentence for the client."""
    return document(body).value


def _parse_exactly(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise JSONError("not UTF-8") from None
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as e:
        raise JSONError(f"{e.msg} (line {e.lineno}, column {e.colno})") from None
    except RecursionError:
        raise JSONError("nested too deeply") from None


def is_storable_text(text: str) -> bool:
    """Whether PostgreSQL can store the string: no NUL, no lone surrogate."""
    return UNSTORABLE.search(text) is None


def has_unstorable_text(value: Any) -> bool:
    """Whether any string or key inside a parsed value cannot be stored."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if not is_storable_text(item):
                return True
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False


def may_exceed_depth(text: bytes, limit: int) -> bool:
    """False if a JSON text has too few brackets to nest deeper than ``limit``; cheap, errs towards True."""
    return text.count(b"{") + text.count(b"[") > limit


def depth_exceeds(value: Any, limit: int) -> bool:
    """Whether containers nest deeper than ``limit`` (an object of plain values has depth 1)."""
    level = [value]
    depth = 0
    while True:
        level = [v for v in level if isinstance(v, dict | list)]
        if not level:
            return False
        depth += 1
        if depth > limit:
            return True
        level = [child for v in level for child in (v.values() if isinstance(v, dict) else v)]


def number_out_of_range(value: Any, limit: int) -> bool:
    """Whether a number has more than ``limit`` significant digits or an exponent beyond ±``limit``."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Decimal):
            if len(item.as_tuple().digits) > limit or abs(item.adjusted()) > limit:
                return True
        elif item is HUGE:
            return True
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False


def _written_digits(value: Decimal) -> int:
    """Characters of a number as PostgreSQL writes it: without an exponent."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - NaN and Infinity never parse
    if exponent >= 0:
        return sign + (len(digits) + exponent if value else 1)
    return sign + max(len(digits) + exponent, 1) + 1 - exponent


def growth_bytes(value: Any) -> int:
    """How much longer than `compact` PostgreSQL writes a parsed value, for its exponents: 1e400 has 401 digits there.

    The numbers have to be in range, see `number_out_of_range`.
    """
    grown = 0
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Decimal):
            grown += _written_digits(item) - len(str(item))
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return grown


def array_elements(value: Any) -> int:
    """How many elements the arrays in a parsed value have, all together."""
    found = 0
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            found += len(item)
            stack.extend(item)
    return found


def written_bytes(value: Any) -> int:
    """The size of a parsed value as compact UTF-8 with its numbers written out."""
    text = compact(value)
    return len(text) + (growth_bytes(value) if _EXPONENT.search(text) else 0)


def fault_of(value: Any, max_depth: int, max_digits: int) -> Literal["depth", "number", "text"] | None:
    """What cannot be stored of a parsed value, or None; see the three functions above."""
    if depth_exceeds(value, max_depth):
        return "depth"
    if number_out_of_range(value, max_digits):
        return "number"
    return "text" if has_unstorable_text(value) else None


def _exact(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


# Scores and the like come again and again. Equal numbers have the same text, so a cache cannot mix any up.
@lru_cache(4096)
def canonical_number(value: Decimal) -> str:
    """One text for one number: integers without exponent, others as ``<digits>e<exponent>`` with no zeros to spare."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101 - NaN and Infinity never parse
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0"
    exponent += len(text) - len(stripped)
    minus = "-" if sign else ""
    return f"{minus}{stripped}{'0' * exponent}" if exponent >= 0 else f"{minus}{stripped}e{exponent}"


def _canonical(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(canonical_number(value))
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def compact(value: Any) -> bytes:
    """The value as compact UTF-8 JSON, every digit of every number kept."""
    return orjson.dumps(value, default=_exact)


def readable(value: Any) -> bytes:
    """As `compact`, indented for people."""
    return orjson.dumps(value, default=_exact, option=orjson.OPT_INDENT_2)


def canonical(value: Any) -> bytes:
    """The same bytes for the same value: sorted keys, numbers in one form, no white space."""
    return orjson.dumps(value, default=_canonical, option=orjson.OPT_SORT_KEYS)
