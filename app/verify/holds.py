"""Holds against their acts: what the log does not say was neither set nor released."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datastorage_common import jsonvalue

from app.transparency.acts import commitment_to
from app.verify.report import Report
from app.verify.source import HoldSide


def check_holds(sides: Iterable[HoldSide], lost: Iterable[tuple[str, str]], report: Report) -> None:
    """``sides``: the settings and releases that are stored; ``lost``: kind and id of acts that no hold names."""
    for side in sides:
        report.holds += side.kind == "hold_set"
        if (why := _wrong_with(side)) is not None:
            report.add("hold", why, record=("hold", side.hold_id))
    for kind, act_id in lost:
        report.add("hold", "the hold that it is about is not there, or is of another act", record=(kind, act_id))


def _wrong_with(side: HoldSide) -> str | None:
    """What of a hold its act does not say; None where all is as it says. Acts themselves are checked as records are."""
    done = "set" if side.kind == "hold_set" else "released"
    if side.act_kind != side.kind:
        return f"no act says that it was {done}"
    details = _object(side.details)
    told = details.get("hold_id"), details.get("principal"), side.acted_at
    if told != (side.hold_id, side.by, side.at):
        return f"its act says another hold, principal or time than the one by which it is {done}"
    texts = dict(side.texts)
    if "filter" in texts:
        texts["filter"] = _object(side.texts["filter"])
    if details.get("texts") != commitment_to(texts, side.salt).hex():
        return (
            "its name, reason or filter are not those with which it was set"
            if done == "set"
            else ("the reason is not the one for which it was released")
        )
    return None


def _object(text: Any) -> Mapping[str, Any]:
    try:
        found = jsonvalue.parse(text)
    except (jsonvalue.JSONError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
