"""Health for people, readiness and liveness for orchestrators.

Answers come from what the monitor last saw: no pool connection, no waiting, whatever hangs behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import orjson

from app.http.json_provider import json_response

if TYPE_CHECKING:
    from app.services import Services

# From here on the alert DataStorageLogLagging waits for it to get better.
LOG_LAGGING_SECONDS = 60.0
# Where the one that gives places can't write down why, or there is none.
NOBODY_SIGNS = "no instance signs it: the logs of those that have the key say why"


def create_blueprint(services: Services) -> flask.Blueprint:
    """The health blueprint of one app."""
    blueprint = flask.Blueprint("health", __name__)

    @blueprint.get("/health")
    def health() -> flask.Response:
        body, status = health_report(services)
        return json_response(orjson.dumps(body), status)

    @blueprint.get("/health/ready")
    def ready() -> flask.Response:
        body, status = readiness(services)
        return json_response(orjson.dumps(body), status)

    @blueprint.get("/health/live")
    def live() -> flask.Response:
        if not services.flusher_alive():
            return json_response(orjson.dumps({"status": "dead", "reason": "flusher_stuck"}), 503)
        return json_response(orjson.dumps({"status": "alive"}))

    return blueprint


def health_report(services: Services) -> tuple[dict[str, Any], int]:
    """Body and status of GET /health."""
    state = services.monitor.state
    redis = services.queue_state()
    body: dict[str, Any] = {
        "status": "healthy",
        "database": "connected" if state.connected else "unreachable",
        "redis": redis.status,
    }
    if redis.durability is not None:
        body["durability"] = redis.durability
    # A member of its own, not one more reason: a client of the release before would not take the answer.
    issuers_away = services.verifier.issuers_away if services.verifier is not None else None
    if issuers_away is not None:
        body["issuers"] = "unreachable" if issuers_away else "connected"
        if issuers_away:
            body["issuers_unreachable"] = list(issuers_away)
    stale = services.stale_files()
    if stale:
        body["credentials"] = "stale" if any(stale.values()) else "current"
    lag = services.log_watch.lag()
    lagging = lag > LOG_LAGGING_SECONDS
    stopped = log_stopped(services)
    if services.log_watch.seen or lagging:
        body["log"] = log_report(services, lag)
        if services.log_watch.state.inconsistent is not None:
            body["log_inconsistent"] = services.log_watch.state.inconsistent
    if not state.connected:
        body["status"] = "unhealthy"
        if state.deployment_fault:
            body["reasons"] = ["database_refuses_connections"]
        return body, 503
    reasons = degradations(services)
    reasons += redis.faults
    if reasons:
        body["reasons"] = reasons
    if reasons or issuers_away or any(stale.values()) or lagging or stopped:
        body["status"] = "degraded"
    return body, 200


def log_report(services: Services, lag: float) -> dict[str, Any]:
    """How the log of all records is: the member ``log``."""
    watch = services.log_watch
    known = watch.state
    state = "lagging" if lag > LOG_LAGGING_SECONDS else "current"
    report: dict[str, Any] = {
        "state": state if services.monitor.state.connected else "unknown",
        "lag_seconds": round(lag, 3),
    }
    if watch.seen:
        report |= {"size": known.size, "pending": known.pending, "signed_size": known.signed}
        signing, why = watch.signing()
        if signing == "on" and watch.unsigned_for() > LOG_LAGGING_SECONDS:
            signing, why = "stopped", NOBODY_SIGNS
        report["signing"] = signing
        if why is not None:
            report["signing_stopped"] = why
    return report


def log_stopped(services: Services) -> bool:
    """Whether the log of all records has not been signed for long, or may not go on."""
    watch = services.log_watch
    return watch.state.inconsistent is not None or watch.unsigned_for() > LOG_LAGGING_SECONDS


def degradations(services: Services) -> list[str]:
    """What is wrong although PostgreSQL answers."""
    state = services.monitor.state
    reasons = []
    if state.schema_outdated(services.monitor.required_schema):
        reasons.append("schema_outdated")
    elif not state.may_write:
        reasons.append("missing_rights")
    if not state.durable:
        reasons.append("database_not_durable")
    if state.encoding != "UTF8":
        reasons.append("database_encoding")
    if state.standby:
        reasons.append("database_is_standby")
    elif services.breaker.troubled:
        reasons.append("database_refuses_writes")
    return reasons


def readiness(services: Services) -> tuple[dict[str, Any], int]:
    """Body and status of GET /health/ready: can this instance keep a write?"""
    if services.draining:
        return {"status": "not_ready", "reason": "shutting_down"}, 503
    state = services.monitor.state
    if state.schema_outdated(services.monitor.required_schema):
        return {"status": "not_ready", "reason": "schema_outdated"}, 503
    if not state.connected:
        redis = services.queue_state()
        if not redis.can_spill or services.settings.health.ready_requires_database:
            return {"status": "not_ready", "reason": redis.obstacle or "database_unreachable"}, 503
        return {"status": "ready", "mode": "degraded", "reason": "database_unreachable"}, 200
    if not state.may_write:
        return {"status": "ready", "mode": "degraded", "reason": "missing_rights"}, 200
    if state.standby or services.breaker.troubled:
        reason = "database_is_standby" if state.standby else "database_refuses_writes"
        return {"status": "ready", "mode": "degraded", "reason": reason}, 200
    if services.buffer.depth >= services.buffer.size:
        return {"status": "ready", "mode": "degraded", "reason": "buffer_full"}, 200
    return {"status": "ready"}, 200
