"""Who a bearer token belongs to: static tokens from a file, or JSON Web Tokens against a key set file.

Knows neither Flask nor metrics: the command line and the check of the configuration read these files too. A token
that is not accepted raises `TokenError`, whose reason is one of a closed set and whose text may be shown to the
caller; a file that cannot be used raises `CredentialFileError`.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from datastorage_common import yamlfile
from datastorage_common.files import ReadError, as_text, read_whole
from datastorage_common.yamlnodes import YAMLFault

if TYPE_CHECKING:
    from app.config.settings import AuthSettings

log = logging.getLogger(__name__)
T = TypeVar("T")

SCOPES = ("audit:write", "audit:read", "workflows:read", "workflows:write", "dlq:admin", "metrics")
# Asymmetric ones only, so that whoever can check a token cannot make one (RFC 8725, section 3.1).
ALGORITHMS = ("RS256", "ES256", "EdDSA")
MAX_TOKEN_CHARS = 8192
# A name is stored with every write: the column's width.
_MAX_NAME_CHARS = 255
_MIN_RSA_BITS = 2048
# A file is looked at no more often than this, whatever the load.
_RECHECK_SECONDS = 1.0
# Of the year 9999.
_LAST_SECOND = 253_402_300_799
# Some 28,000 tokens; a key set is far smaller.
MAX_FILE_BYTES = 4 * 1024**2
_MAX_YAML_SIZE = 16 * 1024**2
# Verified JWTs that are remembered until they expire; a signature costs a hundred times what a look-up does.
_CACHE_SIZE = 4096

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
    """A token was not accepted. ``reason`` is a key of REASONS; the text may be shown to the caller."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


class CredentialFileError(Exception):
    """A file of tokens or keys cannot be used; the text says why in one line and holds no secret."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, and what they may do."""

    name: str
    scopes: frozenset[str]


class Verifier:
    """Turns a bearer token into its principal. Safe to share between threads."""

    def principal(self, token: str) -> Principal:
        """Whose token this is. Raises TokenError."""
        raise NotImplementedError


def make_verifier(settings: AuthSettings) -> Verifier | None:
    """The verifier that ``auth.mode`` asks for, None for none. Raises CredentialFileError."""
    if settings.mode == "token":
        return TokenVerifier(str(settings.tokens_file))
    if settings.mode == "jwt":
        return JWTVerifier(settings)
    return None


def usable_name(name: object) -> bool:
    """Whether a name can be recorded: 1 to 255 printable characters, not a lone dash, which stands for nobody."""
    return isinstance(name, str) and 0 < len(name) <= _MAX_NAME_CHARS and name.isprintable() and name != "-"


