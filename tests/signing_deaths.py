"""Processes that sign the log and get a signal at a step of it: `python -m tests.signing_deaths`.

Arguments: the database's address, whether a pooler is before it, the address of Redis, a folder, the signal, and the
steps: `FIRST LAST` by their numbers, or one name. Each step has a process of its own, whose id is a line of the output;
behind one that was killed another one signs. Ends with 3 where a process came to no such step.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.log_support import statements_of
from tests.signing_support import KEY, SignedLog, Steps, due, signed_log, signed_turn
from tests.support import Database, PostgresServer, wait_until

_NO_SUCH_STEP = 3


def main(url: str, pooled: str, redis_url: str, folder: str, sent: str, *which: str) -> int:
    """Let one die, or stand still, at each of these steps."""
    database = Database("", url, "", url, server=PostgresServer("", "", url, pooled=pooled == "True"))
    every = [Steps(name=which[0])] if len(which) == 1 else [Steps(number=number) for number in range(*map(int, which))]
    for steps in every:
        statements_of(database, 2, count=130)
        steps.act = lambda _: os.kill(os.getpid(), getattr(signal, sent))
        if (pid := os.fork()) == 0:
            with signed_log(database, Path(folder), redis_url) as one:
                os._exit(_sign(one, steps))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
        if (pid := os.fork()) == 0:
            with signed_log(database, Path(folder), redis_url) as one:
                _go_on(one)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status:
            return 1
    return 0


def _sign(one: SignedLog, steps: Steps) -> int:
    steps.watch_files()
    with one.sequencers(keys=[steps.key(KEY)]) as [each]:
        steps.watch(each, one.memories)
        signed_turn(each)
        if not steps.done:
            (one.folder / "steps").write_text("\n".join(steps.said))
            return _NO_SUCH_STEP
        # It was only stopped: it tries again, and again.
        for _ in range(20):
            due(each)
            each.step()
    return 0


def _go_on(one: SignedLog) -> None:
    with one.sequencers() as [each]:

        def signed() -> bool:
            signed_turn(each)
            return one.signed() == one.head().size

        wait_until(signed, what="the next one signs all that there is")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
