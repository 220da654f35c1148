"""JSON of answers, written by orjson."""

from __future__ import annotations

from typing import Any

import flask
import orjson
from flask.json.provider import JSONProvider

JSON_TYPE = "application/json"


class ORJSONProvider(JSONProvider):
    """Flask's JSON on orjson; its own would write datetimes as HTTP dates."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return orjson.loads(s)


def json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> flask.Response:
    """A JSON response of bytes that are JSON already."""
    return flask.Response(body, status=status, headers=headers, content_type=JSON_TYPE)
