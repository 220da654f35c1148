"""JSON Web Tokens (RFC 7519), checked against the keys of their issuer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from datastorage_common.files import as_text

from app.auth.key_set import Key, KeySet, parse_key_set
from app.auth.principal import SCOPES, Principal, TokenError, Verifier, token_digest, usable_name
from app.auth.watched_file import CredentialFileError, WatchedFile
from app.config.settings import JWT_ALGORITHMS, AuthSettings

# Of the year 9999.
_LAST_SECOND = 253_402_300_799
# Verified JWTs that are remembered until they expire; a signature costs a hundred times what a look-up does.
_CACHE_SIZE = 4096


class JWTVerifier(Verifier):
    """JSON Web Tokens (RFC 7519), with the advice of RFC 8725: a closed list of algorithms, each bound to its key."""

    def __init__(
        self, settings: AuthSettings, now: Callable[[], float] = time.time, cache_size: int = _CACHE_SIZE
    ) -> None:
        self.file = WatchedFile(str(settings.jwt_keys_file), parse_key_set)
        # An empty set is meant, a set of other keys alone is a mistake; later it takes the earlier keys out of force.
        if not self.file.value and self.file.value.others:
            raise CredentialFileError(f"{as_text(self.file.path)}: holds no key for {', '.join(JWT_ALGORITHMS)}")
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

    def _key(self, token: str, keys: KeySet) -> Key:
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
