"""Makes the verifier that the settings ask for, and says why it cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from datastorage_common.addresses import is_loopback
from datastorage_common.files import as_text

from app.auth.claims import principal_of, scope_faults
from app.auth.issuer_keys import IssuerKeys
from app.auth.jwt_verifier import Issuer, JWTVerifier, Keys
from app.auth.key_set import KeySet, parse_key_set
from app.auth.principal import OnChange, Principal, Verifier
from app.auth.static_tokens import PREFIX, TokenVerifier
from app.auth.watched_file import CredentialFileError, WatchedFile
from app.clock import Clock
from app.config.issuers import JWT_ALGORITHMS, IssuerSettings
from app.config.settings import AuthSettings, Settings

_FILE_FORM = ("jwt_keys_file", "jwt_issuer", "jwt_audience")


class EitherVerifier(Verifier):
    """Static tokens beside JSON Web Tokens: how a token looks decides which of the two it is."""

    def __init__(self, static: TokenVerifier, jwt: JWTVerifier) -> None:
        self._static = static
        self._jwt = jwt

    def principal(self, token: str) -> Principal:
        return self._of(token).principal(token)

    def expires(self, token: str) -> float | None:
        return self._of(token).expires(token)

    def _of(self, token: str) -> Verifier:
        # RFC 7515, section 7.1: three parts. What is none can only be in the file.
        static = token.startswith(PREFIX) or token.count(".") != 2
        return self._static if static else self._jwt

    def start(self, show_age: Callable[[str, float], None]) -> None:
        self._jwt.start(show_age)

    def stop(self) -> None:
        self._jwt.stop()

    def watch(self, on_change: OnChange) -> None:
        self._static.watch(on_change)
        self._jwt.watch(on_change)

    def look(self) -> Mapping[str, bool]:
        return {**self._static.look(), **self._jwt.look()}

    def refresh(self) -> None:
        self._static.refresh()
        self._jwt.refresh()

    @property
    def stale(self) -> Mapping[str, bool]:
        return {**self._static.stale, **self._jwt.stale}

    @property
    def issuers_away(self) -> tuple[str, ...] | None:
        return self._jwt.issuers_away


def make_verifier(settings: AuthSettings, clock: Clock | None = None) -> Verifier | None:
    """The verifier that ``auth.mode`` asks for, None for none. Raises CredentialFileError."""
    if settings.mode == "token":
        return TokenVerifier(str(settings.tokens_file))
    if settings.mode == "jwt":
        jwt = _jwt_verifier(settings, clock or Clock())
        return EitherVerifier(TokenVerifier(settings.tokens_file), jwt) if settings.tokens_file else jwt
    return None


def _jwt_verifier(settings: AuthSettings, clock: Clock) -> JWTVerifier:
    listed = _issuers(settings)
    prefixes = [i.name_prefix for i in listed]
    made = {
        i.issuer: Issuer(
            name=i.name,
            issuer=i.issuer,
            audience=i.audience,
            algorithms=i.algorithms or settings.jwt_algorithms,
            keys=_keys(i, clock),
            principal=principal_of(i, prefixes),
        )
        for i in listed
    }
    return JWTVerifier(made, settings.jwt_leeway)


def _issuers(a: AuthSettings) -> tuple[IssuerSettings, ...]:
    """Those of jwt_issuers, or the one that the older settings name."""
    if a.jwt_issuers:
        return a.jwt_issuers
    return (
        IssuerSettings(
            name="1", issuer=str(a.jwt_issuer), audience=(str(a.jwt_audience),), keys_file=str(a.jwt_keys_file)
        ),
    )


def _keys(issuer: IssuerSettings, clock: Clock) -> Keys:
    if issuer.keys_file is not None:
        return _key_file(issuer.keys_file)
    # Brings an HTTP client, which a service without such an issuer does without; and no thread may be the first to.
    from app.auth.key_fetch import KeyFetcher

    try:
        return IssuerKeys(issuer.name, KeyFetcher(issuer), clock)
    except ValueError as e:
        raise CredentialFileError(str(e)) from None


def _key_file(path: str) -> WatchedFile[KeySet]:
    file = WatchedFile(path, parse_key_set, by_name=KeySet.by_name)
    # An empty set is meant, a set of other keys alone is a mistake; later it takes the earlier keys out of force.
    if not file.value and file.value.others:
        raise CredentialFileError(f"{as_text(path)}: holds no key for {', '.join(JWT_ALGORITHMS)}")
    return file


def auth_faults(s: Settings) -> list[str]:
    """What keeps the callers from being known: one sentence each; an empty list where all is well."""
    faults = []
    open_hosts = [host for host in s.server.hosts() if not is_loopback(host)]
    if open_hosts and s.auth.mode == "none" and not s.auth.allow_anonymous:
        faults.append(
            f"server.host {','.join(open_hosts)} is reachable from outside and auth.mode is none: "
            "choose an auth.mode, or set auth.allow_anonymous: true"
        )
    if s.auth.mode == "none":
        faults.extend(
            f"limits.{key} cannot work while auth.mode is none: nobody is known by name; limits.address_requests can"
            for key in ("principal_requests", "principal_events")
            if getattr(s.limits, key) is not None
        )
    faults.extend(_list_faults(s.auth))
    faults.extend(_verifier_faults(s.auth))
    return faults


def _list_faults(a: AuthSettings) -> Iterator[str]:
    """What is wrong with auth.jwt_issuers, in any mode."""
    for number, issuer in enumerate(a.jwt_issuers):
        yield from issuer.faults
        yield from (f"auth.jwt_issuers[{number}].{fault}" for fault in scope_faults(issuer))
    if a.jwt_issuers and (also := [f"auth.{key}" for key in _FILE_FORM if getattr(a, key)]):
        yield f"auth.jwt_issuers holds every issuer: {', '.join(also)} cannot be set beside it"
    for key in ("name", "issuer", "name_prefix"):
        # What is not there, or could not be read, has its own fault.
        values = [getattr(i, key) for i in a.jwt_issuers if i.given and (key == "name_prefix" or getattr(i, key))]
        if len(set(values)) < len(values):
            why = ": else the same name from two issuers would be one caller" if key == "name_prefix" else ""
            yield f"auth.jwt_issuers: each needs its own {key}{why}"


def _verifier_faults(a: AuthSettings) -> Iterator[str]:
    if a.mode == "token" and not a.tokens_file:
        yield "auth.mode token needs auth.tokens_file"
        return
    if a.mode == "jwt" and not a.jwt_issuers and (missing := [f"auth.{k}" for k in _FILE_FORM if not getattr(a, k)]):
        yield f"auth.mode jwt needs auth.jwt_issuers, or for one issuer with its keys in a file {', '.join(missing)}"
        return
    if a.mode in ("token", "jwt") and a.tokens_file:
        yield from _fault_of("auth.tokens_file", partial(TokenVerifier, a.tokens_file))
    if a.mode == "jwt":
        for number, issuer in enumerate(_issuers(a)):
            if issuer.faults:
                continue
            key = "keys_file" if issuer.keys_file is not None else "ca_file"
            place = f"auth.jwt_issuers[{number}].{key}" if a.jwt_issuers else "auth.jwt_keys_file"
            yield from _fault_of(place, partial(_keys, issuer, Clock()))


def _fault_of(place: str, make: Callable[[], object]) -> list[str]:
    try:
        make()
    except CredentialFileError as e:
        return [f"{place}: {e}"]
    return []
