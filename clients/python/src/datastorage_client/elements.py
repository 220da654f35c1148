"""The elements of an array in a JSON text, each as it was written: a parsed number does not have all of its digits."""

from __future__ import annotations

import json
import re

_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
# Values are only passed over: numbers stay texts.
_decoder = json.JSONDecoder(parse_int=str, parse_float=str)


def elements(body: bytes, name: str) -> list[bytes]:
    """The elements of the array ``name`` of an object; none where it has no such array.

    ``body``: UTF-8. Raises ValueError where it is no JSON object.
    """
    text = body.decode()
    found: list[bytes] = []
    at = _after(text, 0, "{")
    while text[at] != "}":
        member, at = _decoder.raw_decode(text, at)
        at = _after(text, _blank(text, at), ":")
        if member == name and text[at] == "[":
            found, at = _array(text, at)
        else:
            _, at = _decoder.raw_decode(text, at)
        at = _next(text, at, "}")
    return found


def _array(text: str, at: int) -> tuple[list[bytes], int]:
    """The elements of the array that begins there, and the place behind it."""
    found: list[bytes] = []
    at = _after(text, at, "[")
    while text[at] != "]":
        _, end = _decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = _next(text, end, "]")
    return found, at + 1


def _next(text: str, at: int, closing: str) -> int:
    """Where the next member or element begins, or the bracket that closes them stands."""
    at = _blank(text, at)
    return at if text[at : at + 1] == closing else _after(text, at, ",")


def _after(text: str, at: int, mark: str) -> int:
    """The first character behind the mark and white space. Raises ValueError where the mark is not there."""
    at = _blank(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"no {mark} at character {at}")
    at = _blank(text, at + 1)
    if at == len(text):
        raise ValueError("the text ends too early")
    return at


def _blank(text: str, at: int) -> int:
    """Behind white space."""
    space = _WHITE_SPACE.match(text, at)
    return at if space is None else space.end()
