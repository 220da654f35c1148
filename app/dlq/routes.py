"""HTTP of the dead letter queue for its admins: how full it is, what failed for good, replay and delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import flask
import orjson
from datastorage_common import jsonvalue
from redis.exceptions import RedisError

from app.audit.accesses import NOT_RECORDED, AccessRecorder
from app.audit.current_caller import current_caller
from app.audit.recorder import Recorder
from app.audit.validator import Validator
from app.config.settings import Settings
from app.dlq.admin import Admin, sensitive_event, split_id
from app.dlq.held import HeldError, unless_held
from app.dlq.keys import STREAMS
from app.http.error_handlers import problem_response
from app.http.json_provider import json_response
from app.http.parameters import declared_first, takes
from app.http.problems import Problem
from app.http.query import QueryParameters
from app.postgres.database import Database

_UNKNOWN = "there is no dead letter with this id"
_PAGE_PARAMETERS = ("stream", "limit", "cursor")
_HELD = "the record in this dead letter is under a legal hold: it may be replayed, and not deleted"
_NOT_RECORDED = "what is done to dead letters is recorded, and that cannot be done now - please retry"


class Parts(Protocol):
    """What these routes need of the service (`app.services.Services` has it)."""

    settings: Settings
    database: Database
    validator: Validator
    admin: Admin | None
    accesses: AccessRecorder | None
    recorder: Recorder | None

    def replay_paused(self) -> str | None:
        """Why this worker does not replay, or None."""


def create_blueprint(services: Parts) -> flask.Blueprint:
    """The dead letter queue's blueprint of one app."""
    blueprint = flask.Blueprint("dlq", __name__, url_prefix="/api/v1/dlq")

    @blueprint.errorhandler(RedisError)
    def _redis_away(error: RedisError) -> flask.Response:
        problem = Problem("service-unavailable", "the dead letter queue is not available - please retry")
        return problem_response(problem, services.settings.server.problem_base_url)

    @blueprint.get("")
    def status() -> flask.Response:
        state = _admin(services).look()
        return json_response(
            orjson.dumps(
                {
                    "durability": state.durability,
                    "replay_paused": services.replay_paused(),
                    "streams": {
                        name: {
                            "depth": s.depth,
                            "capacity": s.capacity,
                            "ratio": round(s.ratio, 4),
                            "oldest_age_seconds": round(s.oldest_age_seconds, 3),
                            "dead_letters": s.dead_letters,
                        }
                        for name, s in state.streams.items()
                    },
                }
            )
        )

    _add_dead_letters(blueprint, services)
    return blueprint


def _admin(services: Parts) -> Admin:
    if services.admin is None:
        raise Problem("service-unavailable", "no dead letter queue is configured (redis.url)")
    return services.admin


def _add_dead_letters(blueprint: flask.Blueprint, services: Parts) -> None:
    @blueprint.get("/dead-letters")
    @takes(_PAGE_PARAMETERS, lambda: _page(QueryParameters(flask.request.args)))
    def dead_letters() -> flask.Response:
        limit, stream, after = _page(QueryParameters(flask.request.args))
        letters = _admin(services).dead_letters(stream, limit + 1, after)
        more = len(letters) > limit
        letters = letters[:limit]
        _record_access(services, letters)
        body = {
            "dead_letters": letters,
            "pagination": {
                "limit": limit,
                "has_more": more,
                "next_cursor": letters[-1]["id"] if more else None,
            },
        }
        return json_response(jsonvalue.compact(body))

    @blueprint.get("/dead-letters/<letter_id>")
    def dead_letter(letter_id: str) -> flask.Response:
        letter = _admin(services).dead_letter(letter_id)
        if letter is None:
            raise Problem("not-found", _UNKNOWN)
        _record_access(services, [letter])
        return json_response(jsonvalue.compact(letter))

    @blueprint.post("/dead-letters/<letter_id>/replay")
    def replay(letter_id: str) -> flask.Response:
        _record_change(services, "replay", letter_id)
        match _admin(services).revive(letter_id):
            case "accepted":
                accepted = {"status": "accepted", "message": "dead letter queued for replay", "id": letter_id}
                return json_response(orjson.dumps(accepted), 202)
            case "full":
                raise Problem("dlq-full", "the dead letter queue is full - please retry")
            case "empty":
                raise Problem("invalid_request", "the dead letter holds no message that could be replayed")
        raise Problem("not-found", _UNKNOWN)

    @blueprint.delete("/dead-letters/<letter_id>")
    def delete(letter_id: str) -> flask.Response:
        found = _admin(services).message(letter_id)
        if found is None:
            raise Problem("not-found", _UNKNOWN)

        try:
            deleted = unless_held(
                services.database,
                services.validator,
                *found,
                record=lambda: _record_change(services, "delete", letter_id),
                delete=lambda: _admin(services).delete(letter_id),
            )
        except HeldError as e:
            raise Problem("held", _HELD, members={"held_by": [str(hold_id) for hold_id in e.hold_ids]}) from None
        if not deleted:
            raise Problem("not-found", _UNKNOWN)
        return json_response(orjson.dumps({"status": "deleted", "id": letter_id}))


def _record_access(services: Parts, letters: Sequence[Mapping[str, Any]]) -> None:
    """Record who is given the sensitive events among dead letters. Raises Problem 503."""
    ids = [event_id for letter in letters if (event_id := sensitive_event(letter)) is not None]
    filters = declared_first() or flask.request.view_args or {}
    recorder = services.accesses
    if ids and recorder is not None and not recorder.keep(current_caller(), ids, filters):
        raise Problem("service-unavailable", NOT_RECORDED)


def _record_change(services: Parts, verb: str, letter_id: str) -> None:
    """Record what is about to be done to a dead letter. Raises Problem 404 or 503: then it must not be done."""
    recorder = services.recorder
    if recorder is None:
        return
    letter = _admin(services).dead_letter(letter_id)
    if letter is None:
        raise Problem("not-found", _UNKNOWN)
    if not recorder.keep(recorder.events.dead_letter(current_caller(), verb, letter)):
        raise Problem("service-unavailable", _NOT_RECORDED)


def _page(read: QueryParameters) -> tuple[int, str, str | None]:
    """Limit, stream and the id after which a page begins. Raises Problem 400 that names every wrong parameter."""
    stream = read.choice("stream", tuple(STREAMS), "events")
    limit = read.integer("limit", 1, 1000, 50)
    after = None
    if (cursor := read.raw("cursor")) is not None:
        of, after = split_id(cursor)
        if of != stream:
            read.refuse("cursor", "is not a cursor of this list")
    read.check()
    return limit, stream, after
