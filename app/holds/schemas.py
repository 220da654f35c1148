"""What a request about a hold may hold: the members, their types and lengths, and the filter with its rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from datastorage_common import jsonvalue
from datastorage_common.times import parse_time, rfc3339
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.audit.filters import (
    EVENT_CONDITIONS,
    NOTIFICATION_CONDITIONS,
    read_event_filters,
    read_notification_filters,
)
from app.http.list_parameters import ListParameters
from app.http.parameters import nearest, shown_name
from app.transparency.records_read import EVENT, NOTIFICATION
from app.validation.field_errors import FieldError, FieldMessage, ValidationFailure, load
from app.validation.fields import MESSAGES, Identifier, Text
from app.validation.ignored import KnownMembers

MAX_NAME, MAX_REASON = 255, 4096
# Longer than any column that is compared.
_MAX_TEXT = 500
# Of the filter as JSON: it stands in an audit event too, beside the reason.
MAX_FILTER_BYTES = 16 * 1024
_CONDITIONS = {EVENT: EVENT_CONDITIONS, NOTIFICATION: NOTIFICATION_CONDITIONS}
_ALL_CONDITIONS = tuple(dict.fromkeys((*EVENT_CONDITIONS, *NOTIFICATION_CONDITIONS)))
_TIMES = ("since", "until")
_MEMBERS = sorted(("kinds", *_ALL_CONDITIONS))
# So many members that are not known are named.
_MAX_NAMED = 20
_UNKNOWN = "is not a filter of lists of records"
_MOVES = "must be an RFC 3339 time or YYYY-MM-DD: the range of a hold does not move"


class Filter(fields.Field[dict[str, Any]]):
    """An object; `hold` reads what is in it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(FieldMessage("must be a JSON object", "invalid"))
        return value


class HoldSchema(Schema):
    """POST /api/v1/holds."""

    class Meta:
        unknown = EXCLUDE

    hold_id = Identifier()
    name = Text(1, MAX_NAME, blank=False, required=True)
    reason = Text(1, MAX_REASON, blank=False, required=True)
    filter = Filter(required=True)


class ReleaseSchema(Schema):
    """POST /api/v1/holds/{id}/release."""

    class Meta:
        unknown = EXCLUDE

    reason = Text(1, MAX_REASON, blank=False, required=True)


FIELDS = (*HoldSchema._declared_fields, *(f"filter.{name}" for name in ("kinds", *_ALL_CONDITIONS)))
_HOLD, _RELEASE = HoldSchema(), ReleaseSchema()
HOLD_MEMBERS, RELEASE_MEMBERS = KnownMembers(_HOLD), KnownMembers(_RELEASE)


def hold(body: Mapping[str, Any], now: datetime) -> dict[str, Any] | ValidationFailure:
    """The members of a hold to be set; its filter as it is kept, times in UTC and the kinds always there."""
    loaded, errors = load(_HOLD, body)
    if "filter" in loaded:
        kept, wrong = _filter(loaded["filter"], now)
        loaded["filter"] = kept
        errors += wrong
    return ValidationFailure(tuple(errors), {}) if errors else loaded


def release(body: Mapping[str, Any]) -> dict[str, Any] | ValidationFailure:
    """The members of a release."""
    loaded, errors = load(_RELEASE, body)
    return ValidationFailure(tuple(errors), {}) if errors else loaded


def _filter(asked: Mapping[str, Any], now: datetime) -> tuple[dict[str, Any], list[FieldError]]:
    """The filter as it is kept, and what is wrong with it.

    A member that is not known is refused: the hold would take other records than whoever sets it thinks.
    """
    if jsonvalue.fault_of(asked, jsonvalue.MAX_NESTING, jsonvalue.MAX_NUMBER_DIGITS) is not None:
        return {}, [_error("", "holds something that cannot be stored")]
    if jsonvalue.written_bytes(asked) > MAX_FILTER_BYTES:
        return {}, [_error("", f"is larger than {MAX_FILTER_BYTES} bytes", "exceeds_max_length")]
    wrong: dict[str, str] = {}
    kinds = _kinds(asked, wrong)
    arguments: dict[str, str] = {}
    unknown: list[str] = []
    for name, value in asked.items():
        if name == "kinds":
            continue
        if name not in _ALL_CONDITIONS:
            unknown.append(name)
        elif name == "data":
            arguments[name] = jsonvalue.compact(value).decode()
        elif not isinstance(value, str):
            wrong[name] = "must be a string"
        elif not 0 < len(value) <= _MAX_TEXT:
            wrong[name] = f"must have 1 to {_MAX_TEXT} characters"
        elif name in _TIMES and parse_time(value, now) is not None and value[-1] in "dhms":
            wrong[name] = _MOVES
        else:
            arguments[name] = value
    read = ListParameters(arguments, now)
    if EVENT in kinds:
        read_event_filters(read)
    if NOTIFICATION in kinds:
        read_notification_filters(read)
    wrong = {**read.wrong, **wrong}
    wrong |= {shown_name(name): _UNKNOWN + nearest(name, _MEMBERS) for name in unknown[:_MAX_NAMED]}
    if len(unknown) > _MAX_NAMED:
        wrong[""] = f"has {len(unknown)} members that are no filters"
    times = {name: at for name in _TIMES if (at := parse_time(arguments.get(name, ""), now)) is not None}
    if not wrong and len(times) == len(_TIMES) and times["since"] > times["until"]:
        wrong["since"] = "is later than until: the hold would take nothing"
    kept = {**asked, **{name: rfc3339(at) for name, at in times.items()}, "kinds": sorted(kinds)}
    return kept, [_error(name, text) for name, text in wrong.items()]


def _error(name: str, text: str, reason: str = "invalid") -> FieldError:
    return FieldError(f"filter.{name}" if name else "filter", FieldMessage(text, reason))


def _kinds(asked: Mapping[str, Any], wrong: dict[str, str]) -> set[str]:
    """Which kinds of records the filter takes: those that its conditions go with, or fewer where it names them."""
    conditions = [name for name in asked if name in _ALL_CONDITIONS]
    fit = {kind for kind, known in _CONDITIONS.items() if all(name in known for name in conditions)}
    if not fit:
        for name in conditions:
            of = [kind for kind, known in _CONDITIONS.items() if name in known]
            if len(of) == 1:
                wrong[name] = f"goes with records of the kind {of[0]} alone: set a hold for each kind"
        return {EVENT, NOTIFICATION}
    if "kinds" not in asked:
        return fit
    named = asked["kinds"]
    if not isinstance(named, list) or not named or any(kind not in _CONDITIONS for kind in map(str, named)):
        wrong["kinds"] = f"must be a list of one or both of these: {', '.join(_CONDITIONS)}"
    elif not set(named) <= fit:
        wrong["kinds"] = f"the other filters go with {', '.join(sorted(fit))} alone: leave kinds out"
    else:
        return set(named)
    return fit
