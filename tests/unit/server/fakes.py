"""Stand-ins for what is around the server: the service's threads, and gunicorn's log."""

from __future__ import annotations

import socket

from gunicorn.config import Config

from app.server.connections import Connection
from tests.unit.fakes import HOUR


class FakeServices:
    """Remembers what was done to it."""

    def __init__(self, *, clean: bool = True) -> None:
        self.clean = clean
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def drain(self) -> None:
        self.calls.append("drain")

    def stop(self) -> bool:
        self.calls.append("stop")
        return self.clean


class Log:
    """What was logged, with its level."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def info(self, text: str, *arguments: object) -> None:
        self.lines.append(("info", text % arguments))

    def warning(self, text: str, *arguments: object) -> None:
        self.lines.append(("warning", text % arguments))

    def error(self, text: str, *arguments: object) -> None:
        self.lines.append(("error", text % arguments))

    exception = error

    def close_on_exec(self) -> None:
        """There is no file."""


def connection(sock: socket.socket) -> Connection:
    """A connection as a worker makes it."""
    return Connection(sock, ("127.0.0.1", 1), ("127.0.0.1", 2), Config(), answer_seconds=HOUR, max_body=1000)
