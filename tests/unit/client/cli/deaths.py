"""Commands that die at one of their calls to the system, as if they were killed there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest


class Killed(BaseException):
    """Nothing in a command catches it."""


class Death:
    """``came``: whether the command made so many calls."""

    def __init__(self, step: int) -> None:
        self._left = step
        self.came = False

    def at(self, real: Callable[..., object]) -> Callable[..., object]:
        """The call, which from the step on is the end. What is called to tidy up ends there too."""

        def call(*args: object, **more: object) -> object:
            self._left -= 1
            if self._left < 0:
                self.came = True
                raise Killed
            return real(*args, **more)

        return call


@contextmanager
def dies_at(step: int, *names: str) -> Iterator[Death]:
    """What runs in here dies at the call ``step`` (from 0) of these functions of os, all counted together."""
    death = Death(step)
    with pytest.MonkeyPatch.context() as patched:
        for name in names:
            patched.setattr(os, name, death.at(getattr(os, name)))
        with suppress(Killed):
            yield death
