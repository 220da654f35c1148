"""HTTP of the log: its keys, its checkpoints, and the tiles that proofs are made of (c2sp.org/tlog-tiles)."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

import flask
from datastorage_common.witness_policy import Policy

from app.clock import Clock
from app.config.settings import Settings
from app.postgres.sessions import Connection
from app.transparency import cosignatures, export_routes, feed_routes, log_reads, proof_routes
from app.transparency.answers import NONE_SIGNED, NOT_KEPT, TEXT_TYPE, log_read, no_checkpoint, not_found
from app.transparency.log_reads import Published
from app.transparency.read_once import ReadOnce
from app.transparency.tile_paths import Place, parse_bundle, parse_tile

_OCTETS = "application/octet-stream"
_FOR_EVER = "max-age=31536000, immutable"
_A_MOMENT = "max-age=1"
# Half of a bundle are hashes, which do not compress: more effort takes twice the time for a twentieth less.
_GZIP_LEVEL = 1
_NO_TILE = "the log has no such tile"


class Parts(export_routes.Parts, feed_routes.Parts, proof_routes.Parts, Protocol):
    """What these routes need of the service (`app.services.Services` has it)."""

    settings: Settings
    clock: Clock
    witness_policy: Callable[[], Policy] | None  # None: there is none


def create_blueprint(services: Parts) -> flask.Blueprint:
    """The blueprint of the log of one app."""
    blueprint = flask.Blueprint("log", __name__, url_prefix="/api/v1")
    keys = proof_routes.verifiers(services)

    def read_newest() -> Published | None:
        return log_read(services.reader, "log_checkpoint", lambda conn: log_reads.published(conn, keys))

    newest = ReadOnce(read_newest, services.clock)
    _add_notes(blueprint, services, newest)
    _add_tiles(blueprint, services, newest)
    proof_routes.add_log_proofs(blueprint, services)
    proof_routes.add_record_proofs(blueprint, services)
    feed_routes.add_feed(blueprint, services)
    export_routes.add_export(blueprint, services)
    return blueprint


def _add_notes(blueprint: flask.Blueprint, services: Parts, newest: ReadOnce[Published | None]) -> None:
    public = services.settings.log.public
    keys = proof_routes.verifiers(services)

    def read_witnessed() -> Published | None:
        if services.witness_policy is None:
            return None
        policy = services.witness_policy()
        return log_read(services.reader, "log_witnessed", lambda conn: cosignatures.witnessed(conn, policy, keys))

    witnessed = ReadOnce(read_witnessed, services.clock)
    origin = ReadOnce(lambda: log_read(services.reader, "log_checkpoint", log_reads.origin), services.clock)
    # As the signer names a log that has no name yet.
    named = services.settings.log.origin or next((own.name for own in services.log_keys), "")

    @blueprint.get("/log/checkpoint")
    def checkpoint() -> flask.Response:
        point = newest.get()
        if point is None:
            raise no_checkpoint(NONE_SIGNED, origin.get())
        return _kept(flask.Response(point.note, content_type=TEXT_TYPE), public, _A_MOMENT)

    @blueprint.get("/log/checkpoint/witnessed")
    def witnessed_checkpoint() -> flask.Response:
        point = witnessed.get()
        if point is None:
            raise no_checkpoint("no checkpoint of the log was cosigned as the witness policy asks for")
        return _kept(flask.Response(point.note, content_type=TEXT_TYPE), public, _A_MOMENT)

    @blueprint.get("/log/key")
    def key() -> flask.Response:
        names = {own.name for own in services.log_keys}
        if len(names) > 1:
            # Of several, those that sign under the log's present name.
            point = newest.get()
            names = {point.origin if point is not None else named}
        lines = "".join(f"{own.verifier}\n" for own in services.log_keys if own.name in names)
        if not lines:
            raise no_checkpoint("this instance has no key of the log")
        return _kept(flask.Response(lines, content_type=TEXT_TYPE), public, _A_MOMENT)


def _add_tiles(blueprint: flask.Blueprint, services: Parts, newest: ReadOnce[Published | None]) -> None:
    public = services.settings.log.public

    def read(operation: str, place: Place | None, query: Callable[[Connection, Place, int], bytes | None]) -> bytes:
        """What stands there, if the checkpoint reaches so far. Raises Problem 404."""
        # There is one path to a tile: with an escape in it, it would be another one.
        if place is None or "%" in flask.request.environ.get("RAW_URI", "").partition("?")[0]:
            raise not_found(_NO_TILE)
        point = newest.get(lambda point: point is not None and place.is_in(point.size))
        if point is None or not place.is_in(point.size):
            raise not_found(_NO_TILE)
        size = point.size
        found = log_read(services.reader, operation, lambda conn: query(conn, place, size))
        if found is None:
            raise not_found(_NO_TILE)
        return found

    @blueprint.get("/log/tile/<level>/<path:tile>")
    def hash_tile(level: str, tile: str) -> flask.Response:
        body = read("log_tile", parse_tile(level, tile), log_reads.tile)
        return _kept(flask.Response(body, content_type=_OCTETS), public, _FOR_EVER)

    @blueprint.get("/log/tile/entries/<path:tile>")
    def entry_bundle(tile: str) -> flask.Response:
        body = read("log_bundle", parse_bundle(tile), log_reads.bundle)
        response = flask.Response(body, headers={"Vary": "Accept-Encoding"}, content_type=_OCTETS)
        if flask.request.accept_encodings.best_match(["gzip", "identity"]) == "gzip":
            response.set_data(gzip.compress(body, _GZIP_LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
        # Entries are for readers alone, whatever is public.
        return _kept(response, False, _FOR_EVER)


def _kept(response: flask.Response, public: bool, how_long: str) -> flask.Response:
    """The response, or 304 where the client has the same already; caches may keep it for so long."""
    response.add_etag()
    response.headers["Cache-Control"] = f"{'public' if public else 'private'}, {how_long}"
    response.make_conditional(flask.request)
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        # If-Match of some request: nobody else may be answered so, and not for a year.
        return flask.Response(status=response.status_code, headers=NOT_KEPT, content_type=TEXT_TYPE)
    return response
