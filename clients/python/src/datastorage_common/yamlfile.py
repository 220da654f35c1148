"""YAML of others, as values; `datastorage_common.yamlnodes` bounds what is read.

Two readings of scalars. `documents` reads as YAML 1.2's core schema does, keeps every digit, and gives only what JSON
could say: for data. `settings` reads as YAML 1.1 does, as the settings always were: ``no`` is false, times are times.
What the two versions read as different numbers is refused in both: which was meant cannot be told.

The text of a fault never holds a value: settings hold secrets.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

import yaml

from datastorage_common.jsonvalue import is_storable_text
from datastorage_common.yamlnodes import (
    BOOL,
    FLOAT,
    INT,
    MAX_SIZE,
    MERGE,
    NULL,
    STR,
    TAG,
    BoundedLoader,
    YAMLFault,
    composed,
    decoded,
    guarded,
    refuse,
    shown_key,
)

# An int of so many digits is one everywhere; longer ones stay Decimal, as in `datastorage_common.jsonvalue`.
_MAX_INT_DIGITS = 18

_TWO_MEANINGS = (
    "a number that YAML 1.1 and 1.2 read differently (leading zeros, or colons as in hours): put a text in quotes"
)
_NO_TEXT = "holds a NUL or half of a surrogate pair, which can be kept nowhere"
# Plain scalars that YAML 1.1 takes for numbers: octal, and sexagesimal.
_OLD_NUMBER = r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)"
_LEADING_ZERO = r"[-+]?0[0-9]+"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    text: str  # what stands in the file, with the separator that it begins with
    line: int  # where it begins, from 1
    value: Any  # dict, list, str, bool, None, int and Decimal
    lines: dict[str, int]  # of each dotted key of the first three levels


def documents(raw: bytes, limit: int = MAX_SIZE) -> list[Document]:
    """The documents of a file, empty ones left out, read as YAML 1.2's core schema does. Raises YAMLFault."""
    text = decoded(raw)
    _, nodes = composed(_core_loader(), text, limit)
    # A file of one document is that document, also what stands before and after it.
    starts = [0, *(mark.index for mark, _ in nodes[1:]), len(text)]
    return [
        Document(
            text[starts[n] : starts[n + 1]],
            mark.line + 1 if n else 1,
            _value(node),
            dict(_lines(node, "")) if isinstance(node, yaml.MappingNode) else {},
        )
        for n, (mark, node) in enumerate(nodes)
    ]


def settings(raw: bytes, limit: int = MAX_SIZE) -> Any:
    """The one document of a file of settings, read as YAML 1.1 does; None if it holds none. Raises YAMLFault."""
    text = decoded(raw)
    loader, nodes = composed(_SettingsLoader, text, limit)
    if len(nodes) > 1:
        raise YAMLFault(f"holds {len(nodes)} documents where one is read", nodes[1][0].line + 1)
    return guarded(text, lambda: loader.construct_document(nodes[0][1])) if nodes else None


def own(raw: bytes) -> Any:
    """A file of the service's own, of any size. libyaml reads it where the wheel has it: ten times as fast."""
    return yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders


# First characters of a plain scalar, and what the whole has to be, by kind.
_CORE = {
    NULL: (["n", "N", "~", ""], r"null|Null|NULL|~|"),
    BOOL: (list("tTfF"), r"true|True|TRUE|false|False|FALSE"),
    INT: (list("-+0123456789"), r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    FLOAT: (
        list("-+.0123456789"),
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    ),
    # Not of the core schema; known here so that it can be refused as a key.
    MERGE: (["<"], "<<"),
}


@functools.cache  # made when it is needed: the service reads settings alone
def _core_loader() -> type[BoundedLoader]:
    """Scalars of YAML 1.2's core schema (section 10.3.2 of the specification)."""

    class CoreLoader(BoundedLoader):
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            is_text = self.peek_event().tag == "!"  # type: ignore[no-untyped-call]
            node = super().compose_scalar_node(anchor)
            if is_text:
                node.tag = STR
            return node

    for tag, (first, pattern) in _CORE.items():
        CoreLoader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), first)
    return CoreLoader


class _SettingsLoader(BoundedLoader):
    """Scalars of YAML 1.1."""

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if node.tag in (INT, FLOAT) and node.style is None and re.fullmatch(_OLD_NUMBER, node.value):
            refuse(_TWO_MEANINGS, node)
        if not is_storable_text(node.value):
            refuse(_NO_TEXT, node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        # What the library's constructors raise for a thirteenth month, or for !!bool before anything else.
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            refuse("is not what its form or its tag says", node)


def _value(node: yaml.Node) -> Any:
    """What a node says, in what JSON has. Raises YAMLFault."""
    if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
        return {_key(key): _value(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    raise _fault("has a tag that JSON knows nothing like", node)


def _key(node: yaml.ScalarNode) -> str:
    if node.tag == MERGE:
        raise _fault("<<: YAML 1.2 has no merging: write the members out, or quote the key", node)
    if node.tag != STR:
        raise _fault(f"{shown_key(node.value) or 'an empty key'}: keys are texts in JSON: put it in quotes", node)
    return _text(node)


def _text(node: yaml.ScalarNode) -> str:
    if not is_storable_text(node.value):
        raise _fault(_NO_TEXT, node)
    return str(node.value)


def _scalar(node: yaml.ScalarNode) -> Any:
    tag, text = node.tag, node.value
    if tag in (STR, MERGE):
        return _text(node)
    if tag not in _CORE or not re.fullmatch(_CORE[tag][1], text):
        raise _fault("has a tag that JSON knows nothing like, or that its value does not fit", node)
    if tag == NULL:
        return None
    if tag == BOOL:
        return text.lower() == "true"
    return _integer(text, node) if tag == INT else _number(text, node)


def _integer(text: str, node: yaml.Node) -> int | Decimal:
    if re.fullmatch(_LEADING_ZERO, text):
        raise _fault(_TWO_MEANINGS, node)
    if text.startswith(("0o", "0x")):
        number = int(text[2:], 8 if text[1] == "o" else 16)
        return number if number < 10**_MAX_INT_DIGITS else Decimal(number)
    return int(text) if len(text) <= _MAX_INT_DIGITS else Decimal(text)


def _number(text: str, node: yaml.Node) -> Decimal:
    if text[-1] in "fFnN":
        raise _fault("JSON has neither infinite numbers nor NaN: put it in quotes if it is a text", node)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _fault("a number with a larger exponent than can be kept", node) from None


def _fault(reason: str, node: yaml.Node) -> YAMLFault:
    return YAMLFault(reason, node.start_mark.line + 1)


def _lines(node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, int]]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        yield name, key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode) and prefix.count(".") < 2:
            yield from _lines(value, name + ".")
