"""What befalls the consumers of the feed."""

from __future__ import annotations

import random

from bench.campaign.faults.tools import pause
from bench.campaign.stage import Stage

_KILLS = 8  # in a row, at the most


def follower_kill(stage: Stage, rng: random.Random) -> None:
    """A consumer is killed several times in a row, and goes on each time from the cursor that it had kept."""
    follower = rng.choice(stage.followers)
    with follower.lock:
        for _ in range(rng.randrange(1, _KILLS + 1)):
            pause(rng, 0, 1)
            follower.kill(rng)
            stage.killed("follower")
            follower.start()
