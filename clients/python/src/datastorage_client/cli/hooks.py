"""What the service's package adds to the commands where it is installed beside the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

_GROUP = "datastorage.hooks"


@cache
def hook(name: str) -> Callable[..., Any] | None:
    """The function that an installed package has registered under the name; None where no package has."""
    for found in entry_points(group=_GROUP, name=name):
        function: Callable[..., Any] = found.load()
        return function
    return None
