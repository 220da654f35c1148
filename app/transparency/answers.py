"""Reads of the log for requests; proofs as answers: the text of C2SP tlog-proof, or JSON for those who ask for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import flask
import orjson
from datastorage_common.checkpoints import Proof, encode_hash
from datastorage_common.notes import parse_note

from app.http.json_provider import JSON_TYPE
from app.http.problems import Problem
from app.http.timed_reads import timed_read
from app.postgres.reader import Reader
from app.postgres.sessions import Connection
from app.transparency.log_reads import Included, NoCheckpointError, NotYetInLogError
from app.transparency.log_view import ExpiredError, NotACursorError, RestartedError, StandsStillError

T = TypeVar("T")

TEXT_TYPE = "text/plain; charset=utf-8"
NONE_SIGNED = "no checkpoint of the log was signed yet"
NOT_KEPT = {"Cache-Control": "no-store"}
NO_CURSOR = "is not a cursor of this service: take next of an answer, end, or nothing for the beginning"
_STANDS_STILL = "the log contradicts what was signed of it: the feed stands still until that is settled"
# A proof holds the salt of a record, and another one is given once the log has grown.
_HEADERS = {"Cache-Control": "private, no-store", "Vary": "Accept"}


def log_read(reader: Reader, operation: str, query: Callable[[Connection], T]) -> T:
    """What the query gives, on the primary: the log never looks shorter than it was said to be.

    Raises Problem 404 where nothing is signed yet, or not so far; else as `Reader.read` does.
    """
    try:
        return timed_read(reader, operation, query, newest=True)
    except NoCheckpointError as e:
        raise no_checkpoint(NONE_SIGNED, e.origin) from None
    except NotYetInLogError as e:
        raise Problem("not-yet-in-log", f"{e} - please retry", headers=NOT_KEPT) from None


@contextlib.contextmanager
def in_place(parameter: str, no_cursor: str = NO_CURSOR) -> Iterator[None]:
    """Words what is wrong with a place in the log that a request names by a parameter. Raises Problem."""
    try:
        yield
    except NotACursorError:
        errors = {parameter: no_cursor}
        raise Problem("validation-error", f"{parameter}: {no_cursor}", field_errors=errors, headers=NOT_KEPT) from None
    except RestartedError as e:
        raise _gone("feed-restarted", f"{e}: go on with next, records may come again", e.next) from None
    except ExpiredError as e:
        raise _gone("feed-expired", f"{e}: go on with next, which is the oldest there is", e.next) from None
    except StandsStillError:
        raise Problem("log-inconsistent", _STANDS_STILL, headers=NOT_KEPT) from None


def _gone(slug: str, detail: str, following: str) -> Problem:
    return Problem(slug, detail, headers=NOT_KEPT, members={"next": following})


def no_checkpoint(detail: str, origin: str | None = None) -> Problem:
    """The 404 of a log that has nothing signed to show; ``origin``: its name, which may be a new one."""
    return Problem(
        "no-checkpoint", detail, headers=NOT_KEPT, members={"origin": origin} if origin is not None else None
    )


def not_found(detail: str) -> Problem:
    """A 404 that nobody keeps: what is not there now may be soon."""
    return Problem("not-found", detail, headers=NOT_KEPT)


def proof_answer(found: Included, salt: bytes | None = None) -> flask.Response:
    """The proof of an entry in the form that the current request asks for; ``salt`` where it is of a record."""
    said = {"entry": orjson.Fragment(found.entry), **({"salt": salt.hex()} if salt is not None else {})}
    wanted = flask.request.accept_mimetypes.best_match(["text/plain", JSON_TYPE], default="text/plain")
    if wanted == JSON_TYPE:
        body = {
            "index": found.index,
            "hashes": [encode_hash(step) for step in found.path],
            "checkpoint": found.checkpoint.note.decode(),
            **said,
        }
        return flask.Response(orjson.dumps(body), headers=_HEADERS, content_type=JSON_TYPE)
    proof = Proof(found.index, tuple(found.path), parse_note(found.checkpoint.note), orjson.dumps(said))
    return flask.Response(proof.encode(), headers=_HEADERS, content_type=TEXT_TYPE)
