"""Processes that are killed, frozen and restarted, and connections that end."""

from __future__ import annotations

import contextlib
import random
import signal

import psutil

from bench.campaign.faults.tools import bring_back, outage, pause, send_poison
from bench.campaign.stage import Stage


def postgres_kill(stage: Stage, rng: random.Random) -> None:
    with outage(stage):
        stage.killed("postgres")
        pause(rng, 0.2, 3)


def postgres_immediate(stage: Stage, rng: random.Random) -> None:
    with stage.postgres_process:
        stage.postgres.stop("immediate")
        stage.killed("postgres")
        pause(rng, 0.2, 3)
        bring_back(stage.postgres)


def postgres_freeze(stage: Stage, rng: random.Random) -> None:
    with stage.postgres_process:
        stage.postgres.freeze()
        pause(rng, 1, 5)
        stage.postgres.thaw()


def valkey_kill(stage: Stage, rng: random.Random) -> None:
    with stage.valkey_process:
        stage.queue.primary.kill()
        stage.killed("valkey")
        pause(rng, 0.2, 3)
        bring_back(stage.queue.primary)


def valkey_freeze(stage: Stage, rng: random.Random) -> None:
    with stage.valkey_process:
        stage.queue.primary.freeze()
        pause(rng, 0.5, 3)
        stage.queue.primary.thaw()


def both_kill(stage: Stage, rng: random.Random) -> None:
    with stage.postgres_process, stage.valkey_process:
        stage.postgres.kill()
        stage.killed("postgres")
        stage.queue.primary.kill()
        stage.killed("valkey")
        pause(rng, 0.2, 2)
        bring_back(stage.queue.primary)
        bring_back(stage.postgres)


def worker_kill(stage: Stage, rng: random.Random) -> None:
    service = rng.choice(stage.services)
    assert service.process is not None
    with contextlib.suppress(psutil.Error, IndexError):
        rng.choice(psutil.Process(service.process.pid).children()).kill()
        stage.killed("worker")


def master_kill(stage: Stage, rng: random.Random) -> None:
    index = rng.randrange(len(stage.services))
    with stage.instances[index]:
        service = stage.services[index]
        assert service.process is not None
        with contextlib.suppress(psutil.Error):
            workers = psutil.Process(service.process.pid).children()
            service.process.send_signal(signal.SIGKILL)
            service.process.wait(10)
            stage.killed("master")
            # Its workers see that they have no master any more, and end by themselves.
            psutil.wait_procs(workers, timeout=20)
        service.start(ready=False)


def rolling_restart(stage: Stage, rng: random.Random) -> None:
    index = rng.randrange(len(stage.services))
    with stage.instances[index]:
        stage.services[index].stop()
        stage.services[index].start(ready=False)


def idle_close(stage: Stage, rng: random.Random) -> None:
    """What lies between ends connections: told so, or found out only by who sends something."""
    for _ in range(rng.randrange(1, 5)):
        relay = rng.choice([stage.postgres_relay, stage.queue.relay])
        rng.choice([relay.hang_up, relay.forget])()
        pause(rng, 0.1, 1.5)


def clock_step(stage: Stage, rng: random.Random) -> None:
    """The instances' clock steps by seconds or by hours, forth or back, and then to where it was.

    What is put off for a second meanwhile must not wait for hours.
    """
    with stage.clock_lock:
        farthest = rng.choice([120, 4 * 3600])
        stage.clock.write_text(str(rng.randrange(-farthest, farthest)))
        send_poison(stage, rng, "P0001")
        pause(rng, 0.5, 3)
        stage.clock.write_text("0")
