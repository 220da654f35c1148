"""What all unit tests share: a machine that is busy with something else must not fail one.

HYPOTHESIS_PROFILE says how much made-up input properties are tried with: everyday (the default, and the same input
each time) or nightly.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("everyday", _PATIENT, max_examples=100, derandomize=True)
settings.register_profile("nightly", _PATIENT, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of loopback that nobody listens on, and that no other process can take meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
