"""Static tokens: a YAML file of their hashes, and the verifier that looks a token up there."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from datastorage_common import yamlfile
from datastorage_common.yamlnodes import YAMLFault

from app.auth.principal import (
    MAX_NAME_CHARS,
    SCOPES,
    UNLIMITED_SCOPES,
    OnChange,
    Principal,
    TokenError,
    Verifier,
    token_digest,
    usable_name,
)
from app.auth.read_limits import EVERYTHING, MAX_VALUES, ReadLimits
from app.auth.watched_file import WatchedFile

_MAX_YAML_SIZE = 16 * 1024**2
_KEYS = ("name", "sha256", "scopes", "created", "expires", "reads")
# What a token that is made here starts with, so that scanners of code and logs can know one.
PREFIX = "dst_"


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """One line of a token file: whose token hashes to ``digest``; times in seconds since the epoch."""

    digest: bytes
    principal: Principal
    expires: float | None
    created: float | None = None


def parse_tokens(content: bytes) -> dict[bytes, TokenEntry]:
    """The entries of a token file by digest: a YAML list of name, sha256, scopes, perhaps created, expires and reads.

    Raises ValueError, which names every entry that is wrong.
    """
    try:
        document = yamlfile.settings(content, _MAX_YAML_SIZE)
    except YAMLFault as e:
        raise ValueError(str(e)) from None
    if document is None:
        document = []
    if not isinstance(document, list):
        raise ValueError("must be a list of tokens, each with name, sha256 and scopes")
    entries: dict[bytes, TokenEntry] = {}
    faults = []
    for number, item in enumerate(document, 1):
        try:
            entry = _token_entry(item)
            if entry.digest in entries:
                raise ValueError("the same token stands there twice")
            entries[entry.digest] = entry
        except ValueError as e:
            faults.append(f"entry {number}: {e}")
    if faults:
        raise ValueError("; ".join(faults))
    return entries


def _token_entry(item: object) -> TokenEntry:
    if not isinstance(item, dict):
        raise ValueError("must have name, sha256 and scopes")
    if unknown := [str(k) for k in item if k not in _KEYS]:
        raise ValueError("there is no key " + ", ".join(unknown))
    name, digest, scopes = (item.get(k) for k in ("name", "sha256", "scopes"))
    if not usable_name(name):
        raise ValueError(f"name must be 1 to {MAX_NAME_CHARS} printable characters and not only a dash")
    try:
        hashed = bytes.fromhex(digest) if isinstance(digest, str) else b""
    except ValueError:
        hashed = b""
    if len(hashed) != hashlib.sha256().digest_size:
        raise ValueError("sha256 must be 64 hexadecimal digits, quoted")
    if not isinstance(scopes, list) or not scopes or not all(s in SCOPES for s in scopes):
        raise ValueError("scopes must be a list out of " + ", ".join(SCOPES))
    reads = _read_limits(item.get("reads"))
    if reads.narrow and (open_to_all := sorted(UNLIMITED_SCOPES.intersection(scopes))):
        raise ValueError(f"{' and '.join(open_to_all)} is about the records of everybody: it cannot stand beside reads")
    principal = Principal(str(name), frozenset(scopes), reads)
    return TokenEntry(hashed, principal, _time(item, "expires"), _time(item, "created"))


def _time(item: dict[object, object], key: str) -> float | None:
    given = item.get(key)
    if given is None:
        return None
    if not isinstance(given, datetime):
        raise ValueError(f"{key} must be a time such as 2027-01-05T10:00:00Z")
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def _read_limits(given: object) -> ReadLimits:
    """What may be read: {namespaces: [...], categories: [...]}, one of them or both."""
    if given is None:
        return EVERYTHING
    if not isinstance(given, dict) or not given or not set(given) <= {"namespaces", "categories"}:
        raise ValueError("reads must have namespaces or categories, and nothing else")
    for key, values in given.items():
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise ValueError(f"reads.{key} must be a list of texts")
        if len(values) > MAX_VALUES:
            raise ValueError(f"reads.{key} must have {MAX_VALUES} texts at the most")
    return ReadLimits(*(frozenset(given[k]) if k in given else None for k in ("namespaces", "categories")))


def _by_name(entries: Mapping[bytes, TokenEntry]) -> Mapping[str, object]:
    """Principal → its tokens; for comparing, not for showing."""
    names: dict[str, set[TokenEntry]] = {}
    for entry in entries.values():
        names.setdefault(entry.principal.name, set()).add(entry)
    return names


class TokenVerifier(Verifier):
    """Static tokens. What is compared is the SHA-256 of what was sent: how long that takes says nothing of a token."""

    def __init__(self, path: str, now: Callable[[], float] = time.time) -> None:
        self.file = WatchedFile(path, parse_tokens, by_name=_by_name)
        self._now = now

    def look(self) -> Mapping[str, bool]:
        self.file.current()
        return self.stale

    def refresh(self) -> None:
        self.file.refresh()

    @property
    def stale(self) -> Mapping[str, bool]:
        return {"tokens": self.file.stale}

    def watch(self, on_change: OnChange) -> None:
        self.file.on_change = on_change

    def principal(self, token: str) -> Principal:
        digest = token_digest(token)
        entry = self.file.current().get(digest)
        # The look-up's time depends on the hash alone, which no caller can steer; the comparison is constant besides.
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            raise TokenError("unknown")
        if entry.expires is not None and self._now() >= entry.expires:
            raise TokenError("expired", principal=entry.principal.name)
        return entry.principal

    def expires(self, token: str) -> float | None:
        entry = self.file.current().get(token_digest(token))
        return None if entry is None else entry.expires
