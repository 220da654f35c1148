"""Free ports."""

from __future__ import annotations

import socket

import pytest

import devserver as dev
from devserver import (
    ports,
)


def test_a_free_port_is_free_and_no_ephemeral_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def third_is_free(port: int) -> bool:
        asked.append(port)
        return len(asked) == 3

    monkeypatch.setattr(ports, "port_is_free", third_is_free)
    port = dev.free_port()
    assert port in dev.PORTS
    assert len(asked) == 3
    assert port == asked[-1]


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.socket() as held:  # bound, so that no other process comes in between
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert dev.port_is_free(port)
        held.listen()
        assert not dev.port_is_free(port)
