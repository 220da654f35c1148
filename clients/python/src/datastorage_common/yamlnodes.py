"""YAML text to nodes: bounded in size, in depth and in what its aliases expand to.

The text of a fault never holds a value: settings hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

import yaml

from datastorage_common.terminal import printable

# What a file may amount to with its aliases written out: its characters, and so many for each node, which is held
# in memory with all that the parser knows of it.
MAX_SIZE = 2 * 1024**2
_NODE_SIZE = 40
MAX_DEPTH = 64
_SHOWN_KEY = 100
TAG = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, STR, MERGE = (f"{TAG}{t}" for t in ("null", "bool", "int", "float", "str", "merge"))
_NO_SUCH_NUMBER = "is not YAML: an escape such as \\U0001F600 is of no character, or the version after %YAML of none"
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


def decoded(raw: bytes) -> str:
    """The text of a file. Raises YAMLFault where it is not UTF-8."""
    for mark, name in _BOMS:
        if raw.startswith(mark):
            raise YAMLFault(f"is {name}: save it as UTF-8", 1)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise YAMLFault("is not UTF-8", raw[: e.start].count(b"\n") + 1) from None


class BoundedLoader(yaml.SafeLoader):
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
                refuse("an alias stands inside of what it stands for", event)
            self._grow(size, event)
            return super().compose_node(parent, index)
        before = self._size
        self._grow(_NODE_SIZE + len(getattr(event, "value", "")), event)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        if event.anchor is not None:
            if event.anchor in self._sizes:
                refuse("an anchor has the name of an earlier one", event)
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
                refuse("a key must be a text", key)
            name = (key.tag, key.value)
            if name in seen:
                refuse(f"{shown_key(key.value)}: stands here twice", key)
            seen.add(name)
        return node

    def _grow(self, size: int, event: yaml.Event) -> None:
        self._size += size
        if self._size > self._limit:
            refuse(f"is too large: more than {self._limit} characters once its aliases are written out", event)


class _Refused(yaml.MarkedYAMLError):
    """Well-formed YAML that is not taken."""


def refuse(reason: str, at: Any) -> NoReturn:
    """Raise what `guarded` tells as a YAMLFault, at the line of a node or an event."""
    raise _Refused(None, None, reason, at.start_mark)


def composed(
    kind: type[BoundedLoader], text: str, limit: int
) -> tuple[BoundedLoader, list[tuple[yaml.Mark, yaml.Node]]]:
    """Where each document begins, and its node; those without anything in them are left out."""

    def compose() -> tuple[BoundedLoader, list[Any]]:
        loader = kind(text, limit)
        found: list[Any] = []
        while loader.check_node():
            found.append(loader.get_node())
        return loader, found

    loader, nodes = guarded(text, compose)
    return loader, [pair for pair in zip(loader.starts, nodes, strict=True) if not _is_empty(pair[1])]


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == NULL and not node.value


def guarded(text: str, read: Callable[[], Any]) -> Any:
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


def block_items(text: str) -> list[tuple[int, int]] | None:
    """The first and the last line of each item of a text that is one list in block style, from 0; None for others.

    For a text that has been read within its bounds. Comments between items belong to none.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.SequenceNode) or node.flow_style:
        return None
    column = node.start_mark.column
    dashes = [
        token.start_mark.line
        for token in yaml.scan(text, Loader=yaml.SafeLoader)
        if isinstance(token, yaml.BlockEntryToken) and token.start_mark.column == column
    ]
    if len(dashes) != len(node.value):
        return None
    return [(first, _last_line(item)) for first, item in zip(dashes, node.value, strict=True)]


def _last_line(node: yaml.Node) -> int:
    """Where the content of a node ends; a block's own end is where the next thing begins, after comments."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return max(_last_line(value) for value in node.value)
    return int(node.end_mark.line)
