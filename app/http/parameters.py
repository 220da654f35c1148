"""Which query parameters a route takes: declared beside it. Every other one is refused before the route is asked.

A misspelt filter must not answer with everything. A route without a declaration takes none.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import flask

from app.config.settings import APISettings
from app.http.problems import Problem
from app.http.query import QueryParameters
from app.http.validation_failures import count_validation_failures, register_field_labels

View = TypeVar("View", bound=Callable[..., Any])

# Every route takes it: whether the others that it does not know are refused.
STRICT = "strict"
_API = "/api/v1/"
_FIELD = "query"  # as metrics call them all: their names are the client's
_ATTRIBUTE = "query_parameters"
# So many are named in an answer, each with so many characters: a request line has room for thousands.
_MAX_NAMED = 20
_MAX_CHARACTERS = 64


class Declared(NamedTuple):
    """The parameters of a route. ``check`` raises Problem 400 for what is wrong with them; it gets the path's parts."""

    names: frozenset[str]
    check: Callable[..., object] | None


_NONE = Declared(frozenset(), None)


def takes(names: Iterable[str], check: Callable[..., object]) -> Callable[[View], View]:
    """Declare the query parameters of a route; see `Declared`. ``check`` is called only for a request to be refused.

    To be written below the route, so that what is declared is on the function that is served.
    """
    declared = Declared(frozenset(names), check)

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, declared)
        return view

    return mark


def declared_of(view: Callable[..., Any]) -> Declared:
    """What a route's function takes."""
    declared: Declared = getattr(view, _ATTRIBUTE, _NONE)
    return declared


def declared_first() -> dict[str, str]:
    """The parameters of the current request, by their first values: those that its route takes before all others.

    Where others are let pass there may be any number of them, and who keeps some of all keeps those that count.
    """
    known = declared_of(flask.current_app.view_functions[str(flask.request.endpoint)]).names
    return dict(sorted(flask.request.args.items(), key=lambda item: item[0] not in known))


def install(app: flask.Flask, settings: APISettings) -> None:
    """Refuse what a route of the API does not take. To be called after what authorizes requests."""
    strict = settings.strict_parameters
    register_field_labels([_FIELD])

    @app.before_request
    def _check() -> None:
        request: flask.Request = flask.request._get_current_object()  # type: ignore[attr-defined] # each use of the proxy costs
        if not request.environ.get("QUERY_STRING"):
            return
        rule = request.url_rule
        # OPTIONS comes with the parameters of the request that a browser is about to make.
        if rule is None or not rule.rule.startswith(_API) or request.method == "OPTIONS":
            return
        _refuse_others(request, declared_of(app.view_functions[rule.endpoint]), strict)


def _refuse_others(request: flask.Request, declared: Declared, strict: bool) -> None:
    """Raises Problem 400 that names each unknown parameter, and what is wrong with the others."""
    read = QueryParameters(request.args)
    unknown: list[str] = []
    if read.boolean(STRICT, strict):
        unknown = [name for name in request.args if name not in declared.names and name != STRICT]
    known = sorted({*declared.names, STRICT})
    for name in unknown[:_MAX_NAMED]:
        read.refuse(shown_name(name), "is not a parameter of this request" + nearest(name, known))
    count_validation_failures([(_FIELD, "invalid")] * len(unknown[:_MAX_NAMED]))
    try:
        read.check()
    except Problem as wrong:
        more = len(unknown) - _MAX_NAMED
        details = [wrong.detail] + ([f"and {more} more that are none"] if more > 0 else [])
        errors = dict(wrong.members["field_errors"])
        try:
            if declared.check is not None:
                declared.check(**(request.view_args or {}))
        except Problem as others:
            details.append(others.detail)
            errors |= others.members.get("field_errors", {})
        raise Problem("validation-error", "; ".join(details), field_errors=errors) from None


def shown_name(name: str) -> str:
    """The name as an answer and a terminal may show it."""
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name[:_MAX_CHARACTERS])
    return shown[:_MAX_CHARACTERS] + ("…" if len(name) > _MAX_CHARACTERS or len(shown) > _MAX_CHARACTERS else "")


def nearest(name: str, known: list[str]) -> str:
    """The end of a sentence about a name that is not known: which of the known ones was meant, perhaps."""
    if len(name) > _MAX_CHARACTERS:
        return ""
    near = difflib.get_close_matches(name.casefold().replace("-", "_"), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
