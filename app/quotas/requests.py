"""What is counted of a request, and what its answer says of the limits it stands under.

The order: the limit of the address, before it is known who asks; that of the principal, before anything else looks at
the request; that of the events, once they are valid and before they are queued. A request that a limit refuses keeps
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import flask
import limits

from app.auth.authorizer import tell
from app.auth.refusal import OnRefusal
from app.clock import Clock
from app.config.settings import LimitsSettings
from app.dlq.endpoint import Endpoint
from app.http.client_address import network_of
from app.http.environ import KEPT, PUT_ASIDE, path_of
from app.http.problems import Problem
from app.http.request_context import from_proxy
from app.quotas.quota import Quota, Standing
from app.quotas.shared_count import SharedCount
from app.telemetry import metrics
from app.telemetry.logs import current_principal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_API = "/api/v1/"
_STANDINGS = "datastorage.quotas"

# What a refusal says: of what there was too much, and whose.
_WORDS = {
    "address": "requests from this address",
    "principal": "requests of this principal",
    "events": "events and notifications of this principal",
}


class Quotas:
    """The limits that are set. Each method that admits raises Problem 429 where a limit is used up."""

    def __init__(self, settings: LimitsSettings, clock: Clock, endpoint: Endpoint | None, *, workers: int) -> None:
        self._shared = None if endpoint is None else SharedCount(endpoint)

        def quota(name: str, rate: str | None) -> Quota | None:
            if rate is None:
                return None
            item = limits.parse(rate)
            return Quota(name, item.amount, item.get_expiry(), clock=clock, workers=workers, shared=self._shared)

        self.on_refusal: OnRefusal | None = None
        for name in _WORDS:
            metrics.RATE_LIMITED.labels(name)  # so that each is 0 before it has happened
        self._address = quota("address", settings.address_requests)
        self._principal = quota("principal", settings.principal_requests)
        self._events = quota("events", settings.principal_events)

    def admit_address(self, environ: WSGIEnvironment, address: str) -> None:
        """Count a request of a client's address."""
        if self._address is not None and path_of(environ).startswith(_API):
            self._admit(environ, self._address, network_of(address))

    def admit_principal(self, environ: WSGIEnvironment, name: str) -> None:
        """Count a request of a principal."""
        if self._principal is not None and path_of(environ).startswith(_API):
            self._admit(environ, self._principal, name)

    def admit_events(self, count: int) -> None:
        """Count what the current principal is about to write; all of it or nothing."""
        quota = self._events
        principal = current_principal.get()
        if quota is None or principal == "-":
            return
        if count > quota.most:
            # It would never be taken, however long the client waited: not a matter of time.
            raise Problem(
                "batch-size-exceeded",
                f"batch size {count} can never pass: at most {quota.most} {_WORDS['events']} are taken "
                f"in {quota.seconds} s - please send smaller batches",
                members={"max_batch_size": quota.most},
            )
        self._admit(flask.request.environ, quota, principal, count)

    def tell(self, environ: WSGIEnvironment, response: flask.Response) -> None:
        """Say how the caller stands, in the fields of draft-ietf-httpapi-ratelimit-headers-10."""
        standings: dict[Quota, Standing] | None = environ.get(_STANDINGS)
        if standings:
            add = response.headers.add  # half of what setting costs; there are none yet
            add("RateLimit-Policy", ", ".join([quota.policy for quota in standings]))
            add("RateLimit", ", ".join([f'"{q.name}";r={s.left};t={s.resets_in}' for q, s in standings.items()]))

    def close(self) -> None:
        """Close what is connected to Redis."""
        if self._shared is not None:
            self._shared.close()

    def _admit(self, environ: WSGIEnvironment, quota: Quota, key: str, cost: int = 1) -> None:
        standings: dict[Quota, Standing] | None = environ.get(_STANDINGS)
        if standings is None:
            kept = environ.get(KEPT)
            standings = environ[_STANDINGS] = {} if kept is None else kept.setdefault(_STANDINGS, {})
        if quota in standings:  # counted when the application was asked for this request before
            return
        standing = standings[quota] = quota.take(key, cost)
        # On a proxy's connection the next request is another client's.
        if standing.pause and not from_proxy():
            environ[PUT_ASIDE] = max(standing.pause, environ.get(PUT_ASIDE, 0.0))
        if standing.allowed:
            return
        metrics.child(metrics.RATE_LIMITED, quota.name).inc()
        tell(self.on_refusal, 429, "rate_limit", None if quota is self._address else key)
        raise Problem(
            "rate-limit-exceeded",
            f"too many {_WORDS[quota.name]}: at most {quota.amount} are taken in {quota.seconds} s - please retry",
            headers={"Retry-After": str(standing.resets_in)},
        )
