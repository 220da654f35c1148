"""Who a bearer token belongs to, what that principal may do, and why a token is not accepted.

Knows no file, no setting and no kind of token: the lowest floor of authentication.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.auth.read_limits import EVERYTHING, ReadLimits

SCOPES = ("audit:write", "audit:read", "workflows:read", "workflows:write", "dlq:admin", "holds:admin", "metrics")
# What is about records of everybody, and cannot be narrowed: closed to whoever may not read everything.
UNLIMITED_SCOPES = frozenset({"dlq:admin", "holds:admin"})
# Of what is said about a claim, whose name may be a long path of the configuration.
_MAX_SAID_CHARS = 200
# A name is stored with every write: the column's width.
MAX_NAME_CHARS = 255

REASONS: Mapping[str, str] = {
    "missing": "a bearer token is required",
    "malformed": "the Authorization header does not hold a bearer token",
    "unknown": "the token is not valid",
    "expired": "the token has expired",
    "not_yet_valid": "the token is not valid yet",
    "algorithm": "the token is not signed with an accepted algorithm",
    "key": "the token is not signed with a known key",
    "audience": "the token is for another audience",
    "issuer": "the token is from another issuer",
    "claims": "the token lacks a claim that is required, or has one that cannot be used",
}


class TokenError(Exception):
    """A token was not accepted. ``reason`` is a key of REASONS; the text may be shown to the caller.

    ``claim`` says which claim is missing or wrong, as in "exp is missing". ``principal``: whose token it was, where
    that is known for certain. ``where`` is for the log alone: which issuer and which key the token names.
    """

    def __init__(self, reason: str, claim: str = "", *, principal: str | None = None) -> None:
        super().__init__(REASONS[reason] + (f": {claim[:_MAX_SAID_CHARS]}" if claim else ""))
        self.reason = reason
        self.principal = principal
        self.where = ""


class KeysUnknownError(Exception):
    """A token can't be judged now: the keys of its issuer are not known, or perhaps not this one yet."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("the keys of the token's issuer are not known yet - please retry")
        self.retry_after_seconds = max(1, math.ceil(retry_after_seconds))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, what they may do, and which records they may read."""

    name: str
    scopes: frozenset[str]
    reads: ReadLimits = EVERYTHING
    remark: str = field(default="", compare=False)  # why it reads nothing, where that is known


@dataclass(frozen=True, slots=True)
class CredentialChange:
    """Another content of a file of tokens or keys is in force; for comparing, not for showing.

    What two processes see of the same change is equal.
    """

    path: str
    changed_ns: int  # when the file was put there, since the epoch
    sha256_before: str  # of all of the file
    sha256_after: str
    before: Mapping[str, object]  # by name
    after: Mapping[str, object]


OnChange = Callable[[CredentialChange], None]


class Verifier:
    """Turns a bearer token into its principal. Safe to share between threads."""

    def principal(self, token: str) -> Principal:
        """Whose token this is. Raises TokenError, and KeysUnknownError where that can't be told now."""
        raise NotImplementedError

    def expires(self, token: str) -> float | None:
        """When an accepted token ends, in seconds since the epoch; None: never."""
        raise NotImplementedError

    def start(self, show_age: Callable[[str, float], None]) -> None:
        """Start what keeps keys fresh; ``show_age`` is told an issuer's name and the age of its keys in seconds."""

    def stop(self) -> None:
        """End what `start` has started."""

    @property
    def issuers_away(self) -> tuple[str, ...] | None:
        """Short names of the issuers that did not give their keys when asked last; None where none is asked."""
        return None

    def look(self) -> Mapping[str, bool]:
        """Look now whether files have changed, at most once a second each, and return `stale`."""
        return {}

    def refresh(self) -> None:
        """Take files that have changed and can be understood, and say nothing: in the master, for workers to come."""

    @property
    def stale(self) -> Mapping[str, bool]:
        """For each kind of file that there is, ``tokens`` or ``keys``: whether one of them can't be read any more.

        What was read before stays in force, and so does a token that was taken out since.
        """
        return {}

    def watch(self, on_change: OnChange) -> None:
        """Have each change of what it knows callers by told; where that never changes, nothing is."""


def usable_name(name: object) -> bool:
    """Whether a name can be recorded: 1 to 255 printable characters, not a lone dash, which means none."""
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME_CHARS and name.isprintable() and name != "-"


def token_digest(token: str) -> bytes:
    """SHA-256 of a token.

    A fast hash is right here: a token holds 256 random bits, so nothing can be guessed that a slow hash would slow
    down, and it is computed for every request.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
