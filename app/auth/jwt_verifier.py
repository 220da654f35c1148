"""JSON Web Tokens (RFC 7519), checked against the keys of their issuer."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from datastorage_common.terminal import printable

from app.auth.issuer_keys import IssuerKeys
from app.auth.key_set import Key, KeySet
from app.auth.principal import OnChange, Principal, TokenError, Verifier, token_digest
from app.auth.watched_file import WatchedFile

# Of the year 9999.
_LAST_SECOND = 253_402_300_799
# Verified JWTs that are remembered until they expire; a signature costs a hundred times what a look-up does.
_CACHE_SIZE = 4096
# At the start, for all issuers together: a worker that takes requests before it knows a key turns them away.
_FIRST_KEYS_SECONDS = 2.0
# Of what a stranger wrote into a token, in the log.
_SHOWN_CHARS = 100


class Keys(Protocol):
    """Where the keys of an issuer are: a file, or an address."""

    def current(self) -> KeySet: ...


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are taken, and how."""

    name: str  # short, of the configuration
    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    keys: Keys
    principal: Callable[[Mapping[str, Any]], Principal]


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was verified: whose it is, until when, and with which key set of which issuer."""

    principal: Principal
    until: float
    key_set: KeySet
    keys: Keys


@dataclass(slots=True)
class _Unverified:
    """What a token says of itself, to find the key that has to have signed it. Nothing else is believed."""

    header: dict[str, Any]
    claims: dict[str, Any] = field(default_factory=dict)


class _SignatureError(TokenError):
    """The key that a token names has not signed it."""


class JWTVerifier(Verifier):
    """JSON Web Tokens (RFC 7519), with the advice of RFC 8725: a closed list of algorithms, each bound to its key.

    The issuer that a token names decides whose keys can have signed it; then the signature does.
    """

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        leeway_seconds: float,
        now: Callable[[], float] = time.time,
        cache_size: int = _CACHE_SIZE,
    ) -> None:
        self.issuers = issuers
        self._leeway = leeway_seconds
        self._now = now
        self._cache_size = cache_size
        self._lock = threading.Lock()
        self._cache: dict[bytes, _Known] = {}  # by SHA-256 of the token
        self._fetched = [i.keys for i in issuers.values() if isinstance(i.keys, IssuerKeys)]
        self._files = [i.keys for i in issuers.values() if isinstance(i.keys, WatchedFile)]

    def start(self, show_age: Callable[[str, float], None]) -> None:
        for keys in self._fetched:
            keys.start(show_age)
        deadline = time.monotonic() + _FIRST_KEYS_SECONDS
        for keys in self._fetched:
            keys.wait_first(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        for keys in self._fetched:
            keys.stop()

    @property
    def issuers_away(self) -> tuple[str, ...] | None:
        return tuple(keys.name for keys in self._fetched if keys.failing) if self._fetched else None

    def watch(self, on_change: OnChange) -> None:
        for file in self._files:
            file.on_change = on_change

    def look(self) -> Mapping[str, bool]:
        for file in self._files:
            file.current()
        return self.stale

    def refresh(self) -> None:
        for file in self._files:
            file.refresh()

    @property
    def stale(self) -> Mapping[str, bool]:
        return {"keys": any(file.stale for file in self._files)} if self._files else {}

    def principal(self, token: str) -> Principal:
        digest = token_digest(token)
        known = self._cache.get(digest)
        # A set that has changed may lack the key: verified again.
        if known is not None and known.keys.current() is known.key_set:
            if self._now() < known.until:
                return known.principal
            raise TokenError("expired", principal=known.principal.name)
        said = _unverified(token)
        try:
            issuer = self._issuer(said.claims)
            key_set, key = self._key(said, issuer)
            try:
                claims = self._verify(token, key, issuer)
            except _SignatureError:
                key_set, key = self._replaced(said, issuer, key_set)
                claims = self._verify(token, key, issuer)
            principal = issuer.principal(claims)
        except TokenError as e:
            e.where = self._where(said)
            raise
        until = float(claims["exp"]) + self._leeway
        self._remember(digest, _Known(principal, until, key_set, issuer.keys))
        return principal

    def expires(self, token: str) -> float | None:
        return float(_unverified(token).claims["exp"])

    def _where(self, said: _Unverified) -> str:
        """The issuer and the key that a token names, for the log."""
        named, ident = said.claims.get("iss"), said.header.get("kid")
        known = self.issuers.get(named) if isinstance(named, str) else None
        issuer = known.name if known is not None else printable(str(named)[:_SHOWN_CHARS])
        return f"issuer {issuer}, kid {printable(str(ident)[:_SHOWN_CHARS]) if ident is not None else '-'}"

    def _issuer(self, claims: Mapping[str, Any]) -> Issuer:
        named = claims.get("iss")
        if not isinstance(named, str):
            raise TokenError("claims", "iss is missing" if named is None else "iss must be a text")
        issuer = self.issuers.get(named)
        if issuer is None:
            raise TokenError("issuer")
        return issuer

    def _verify(self, token: str, key: Key, issuer: Issuer) -> dict[str, Any]:
        import jwt
        from jwt.exceptions import InvalidSubjectError, MissingRequiredClaimError

        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                # The key decides, never the token: an RSA key's text can't be taken for an HMAC secret.
                algorithms=[key.algorithm],
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("expired") from None
        except jwt.ImmatureSignatureError:
            raise TokenError("not_yet_valid") from None
        except jwt.InvalidAudienceError:
            raise TokenError("audience") from None
        except jwt.InvalidIssuerError:
            raise TokenError("issuer") from None
        except MissingRequiredClaimError as e:
            raise TokenError("claims", f"{e.claim} is missing") from None
        except InvalidSubjectError:
            raise TokenError("claims", "sub must be a text") from None
        except jwt.InvalidIssuedAtError:
            raise TokenError("claims", "iat must be a number of seconds") from None
        except jwt.InvalidSignatureError:
            raise _SignatureError("unknown") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise TokenError("unknown") from None
        # The library takes what Python's int() does: texts, truths, and ends in the year 10**300.
        for name in ("exp", "nbf", "iat"):
            if name in claims and not _is_date(claims[name]):
                raise TokenError("claims", f"{name} must be a number of seconds")
        return claims

    def _key(self, said: _Unverified, issuer: Issuer) -> tuple[KeySet, Key]:
        """The key that has to have signed this token, and its set. Raises TokenError, KeysUnknownError."""
        algorithm, ident = said.header.get("alg"), said.header.get("kid")
        if algorithm not in issuer.algorithms:
            raise TokenError("algorithm")
        # No extension is understood here, so none may be critical (RFC 7515, section 4.1.11).
        if "crit" in said.header:
            raise TokenError("unknown")
        key_set = issuer.keys.current()
        key = _fitting(key_set, algorithm, ident)
        if key is None:
            key_set = self._newer(said, issuer, key_set, f"no kid, {algorithm}" if ident is None else ident)
            key = _fitting(key_set, algorithm, ident)
        if key is None:
            raise TokenError("key")
        return key_set, key

    def _replaced(self, said: _Unverified, issuer: Issuer, seen: KeySet) -> tuple[KeySet, Key]:
        """The key that has come in the place of one that has not signed this token. Raises as `_key` does.

        An issuer that gives its keys no kid, or each the same, tells nobody else that it has another one.
        """
        algorithm, ident = said.header["alg"], said.header.get("kid")
        key_set = self._newer(said, issuer, seen, f"signed by {'no kid' if ident is None else ident}, {algorithm}")
        key = _fitting(key_set, algorithm, ident)
        if key_set is seen or key is None:
            raise TokenError("unknown")
        return key_set, key

    def _newer(self, said: _Unverified, issuer: Issuer, seen: KeySet, what: str) -> KeySet:
        """A set that was fetched since, or the same: see `IssuerKeys.after_unknown`. ``what``: is missing in it."""
        if not what or not isinstance(issuer.keys, IssuerKeys) or self._is_over(said.claims):
            return seen
        return issuer.keys.after_unknown(what, seen)

    def _is_over(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token says itself that it has ended: nobody is asked for its key, which may be gone for good."""
        end: Any = claims.get("exp")
        return not _is_date(end) or self._now() >= float(end) + self._leeway

    def _remember(self, digest: bytes, known: _Known) -> None:
        with self._lock:
            if len(self._cache) >= self._cache_size:
                now = self._now()
                kept = {d: k for d, k in self._cache.items() if k.until > now and _in_force(k)}
                # Still full of valid ones: the half that was verified last stays.
                for old in list(kept)[: max(0, len(kept) - self._cache_size // 2)]:
                    del kept[old]
                self._cache = kept
            self._cache[digest] = known


def _unverified(token: str) -> _Unverified:
    """Header and claims of a token as they stand there. Raises TokenError."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
        body = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (jwt.PyJWTError, Base64Error, IndexError, ValueError, TypeError, RecursionError):
        raise TokenError("unknown") from None
    if not isinstance(claims, dict):
        raise TokenError("unknown")
    return _Unverified(header, claims)


def _fitting(key_set: KeySet, algorithm: str, ident: str | None) -> Key | None:
    """The one key that a header can mean, None where there is none. Raises TokenError for a key of another kind."""
    if ident is not None:
        fitting = [key for key in key_set.keys if key.ident == ident]
        if fitting and fitting[0].algorithm != algorithm:
            raise TokenError("algorithm")
    else:
        fitting = [key for key in key_set.keys if key.algorithm == algorithm]
    # Without a kid there must be no choice.
    return fitting[0] if len(fitting) == 1 else None


def _in_force(known: _Known) -> bool:
    return known.keys.current() is known.key_set


def _is_date(claim: Any) -> bool:
    """Whether it is a NumericDate (RFC 7519, section 2) that the calendar has."""
    return isinstance(claim, int | float) and not isinstance(claim, bool) and 0 <= claim <= _LAST_SECOND
