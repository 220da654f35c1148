"""What goes wrong with the local run."""

from __future__ import annotations


class DevError(Exception):
    """The local run cannot go on; the message is one line that says what to do next."""


class StartCancelledError(DevError):
    """A start was given up because a stop was asked for."""
