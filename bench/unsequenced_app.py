"""The service with a sequencer that gives no places: what the triggers alone cost. Served by benchmarks only."""

from __future__ import annotations

from app.transparency.sequencer import Sequencer


def _not_wanted(_: Sequencer) -> None:
    """Stands for `Sequencer.wanted`: this one never takes over."""


Sequencer.wanted = _not_wanted  # type: ignore[method-assign, assignment]

from app.wsgi import application  # noqa: E402, F401 - made with the sequencer above
