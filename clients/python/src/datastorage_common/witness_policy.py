"""Which cosignatures make a checkpoint good enough: policies as c2sp.org/tlog-policy writes them down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from datastorage_common.notes import COSIGNATURE, SIGNATURE, Note, NoteError, VerifierKey, parse_verifier_key

MAX_POLICY_BYTES = 64 * 1024
_NONE = "none"
_ALLOWED = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_COUNT = re.compile("[1-9][0-9]{0,5}")


class PolicyError(ValueError):
    """A policy cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of a policy."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """So many of these witnesses and groups."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The logs that are taken, and whose cosignatures a checkpoint needs."""

    logs: tuple[VerifierKey, ...]
    witnesses: dict[str, Witness]
    groups: dict[str, Group]
    quorum: str  # a witness, a group, or none

    @property
    def needs_none(self) -> bool:
        """Whether every checkpoint of the logs is good enough without a cosignature."""
        return self.quorum == _NONE

    def witnessed(self, note: Note) -> set[str]:
        """The witnesses that have cosigned, each signature checked. Raises NoteError where one is wrong."""
        return {name for name, witness in self.witnesses.items() if witness.key.signed(note) is not None}

    def fulfilled(self, witnessed: Iterable[str]) -> bool:
        """Whether these witnesses are enough."""
        return self.needs_none or self.reached(dict.fromkeys(witnessed, 0)) is not None

    def reached(self, sizes: Mapping[str, int]) -> int | None:
        """The size that enough witnesses have come to, each with its own; None if there are too few of them.

        Not for the quorum `none`.
        """
        come = {name: size for name, size in sizes.items() if name in self.witnesses}
        # A group names only what stands before it.
        for name, group in self.groups.items():
            members = sorted((come[member] for member in group.members if member in come), reverse=True)
            if len(members) >= group.needed:
                come[name] = members[group.needed - 1]
        return come.get(self.quorum)


def parse_policy(data: bytes) -> Policy:
    """Read a policy. Raises PolicyError."""
    if len(data) > MAX_POLICY_BYTES:
        raise PolicyError(f"a policy of more than {MAX_POLICY_BYTES} bytes")
    if not _ALLOWED.fullmatch(data):
        raise PolicyError("a policy with control characters")
    reader = _Reader()
    # As bytes: names are compared octet by octet, whatever they mean.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = [word for word in re.split("[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            reader.take(words)
        except (PolicyError, NoteError) as e:
            raise PolicyError(f"line {number}: {e}") from None
    return reader.policy()


class _Reader:
    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: dict[str, Witness] = {}
        self._groups: dict[str, Group] = {}
        self._used: set[str] = set()
        self._quorum: str | None = None

    def take(self, words: list[str]) -> None:
        known: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._set_quorum,
        }
        if words[0] not in known:
            raise PolicyError("log, witness, group or quorum is expected")
        known[words[0]](words[1:])

    def policy(self) -> Policy:
        if self._quorum is None:
            raise PolicyError("there is no line with the quorum")
        return Policy(tuple(self._logs), self._witnesses, self._groups, self._quorum)

    def _log(self, words: list[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise PolicyError("log KEY [URL] is expected")
        key = parse_verifier_key(words[0], (SIGNATURE,))
        if any(key.public == other.public for other in self._logs):
            raise PolicyError("this log is there twice")
        self._logs.append(key)

    def _witness(self, words: list[str]) -> None:
        if not 2 <= len(words) <= 3:
            raise PolicyError("witness NAME KEY [URL] is expected")
        self._new_name(words[0])
        key = parse_verifier_key(words[1], (COSIGNATURE,))
        if any(key.public == other.key.public for other in self._witnesses.values()):
            raise PolicyError("this witness is there twice")
        self._witnesses[words[0]] = Witness(words[0], key, words[2] if len(words) == 3 else None)

    def _group(self, words: list[str]) -> None:
        if len(words) < 3:
            raise PolicyError("group NAME all|any|COUNT MEMBER… is expected")
        name, count, *members = words
        self._new_name(name)
        for member in members:
            self._known(member)
            if member in self._used:
                raise PolicyError("a member is in two groups, or twice in one")
            self._used.add(member)
        if count in ("all", "any"):
            needed = len(members) if count == "all" else 1
        elif _COUNT.fullmatch(count) and int(count) <= len(members):
            needed = int(count)
        else:
            raise PolicyError("how many of a group are needed is all, any, or a number up to its members'")
        self._groups[name] = Group(needed, tuple(members))

    def _set_quorum(self, words: list[str]) -> None:
        if len(words) != 1:
            raise PolicyError("quorum NAME is expected")
        if self._quorum is not None:
            raise PolicyError("there is a quorum already")
        if words[0] != _NONE:
            self._known(words[0])
        self._quorum = words[0]

    def _new_name(self, name: str) -> None:
        if name == _NONE or name in self._witnesses or name in self._groups:
            raise PolicyError("this name is taken")

    def _known(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise PolicyError("a name that no line before defines")
