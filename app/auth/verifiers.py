"""Makes the verifier that the settings ask for, and says why it cannot be made."""

from __future__ import annotations

from datastorage_common.addresses import is_loopback

from app.auth.jwt_verifier import JWTVerifier
from app.auth.principal import Verifier
from app.auth.static_tokens import TokenVerifier
from app.auth.watched_file import CredentialFileError
from app.config.settings import AuthSettings, Settings


def make_verifier(settings: AuthSettings) -> Verifier | None:
    """The verifier that ``auth.mode`` asks for, None for none. Raises CredentialFileError."""
    if settings.mode == "token":
        return TokenVerifier(str(settings.tokens_file))
    if settings.mode == "jwt":
        return JWTVerifier(settings)
    return None


def auth_faults(s: Settings) -> list[str]:
    """What keeps the callers from being known: one sentence each; an empty list where all is well."""
    faults = []
    open_hosts = [host for host in s.server.hosts() if not is_loopback(host)]
    if open_hosts and s.auth.mode == "none" and not s.auth.allow_anonymous:
        faults.append(
            f"server.host {','.join(open_hosts)} is reachable from outside and auth.mode is none: "
            "choose an auth.mode, or set auth.allow_anonymous: true"
        )
    faults.extend(_verifier_faults(s.auth))
    return faults


def _verifier_faults(a: AuthSettings) -> list[str]:
    needed = {"token": ("tokens_file",), "jwt": ("jwt_keys_file", "jwt_issuer", "jwt_audience")}.get(a.mode, ())
    if missing := [f"auth.mode {a.mode} needs auth.{key}" for key in needed if not getattr(a, key)]:
        return missing
    try:
        make_verifier(a)
    except CredentialFileError as e:
        return [f"auth.{needed[0]}: {e}"]
    return []
