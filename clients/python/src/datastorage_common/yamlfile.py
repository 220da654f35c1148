"""YAML of somebody else's, loaded in one place: bounded in size, in depth and in what its aliases expand to.

Two readings of scalars. `documents` reads as YAML 1.2's core schema does, keeps every digit, and gives only what JSON
could say: for data. `settings` reads as YAML 1.1 does, as the settings always were: ``no`` is false, times are times.
What the two versions read as different numbers is refused in both: nobody can tell which was meant.

The text of a fault never holds a value: settings hold secrets.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, NoReturn

import yaml

from datastorage_common.jsonvalue import is_storable_text
from datastorage_common.terminal import printable

# What a file may amount to with its aliases written out: its characters, and so many for each node, which is held
# in memory with all that the parser knows of it.
MAX_SIZE = 2 * 1024**2
_NODE_SIZE = 40
MAX_DEPTH = 64
# An int of so many digits is one everywhere; longer ones stay Decimal, as in `datastorage_common.jsonvalue`.
_MAX_INT_DIGITS = 18
_SHOWN_KEY = 100

_TAG = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _STR, _MERGE = (f"{_TAG}{t}" for t in ("null", "bool", "int", "float", "str", "merge"))
_TWO_MEANINGS = (
    "a number that YAML 1.1 and 1.2 read differently (leading zeros, or colons as in hours): put a text in quotes"
)
_NO_SUCH_NUMBER = "is not YAML: an escape such as \\U0001F600 is of no character, or the version after %YAML of none"
_NO_TEXT = "holds a NUL or half of a surrogate pair, which can be kept nowhere"
# Plain scalars that YAML 1.1 takes for numbers: octal, and sexagesimal.
_OLD_NUMBER = r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)"
_LEADING_ZERO = r"[-+]?0[0-9]+"
_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


class YAMLFault(Exception):  # noqa: N818 - a fault of the file, as elsewhere
    """The text is not YAML that is taken here; ``line`` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line

    def __str__(self) -> str:
        return f"{self.reason} (line {self.line})"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    text: str  # what stands in the file, with the separator that it begins with
    line: int  # where it begins, from 1
    value: Any  # dict, list, str, bool, None, int and Decimal
    lines: dict[str, int]  # of each dotted key of the first three levels


def documents(raw: bytes, limit: int = MAX_SIZE) -> list[Document]:
    """The documents of a file, empty ones left out, read as YAML 1.2's core schema does. Raises YAMLFault."""
    text = _decoded(raw)
    _, nodes = _composed(_core_loader(), text, limit)
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
    text = _decoded(raw)
    loader, nodes = _composed(_SettingsLoader, text, limit)
    if len(nodes) > 1:
        raise YAMLFault(f"holds {len(nodes)} documents where one is read", nodes[1][0].line + 1)
    return _guarded(text, lambda: loader.construct_document(nodes[0][1])) if nodes else None


def own(raw: bytes) -> Any:
    """A file of the service's own, of any size. libyaml reads it where the wheel has it: ten times as fast."""
    return yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders


# --- text to nodes ----------------------------------------------------------------------------------------------


def _decoded(raw: bytes) -> str:
    for mark, name in _BOMS:
        if raw.startswith(mark):
            raise YAMLFault(f"is {name}: save it as UTF-8", 1)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise YAMLFault("is not UTF-8", raw[: e.start].count(b"\n") + 1) from None


