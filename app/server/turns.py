"""What the master does at each of its turns: once a second, and just before it starts a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter


def at_each_turn(arbiter: Arbiter, step: Callable[[], None]) -> None:
    """Have ``step`` run each time before the master looks whether it has as many workers as it should."""
    manage = arbiter.manage_workers

    def manage_workers() -> None:
        try:
            step()
        except Exception:  # whatever a step meets, workers have to be replaced
            arbiter.log.exception("datastorage: a step of the master failed unexpectedly")
        manage()

    arbiter.manage_workers = manage_workers
