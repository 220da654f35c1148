"""Replays dead letters with something that counts: a process of its own, since what else is loaded would count too.

Says in a line of JSON when it is about to replay and when it is done, and goes on when it reads a line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.audit.event import AuditEvent
from app.audit.outcome import Spilled, WriteRequest
from app.configuration import load_settings
from app.services import Services
from bench.requests import event_bytes, now
from tests.counts import counter, launch
from tests.counts.scenarios import BATCH

WARM = 6


def _spill(services: Services) -> None:
    assert services.queue is not None
    events = []
    for n in range(BATCH):
        body: dict[str, Any] = json.loads(event_bytes("counts", n, now()))
        event = services.validator.event(body, plain=False, recorded_by="counts", context_trace_id=None)
        assert isinstance(event, AuditEvent), event
        events.append(event)
    (outcome,) = services.queue.spill([WriteRequest(tuple(events))], "database unavailable")
    assert isinstance(outcome, Spilled), outcome


def _replay(services: Services) -> None:
    assert services.replayer is not None
    while services.replayer.round():
        pass


def _say(**members: Any) -> None:
    print(json.dumps(members), flush=True)
    sys.stdin.readline()


def main(rounds: int, record: Path | None) -> None:
    """Replay ``rounds`` times with calls counted, then once with memray, if there is a file for it."""
    services = Services(load_settings())
    for _ in range(WARM):
        _spill(services)
        _replay(services)
    _say(say="warm")
    for _ in range(rounds):
        _spill(services)
        _say(say="before")
        counting = counter.Counter()
        launch.mark("before")
        sys.setprofile(counting.hook)
        _replay(services)
        sys.setprofile(None)
        launch.mark("replayed")
        _say(say="after", calls=counter.by_name(counting.calls), sleeps=counter.by_name(counting.sleeps))
    if record is not None:
        _spill(services)
        launch.trace(str(record))
        _replay(services)
        launch.stop_trace()
    _say(say="end")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