class _BoundedLoader(yaml.SafeLoader):
    """Composes nodes, and stops as soon as they would be too many, too deep or without end."""

    def __init__(self, text: str, limit: int) -> None:
        # Looks at every character at once, so also this may raise.
        super().__init__(text)
        self._limit = limit
        self._size = 0
        self._depth = 0
        self._sizes: dict[str, int | None] = {}  # by anchor; None while its node is not complete
        self.starts: list[yaml.Mark] = []

    def fetch_more_tokens(self) -> None:
        try:
            super().fetch_more_tokens()
        # What the library does not look at itself: \U00110000 is no character, and the digits of %YAML have no end.
        except (ValueError, OverflowError):
            raise _Refused(None, None, _NO_SUCH_NUMBER, self.get_mark()) from None

    def compose_document(self) -> yaml.Node | None:
        self.starts.append(self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        self._sizes = {}
        return super().compose_document()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            size = self._sizes.get(str(event.anchor), 0)
            if size is None:
                _refuse("an alias stands inside of what it stands for", event)
            self._grow(size, event)
            return super().compose_node(parent, index)
        before = self._size
        self._grow(_NODE_SIZE + len(getattr(event, "value", "")), event)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        if event.anchor is not None:
            if event.anchor in self._sizes:
                _refuse("an anchor has the name of an earlier one", event)
            self._sizes[event.anchor] = None
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._sizes[event.anchor] = self._size - before
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                _refuse("a key must be a text", key)
            name = (key.tag, key.value)
            if name in seen:
                _refuse(f"{shown_key(key.value)}: stands here twice", key)
            seen.add(name)
        return node

    def _grow(self, size: int, event: yaml.Event) -> None:
        self._size += size
        if self._size > self._limit:
            _refuse(f"is too large: more than {self._limit} characters once its aliases are written out", event)


class _Refused(yaml.MarkedYAMLError):
    """Well-formed YAML that is not taken."""


def _refuse(reason: str, at: Any) -> NoReturn:
    raise _Refused(None, None, reason, at.start_mark)


def _composed(
    kind: type[_BoundedLoader], text: str, limit: int
) -> tuple[_BoundedLoader, list[tuple[yaml.Mark, yaml.Node]]]:
    """Where each document begins, and its node; those without anything in them are left out."""

    def compose() -> tuple[_BoundedLoader, list[Any]]:
        loader = kind(text, limit)
        found: list[Any] = []
        while loader.check_node():
            found.append(loader.get_node())
        return loader, found

    loader, nodes = _guarded(text, compose)
    return loader, [pair for pair in zip(loader.starts, nodes, strict=True) if not _is_empty(pair[1])]


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL and not node.value


def _guarded(text: str, read: Callable[[], Any]) -> Any:
    """What the parser's own errors are told as."""
    try:
        return read()
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        reason = str(e.problem) if isinstance(e, _Refused) else f"is not YAML: {_told(str(e.problem or e.context))}"
        raise YAMLFault(reason, mark.line + 1 if mark else 1) from None
    except yaml.reader.ReaderError as e:
        raise YAMLFault(
            f"is not YAML: it holds the character #x{e.character:04x}", text.count("\n", 0, e.position) + 1
        ) from None
    except yaml.YAMLError:
        raise YAMLFault("is not YAML that can be read", 1) from None


def _told(problem: str) -> str:
    """The parser's words without what it quotes of the file, but for single characters."""
    if "'\\t'" in problem:
        return "a tab stands where YAML takes spaces only"
    return re.sub(r" (?:'(?!<[a-z ]+>')(?:[^'\\]|\\.){2,}'|\"(?:[^\"\\]|\\.){2,}\")", "", problem)


def shown_key(key: str) -> str:
    """A key as it can be printed."""
    return printable(key[:_SHOWN_KEY])


# --- nodes to values --------------------------------------------------------------------------------------------


# First characters of a plain scalar, and what the whole has to be, by kind.
_CORE = {
    _NULL: (["n", "N", "~", ""], r"null|Null|NULL|~|"),
    _BOOL: (list("tTfF"), r"true|True|TRUE|false|False|FALSE"),
    _INT: (list("-+0123456789"), r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    _FLOAT: (
        list("-+.0123456789"),
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    ),
    # Not of the core schema; known here so that it can be refused as a key.
    _MERGE: (["<"], "<<"),
}


@functools.cache  # made when it is needed: the service reads settings alone
def _core_loader() -> type[_BoundedLoader]:
    """Scalars of YAML 1.2's core schema (section 10.3.2 of the specification)."""

    class CoreLoader(_BoundedLoader):
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            is_text = self.peek_event().tag == "!"  # type: ignore[no-untyped-call]
            node = super().compose_scalar_node(anchor)
            if is_text:
                node.tag = _STR
            return node

    for tag, (first, pattern) in _CORE.items():
        CoreLoader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), first)
    return CoreLoader


class _SettingsLoader(_BoundedLoader):
    """Scalars of YAML 1.1."""

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if node.tag in (_INT, _FLOAT) and node.style is None and re.fullmatch(_OLD_NUMBER, node.value):
            _refuse(_TWO_MEANINGS, node)
        if not is_storable_text(node.value):
            _refuse(_NO_TEXT, node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        # What the library's constructors raise for a thirteenth month, or for !!bool before anything else.
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            _refuse("is not what its form or its tag says", node)


def _value(node: yaml.Node) -> Any:
    """What a node says, in what JSON has. Raises YAMLFault."""
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        return {_key(key): _value(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    raise _fault("has a tag that JSON knows nothing like", node)


def _key(node: yaml.ScalarNode) -> str:
    if node.tag == _MERGE:
        raise _fault("<<: YAML 1.2 has no merging: write the members out, or quote the key", node)
    if node.tag != _STR:
        raise _fault(f"{shown_key(node.value) or 'an empty key'}: keys are texts in JSON: put it in quotes", node)
    return _text(node)


def _text(node: yaml.ScalarNode) -> str:
    if not is_storable_text(node.value):
        raise _fault(_NO_TEXT, node)
    return str(node.value)


def _scalar(node: yaml.ScalarNode) -> Any:
    tag, text = node.tag, node.value
    if tag in (_STR, _MERGE):
        return _text(node)
    if tag not in _CORE or not re.fullmatch(_CORE[tag][1], text):
        raise _fault("has a tag that JSON knows nothing like, or that its value does not fit", node)
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    return _integer(text, node) if tag == _INT else _number(text, node)


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
