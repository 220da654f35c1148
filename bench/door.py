"""What knowing who asks and counting what they ask for cost: single events with both, against the same without."""

from __future__ import annotations

import statistics
from typing import Any

from bench.harness import Bench
from bench.load import load
from bench.requests import Requests, singles
from bench.writes import CONNECTIONS, ROUNDS, spread
from tests.support import valkey_server
from tests.tokens import AUDIENCE, ISSUER, Issuer

# More than a run can ask for: every request is counted, and none is refused.
_REQUESTS = "100000000/minute"


def signed(token: str, prefix: str) -> Requests:
    """As `singles`, each with this bearer token."""
    field = f"\r\nAuthorization: Bearer {token}\r\nContent-Type:".encode()
    return (request.replace(b"\r\nContent-Type:", field, 1) for request in singles(prefix))


def front_door(bench: Bench) -> None:
    """Single events with a JWT and three quotas on every request, and without them."""
    issuer = Issuer()
    keys = bench.folder / "keys.json"
    keys.write_bytes(issuer.jwks())
    token = issuer.token(exp=issuer.claims()["iat"] + 36_000)
    closed: dict[str, Any] = {
        "auth__mode": "jwt",
        "auth__jwt_keys_file": str(keys),
        "auth__jwt_issuer": ISSUER,
        "auth__jwt_audience": AUDIENCE,
        "limits__principal_requests": _REQUESTS,
        "limits__principal_events": _REQUESTS,
        "limits__address_requests": _REQUESTS,
    }
    with (
        valkey_server() as valkey,
        bench.service(redis__url=valkey.url()) as plain,
        bench.service(redis__url=valkey.url(), **closed) as guarded,
    ):
        rates: dict[str, list[float]] = {"plain": [], "guarded": []}
        for turn in range(ROUNDS):
            for name, service, requests in (
                ("plain", plain, lambda n, turn=turn: singles(f"plain-{turn}-{n}")),
                ("guarded", guarded, lambda n, turn=turn: signed(token, f"guarded-{turn}-{n}")),
            ):
                done = load(service.port, requests, connections=CONNECTIONS, warm=0.5, seconds=bench.seconds)
                rates[name].append(done.answers / bench.seconds)
    ratios = [g / p for g, p in zip(rates["guarded"], rates["plain"], strict=True)]
    bench.add("door", "single events without", statistics.median(rates["plain"]), "/s")
    bench.add(
        "door", "… with a JWT and quotas on each", statistics.median(ratios), "×", 0.93, note=spread(ratios),
        key="front_door.rate_to_open",
    )  # fmt: skip
