"""`datastorage follow` killed at random moments, while events come in."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tests.support import Guarded, GunicornService, event, wait_until

COMMAND = Path(sys.executable).parent / "datastorage"
_BATCH_EVENTS = 10
_PAUSE_SECONDS = 0.1
# Some lines are longer than a pipe takes at once, and than rsyslog takes unless it is told otherwise.
_SIZES, _OF_THEM = (10, 1000, 20_000), (20, 4, 1)
# From before it is begun to read its imports to when it waits for more.
_LONGEST_LIFE_SECONDS = 2.0


def follower(service: GunicornService, folder: Path, out: Any, *options: str) -> Guarded:
    """It is to be waited for; what it says goes to ``said`` of the folder."""
    with (folder / "said").open("ab") as said:
        return Guarded(
            [COMMAND, "follow", "--url", service.url, "--state", folder / "state.json", *options],
            stdout=out,
            stderr=said,
            env={k: v for k, v in os.environ.items() if not k.startswith("DATASTORAGE_")},
        )


@contextmanager
def writing(service: GunicornService) -> Iterator[list[str]]:
    """Batches of events are sent during the block; the ids of those that were answered 201."""
    acknowledged: list[str] = []
    over = threading.Event()

    def write() -> None:
        rng = random.Random(7)
        while not over.is_set():
            sizes = rng.choices(_SIZES, _OF_THEM, k=rng.randrange(1, _BATCH_EVENTS))
            batch = [event(event_data={"text": "ö" * size}) for size in sizes]
            answer = service.request("POST", "/api/v1/audit/events/batch", batch)
            assert answer.status == 201, answer.body
            acknowledged.extend(answer.json["event_ids"])
            over.wait(_PAUSE_SECONDS)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


def killed_again_and_again(service: GunicornService, folder: Path, out: BinaryIO, kills: int, seed: int) -> None:
    """One is killed somewhere between its start and its waiting for more, the next while it writes, and so on."""
    rng = random.Random(seed)
    for number in range(kills):
        before = os.fstat(out.fileno()).st_size
        process = follower(service, folder, out)
        lives = rng.random() * _LONGEST_LIFE_SECONDS
        if number % 2:
            wait_until(lambda before=before: os.fstat(out.fileno()).st_size > before, what="it writes")
            lives *= 0.05
        try:
            process.wait(lives)
        except subprocess.TimeoutExpired:
            process.kill()
        else:
            raise AssertionError(f"it ended by itself: {(folder / 'said').read_text()}")
        process.wait()
        # So that the next one has something to do.
        time.sleep(rng.random() * 0.1)


def events_of(path: Path) -> tuple[list[str], list[bytes]]:
    """The ids of the events in the whole lines of a file, and the lines that are none."""
    ids, others = [], []
    for line in path.read_bytes().splitlines():
        try:
            ids.append(json.loads(line)["event_id"])
        except ValueError:
            others.append(line)
    return ids, others