class WatchedFile(Generic[T]):
    """A file as it was last read and understood; looked at again when it is used, at most once a second.

    Once read, a file that is gone or cannot be understood leaves what was known in force, and is logged: a half
    written file must not lock everybody out. One that can be understood is obeyed, also where it admits nobody.
    """

    def __init__(self, path: str, parse: Callable[[bytes], T], monotonic: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._parse = parse
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._mark, self.value = self._read()
        self._next_look = monotonic() + _RECHECK_SECONDS
        self._complained: str | None = None

    def current(self) -> T:
        """The content as of at most a second ago."""
        if self._monotonic() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self.value

    def _look(self) -> None:
        self._next_look = self._monotonic() + _RECHECK_SECONDS
        try:
            if self._stat() != self._mark:
                self._mark, self.value = self._read()
                if self.value:
                    log.info("%s has changed and is in force", self.path)
                else:
                    log.warning("%s has changed and admits nobody: every token is refused", self.path)
            self._complained = None
        except CredentialFileError as e:
            if self._complained != str(e):
                log.error("%s; what was read before stays in force", e)
                self._complained = str(e)

    def _stat(self) -> tuple[int, int, int]:
        try:
            found = os.stat(self.path)
        except OSError as e:
            raise CredentialFileError(f"{as_text(self.path)}: {e.strerror}") from None
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> tuple[tuple[int, int, int], T]:
        # Looked at before it is read: what changes in between is read again the next time.
        mark = self._stat()
        try:
            return mark, self._parse(read_whole(self.path, MAX_FILE_BYTES))
        except ReadError as e:
            raise CredentialFileError(str(e)) from None
        except ValueError as e:
            raise CredentialFileError(f"{as_text(self.path)}: {e}") from None


# --- static tokens ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """One line of a token file: whose token hashes to ``digest``."""

    digest: bytes
    principal: Principal
    expires: float | None  # seconds since the epoch


def token_digest(token: str) -> bytes:
    """SHA-256 of a token.

    A fast hash is right here: a token holds 256 random bits, so nothing can be guessed that a slow hash would slow
    down, and it is computed for every request.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def parse_tokens(content: bytes) -> dict[bytes, TokenEntry]:
    """The entries of a token file by digest: a YAML list of name, sha256, scopes and perhaps expires.

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
    if unknown := [str(k) for k in item if k not in ("name", "sha256", "scopes", "expires")]:
        raise ValueError("there is no key " + ", ".join(unknown))
    name, digest, scopes, expires = (item.get(k) for k in ("name", "sha256", "scopes", "expires"))
    if not usable_name(name):
        raise ValueError(f"name must be 1 to {_MAX_NAME_CHARS} printable characters and not only a dash")
    try:
        hashed = bytes.fromhex(digest) if isinstance(digest, str) else b""
    except ValueError:
        hashed = b""
    if len(hashed) != hashlib.sha256().digest_size:
        raise ValueError("sha256 must be 64 hexadecimal digits, quoted")
    if not isinstance(scopes, list) or not scopes or not all(s in SCOPES for s in scopes):
        raise ValueError("scopes must be a list out of " + ", ".join(SCOPES))
    until = None
    if expires is not None:
        if not isinstance(expires, datetime):
            raise ValueError("expires must be a time such as 2027-01-05T10:00:00Z")
        until = (expires if expires.tzinfo else expires.replace(tzinfo=UTC)).timestamp()
    return TokenEntry(hashed, Principal(str(name), frozenset(scopes)), until)


class TokenVerifier(Verifier):
    """Static tokens. What is compared is the SHA-256 of what was sent: how long that takes says nothing of a token."""

    def __init__(self, path: str, now: Callable[[], float] = time.time) -> None:
        self.file = WatchedFile(path, parse_tokens)
        self._now = now

    def principal(self, token: str) -> Principal:
        digest = token_digest(token)
        entry = self.file.current().get(digest)
        # The look-up's time depends on the hash alone, which nobody can steer; the comparison is constant besides.
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            raise TokenError("unknown")
        if entry.expires is not None and self._now() >= entry.expires:
            raise TokenError("expired")
        return entry.principal


# --- JSON Web Tokens --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Key:
    algorithm: str
    ident: str | None
    key: Any


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a set that can check signatures here; false if there is none, and then nobody is admitted."""

    keys: tuple[_Key, ...]
    others: int  # keys for other purposes or algorithms

    def __bool__(self) -> bool:
        return bool(self.keys)


def parse_key_set(content: bytes) -> KeySet:
    """The public keys of a JWK set (RFC 7517) that can check signatures with one of ALGORITHMS; there may be none.

    Raises ValueError for keys that must not be there: symmetric or private ones, which would let whoever reads the
    file make tokens, and RSA keys under 2048 bits.
    """
    import json

    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not all(isinstance(m, dict) for m in members):
        raise ValueError('must be a JSON Web Key Set: {"keys": [...]}')
    keys = [key for number, member in enumerate(members, 1) if (key := _public_key(member, number)) is not None]
    named = [key.ident for key in keys if key.ident is not None]
    if len(set(named)) < len(named):
        raise ValueError("holds two keys with the same kid")
    return KeySet(tuple(keys), len(members) - len(keys))


def _public_key(member: Mapping[str, Any], number: int) -> _Key | None:
    import jwt

    kind, curve = str(member.get("kty")), member.get("crv")
    if kind == "oct" or "d" in member or "k" in member:
        raise ValueError(f"key {number} is secret: the set must hold public keys only")
    algorithm = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}.get((kind, curve))
    # Keys for other purposes or with other algorithms may stand beside ours.
    if algorithm is None or member.get("alg", algorithm) != algorithm or member.get("use", "sig") != "sig":
        return None
    if "verify" not in member.get("key_ops", ["verify"]):
        return None
    ident = member.get("kid")
    if ident is not None and not isinstance(ident, str):
        raise ValueError(f"key {number}: kid must be a text")
    try:
        key = jwt.PyJWK(dict(member), algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        raise ValueError(f"key {number} cannot be read") from None
    if kind == "RSA" and key.key_size < _MIN_RSA_BITS:
        raise ValueError(f"key {number} is an RSA key of fewer than {_MIN_RSA_BITS} bits")
    return _Key(algorithm, ident, key)


class JWTVerifier(Verifier):
    """JSON Web Tokens (RFC 7519), with the advice of RFC 8725: a closed list of algorithms, each bound to its key."""

    def __init__(
        self, settings: AuthSettings, now: Callable[[], float] = time.time, cache_size: int = _CACHE_SIZE
    ) -> None:
        self.file = WatchedFile(str(settings.jwt_keys_file), parse_key_set)
        # An empty set is somebody's wish, one of other keys a mistake; later it takes the earlier keys out of force.
        if not self.file.value and self.file.value.others:
            raise CredentialFileError(f"{as_text(self.file.path)}: holds no key for {', '.join(ALGORITHMS)}")
        self._settings = settings
        self._now = now
        self._cache_size = cache_size
        self._lock = threading.Lock()
        # SHA-256 of a verified token → principal, end of validity, and the key set that it was verified with.
        self._cache: dict[bytes, tuple[Principal, float, KeySet]] = {}

    def principal(self, token: str) -> Principal:
        keys = self.file.current()
        digest = token_digest(token)
        known = self._cache.get(digest)
        if known is not None and known[2] is keys:
            if self._now() < known[1]:
                return known[0]
            raise TokenError("expired")
        claims = self._verify(token, keys)
        principal = _principal(claims)
        self._remember(digest, principal, float(claims["exp"]) + self._settings.jwt_leeway, keys)
        return principal

    def _verify(self, token: str, keys: KeySet) -> dict[str, Any]:
        import jwt
        from jwt.exceptions import InvalidSubjectError, MissingRequiredClaimError

        key = self._key(token, keys)
        s = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                # The key decides, never the token: an RSA key's text can't be taken for an HMAC secret.
                algorithms=[key.algorithm],
                audience=s.jwt_audience,
                issuer=s.jwt_issuer,
                leeway=s.jwt_leeway,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("expired") from None
        except jwt.ImmatureSignatureError:
            raise TokenError("not_yet_valid") from None
        except jwt.InvalidAudienceError:
            raise TokenError("audience") from None
        except jwt.InvalidIssuerError:
            raise TokenError("issuer") from None
        except (MissingRequiredClaimError, InvalidSubjectError, jwt.InvalidIssuedAtError):
            raise TokenError("claims") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise TokenError("unknown") from None
        # The library takes what Python's int() does: texts, truths, and ends in the year 10**300.
        if not all(_is_date(claims[name]) for name in ("exp", "nbf", "iat") if name in claims):
            raise TokenError("claims")
        return claims

    def _key(self, token: str, keys: KeySet) -> _Key:
        """The key that has to have signed this token, by what its header says. Raises TokenError."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenError("unknown") from None
        algorithm, ident = header.get("alg"), header.get("kid")
        if algorithm not in self._settings.jwt_algorithms:
            raise TokenError("algorithm")
        # No extension is understood here, so none may be critical (RFC 7515, section 4.1.11).
        if "crit" in header:
            raise TokenError("unknown")
        if ident is not None:
            fitting = [key for key in keys.keys if key.ident == ident]
            if fitting and fitting[0].algorithm != algorithm:
                raise TokenError("algorithm")
        else:
            fitting = [key for key in keys.keys if key.algorithm == algorithm]
        # Without a kid there must be no choice.
        if len(fitting) != 1:
            raise TokenError("key")
        return fitting[0]

    def _remember(self, digest: bytes, principal: Principal, until: float, keys: KeySet) -> None:
        with self._lock:
            if len(self._cache) >= self._cache_size:
                now = self._now()
                kept = {d: k for d, k in self._cache.items() if k[1] > now and k[2] is keys}
                # Still full of valid ones: the half that was verified last stays.
                for old in list(kept)[: max(0, len(kept) - self._cache_size // 2)]:
                    del kept[old]
                self._cache = kept
            self._cache[digest] = (principal, until, keys)


def _is_date(claim: object) -> bool:
    """Whether it is a NumericDate (RFC 7519, section 2) that the calendar has."""
    return isinstance(claim, int | float) and not isinstance(claim, bool) and 0 <= claim <= _LAST_SECOND


def _principal(claims: Mapping[str, Any]) -> Principal:
    if not usable_name(claims.get("sub")):
        raise TokenError("claims")
    return Principal(str(claims["sub"]), frozenset([*_scopes(claims.get("scope")), *_scopes(claims.get("scp"))]))


def _scopes(claim: object) -> Iterable[str]:
    """The scopes of ours in a claim: a text separated by spaces (RFC 8693, section 4.2) or a list of texts."""
    named = claim.split(" ") if isinstance(claim, str) else claim
    return [s for s in named if s in SCOPES] if isinstance(named, list) else []
