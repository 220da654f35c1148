"""HTTP of the API document: as JSON, as YAML, as a page, and the pages of the problem types."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import flask

from app.http.problems import Problem
from app.openapi import pages
from app.openapi.document import Document

if TYPE_CHECKING:
    from app.services import Services

_OWN = Path(__file__).resolve().parent / "static"
_OWN_ASSETS = ("docs.js", "docs.css")
_UI_ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-16x16.png", "favicon-32x32.png")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
_PAGE_HEADERS = {
    "Content-Security-Policy": pages.CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@cache
def _assets() -> dict[str, Path]:
    """Every file that the page loads. The package of Swagger UI is looked for, not imported."""
    found = importlib.util.find_spec("flask_swagger_ui")
    assert found is not None  # noqa: S101 - it is among the requirements
    assert found.submodule_search_locations  # noqa: S101 - and a package
    dist = Path(found.submodule_search_locations[0]) / "dist"
    return {**{name: dist / name for name in _UI_ASSETS}, **{name: _OWN / name for name in _OWN_ASSETS}}


def create_blueprint(services: Services) -> flask.Blueprint:
    """The blueprint of the document of one app."""
    blueprint = flask.Blueprint("openapi", __name__)
    document = Document(services.settings)

    @blueprint.get("/openapi.json")
    def openapi_json() -> flask.Response:
        return _cached(flask.Response(document.json(), content_type="application/json"))

    @blueprint.get("/openapi.yaml")
    def openapi_yaml() -> flask.Response:
        return _cached(flask.Response(document.yaml(), content_type="application/yaml"))

    @blueprint.get("/docs")
    def docs() -> flask.Response:
        return flask.Response(pages.DOCS, headers=_PAGE_HEADERS, content_type="text/html; charset=utf-8")

    @blueprint.get("/docs/assets/<name>")
    def asset(name: str) -> flask.Response:
        path = _assets().get(name)
        if path is None:
            raise Problem("not-found", "the page has no such file")
        return flask.send_file(path, mimetype=_TYPES[path.suffix], conditional=True, max_age=0)

    @blueprint.get("/problems/<slug>")
    def problem(slug: str) -> flask.Response:
        kind = document.problem(slug)
        if kind is None:
            raise Problem("not-found", "there is no such type of problem")
        return flask.Response(pages.problem(kind), headers=_PAGE_HEADERS, content_type="text/html; charset=utf-8")

    return blueprint


def _cached(response: flask.Response) -> flask.Response:
    """The response, or 304 where the client has the same already."""
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(flask.request)
    return response
