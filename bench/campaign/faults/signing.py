"""What befalls the signing of the log: its process at each of its steps, its memories, its witnesses."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from pathlib import Path

import psutil
import redis

from app.transparency.memories import KEY
from bench.campaign.faults.tools import pause, until_taken
from bench.campaign.stage import Stage

# Names of steps as tests/signing_support.py has them: behind each, others see something, or do not yet.
STEPS = (
    "COMMIT put_head",
    "read redis",
    "read file",
    "note_proven",
    "COMMIT note_proven",
    "advance redis",
    "advance file",
    "sign",
    "put",
    "COMMIT root_of",
)
_CARRIED_OUT_SECONDS = 20.0


def signer_kill(stage: Stage, rng: random.Random) -> None:
    """The process that signs is killed behind a step."""
    with stage.signer:
        if _ordered(stage, f"SIGKILL {rng.choice(STEPS)}") is not None:
            stage.killed("signer")


def signer_stop(stage: Stage, rng: random.Random) -> None:
    """It stands still behind a step, for longer than it takes another one to take over, and goes on."""
    with stage.signer:
        process = _ordered(stage, f"SIGSTOP {rng.choice(STEPS)}")
        if process is not None:
            try:
                pause(rng, 4, 14)
            finally:
                with contextlib.suppress(psutil.Error):  # somebody has killed it
                    process.resume()


def memory_file_away(stage: Stage, rng: random.Random) -> None:
    """The folder of the file is not mounted for a while."""
    with stage.memory_file:
        away = stage.signing.memory.with_name("away")
        stage.signing.memory.rename(away)
        try:
            pause(rng, 0.5, 6)
        finally:
            away.rename(stage.signing.memory)


def memory_file_restored(stage: Stage, rng: random.Random) -> None:
    """The file is put back from before."""
    with stage.memory_file, contextlib.suppress(FileNotFoundError):
        file = stage.signing.memory / "checkpoint"
        before = Path(shutil.copy(file, stage.directory / "checkpoint-before"))
        pause(rng, 0.5, 4)
        before.replace(file)


def memory_redis_restored(stage: Stage, rng: random.Random) -> None:
    """What Redis remembers is gone for a while, and is then what it was before."""

    held: list[bytes] = []  # what it was

    def step() -> None:
        with stage.queue.client() as client:
            if not held:
                found = client.get(KEY)
                held.append(found if isinstance(found, bytes) else b"")
                client.delete(KEY)
                pause(rng, 0.5, 4)
            if held[0]:
                client.set(KEY, held[0])

    with stage.valkey_process:
        until_taken(step, redis.RedisError)


def witness_away(stage: Stage, rng: random.Random) -> None:
    """A witness, or all of them, listens no more for a while."""
    with stage.witnesses:
        gone = rng.sample(stage.signing.witnesses, rng.randrange(1, len(stage.signing.witnesses) + 1))
        for witness in gone:
            witness.stop()
        try:
            pause(rng, 1, 6)
        finally:
            for witness in gone:
                witness.start()


def _ordered(stage: Stage, what: str) -> psutil.Process | None:
    """The process that carried the order out; None where none came to that step for a while."""
    order = stage.signing.orders / what
    order.touch()
    deadline = time.monotonic() + _CARRIED_OUT_SECONDS
    while time.monotonic() < deadline:
        for done in stage.signing.orders.glob(f"done * {what}"):
            done.unlink()
            with contextlib.suppress(psutil.Error):
                return psutil.Process(int(done.name.split()[1]))
            return None
        time.sleep(0.02)
    order.unlink(missing_ok=True)
    # Between the last look and this, perhaps: it must not stand still for ever.
    for done in stage.signing.orders.glob(f"done * {what}"):
        done.unlink()
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(done.name.split()[1]))
            process.resume()
            return process
    return None
