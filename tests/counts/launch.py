"""Runs gunicorn with something inside that counts.

    COUNTS_CONTROL=fd [COUNTS_BYTES=folder] python -m tests.counts.launch -c gunicorn.conf.py app.wsgi:application

COUNTS_CONTROL is a socket; once the worker is ready to serve, a thread of its own answers commands there
(`_COMMANDS`), a line of JSON each way. With COUNTS_BYTES memray traces the start into that folder, and nothing counts
calls: counting would allocate.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.counts import counter

# Threads that take part in serving; the others watch, sample and write logs, at times of their own.
SERVING = ("MainThread", "request", "flusher")
MARK = "/counts-mark-"
# Modules of the machine's Python, and of what counts.
_NOT_OURS = ("sitecustomize", "usercustomize", "_sysconfigdata", "tests.counts.counter", "tests.counts.launch")

_started: dict[str, Any] = {}
_tracker: Any = None


def main() -> None:
    """Count from here on, then be gunicorn."""
    # As it is installed without the extra for traces: redis imports that wherever it finds it.
    sys.modules["opentelemetry"] = None  # type: ignore[assignment]
    mark("launched")
    folder = os.environ.get("COUNTS_BYTES")
    if folder:
        trace(f"{folder}/start")
    else:
        counter.install()
    _call_when_ready(_ready)
    from gunicorn.app.wsgiapp import run

    sys.argv[0] = "gunicorn"
    run()


def _call_when_ready(ready: Callable[[], None]) -> None:
    from app.server.worker import Worker

    serve = Worker.run

    def run(worker: Any) -> None:
        ready()
        serve(worker)

    Worker.run = run  # type: ignore[method-assign]


def _ready() -> None:
    """The worker has loaded the application and started its threads: it serves next."""
    mark("ready")
    if _tracker is not None:
        stop_trace()
    _started.update(start())
    threading.Thread(target=_answer, name="counts", daemon=True).start()


def start() -> dict[str, Any]:
    """What the main thread has done up to now, master and worker, and the modules there are."""
    main = [each for each in counter.counters if each.thread is threading.main_thread()]
    return {
        "calls": counter.by_module(counter.added([counter.by_name(each.calls) for each in main])),
        "sleeps": counter.added([counter.by_name(each.sleeps) for each in main]),
        "modules": sorted(name for name, m in sys.modules.items() if m is not None and not name.startswith(_NOT_OURS)),
    }


def _answer() -> None:
    counter.leave()
    import json

    with socket.socket(fileno=int(os.environ["COUNTS_CONTROL"])) as control, control.makefile("rw") as lines:
        for line in lines:
            command, *arguments = json.loads(line)
            lines.write(json.dumps(_COMMANDS[command](*arguments)) + "\n")
            lines.flush()


def _serving() -> list[counter.Counter]:
    return [each for each in counter.counters if each.thread.name.startswith(SERVING)]


def total() -> int:
    """All calls so far; as long as it grows a thread is at work."""
    return sum(sum(each.calls.copy().values()) for each in _serving())


def calls() -> dict[str, int]:
    """Calls so far by function."""
    return counter.added([counter.by_name(each.calls) for each in _serving()])


def sleeps() -> dict[str, int]:
    """Sleeps so far by the function that slept."""
    return counter.added([counter.by_name(each.sleeps) for each in _serving()])


def threads() -> dict[str, Any]:
    """The kernel's numbers of this process, its parent and its threads that serve."""
    # After a fork the main thread still says the parent's number.
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    serving = [os.getpid(), *(each.native_id for each in others if each.name.startswith(SERVING))]
    return {"parent": os.getppid(), "process": os.getpid(), "serving": serving}


def mark(name: str) -> None:
    """Make a system call that is found again among all others."""
    os.path.exists(f"{MARK}{name}")


def trace(file: str) -> None:
    """Have memray write down each allocation from now on."""
    global _tracker
    import memray

    _tracker = memray.Tracker(file, trace_python_allocators=True, follow_fork=True)
    _tracker.__enter__()


def stop_trace() -> None:
    """End what `trace` began."""
    _tracker.__exit__(None, None, None)


_COMMANDS: dict[str, Callable[..., Any]] = {
    "start": lambda: _started,
    "total": total,
    "calls": calls,
    "sleeps": sleeps,
    "threads": threads,
    "mark": mark,
    "trace": trace,
    "stop_trace": stop_trace,
}

if __name__ == "__main__":
    # Under its own name: as __main__ it would be there twice, with two sets of counters.
    from tests.counts.launch import main as launch

    launch()
