"""What a worker runs ends in order, and one part that fails keeps no other."""

from __future__ import annotations

import pytest

from tests.unit.fakes import make_services


def test_stop_ends_the_flusher_and_every_other_part() -> None:
    services = make_services()
    services.flusher.start()
    assert services.stop()
    thread = services.flusher._thread
    assert thread is not None
    assert not thread.is_alive()
    assert services.draining
    assert services.stop(), "a second time changes nothing"


def test_a_part_that_fails_keeps_no_other_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    services = make_services()
    stopped = []

    def fail() -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(services.monitor, "stop", fail)
    monkeypatch.setattr(services.database, "stop", lambda: stopped.append("database"))
    assert not services.stop()
    assert stopped == ["database"]
