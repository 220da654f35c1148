"""Principals with limits on what they may read, for tests: a token is a principal's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app import services
from app.auth.principal import SCOPES, Principal, TokenError, Verifier
from app.auth.read_limits import EVERYTHING, NOTHING, ReadLimits


def within(namespaces: set[str] | None = None, categories: set[str] | None = None) -> ReadLimits:
    return ReadLimits(*(None if values is None else frozenset(values) for values in (namespaces, categories)))


LIMITS = {
    "unlimited": EVERYTHING,
    "one": within({"payments"}),
    "two": within({"payments", "shop"}),
    "category": within(None, {"gateway"}),
    "categories": within(None, {"gateway", "notification"}),
    "both": within({"payments", "shop"}, {"gateway"}),
    "without": within({""}),
    "without-and-one": within({"", "payments"}),
    "unknown": within({"nobodys"}),
    "no-namespace": within(set()),
    "no-category": within(None, set()),
    "nothing": NOTHING,
}
NARROW = [name for name, limits in LIMITS.items() if limits.narrow]


class Named(Verifier):
    """Takes the name of a principal for its token; each has every scope."""

    def __init__(self, limits: dict[str, ReadLimits]) -> None:
        self.limits = limits

    def principal(self, token: str) -> Principal:
        if token not in self.limits:
            raise TokenError("unknown")
        return Principal(token, frozenset(SCOPES), self.limits[token])


@contextmanager
def named_principals(**more: ReadLimits) -> Iterator[None]:
    """Services that are made within know the principals of LIMITS and ``more``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "make_verifier", lambda settings, clock: Named({**LIMITS, **more}))
        yield


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}
