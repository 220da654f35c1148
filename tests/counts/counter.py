"""Counts what each thread calls, by code object. Runs inside the measured process, so it imports next to nothing."""

from __future__ import annotations

import sys
import threading
import time
from types import CodeType, FrameType
from typing import Any

# Code that can be entered more than once for one call: generators and coroutines of every kind.
_RESUMABLE = 0x20 | 0x80 | 0x100 | 0x200
# How the import system searches depends on sys.path, and what counts is no part of the service.
_LEFT_OUT = ("importlib/_bootstrap", "tests/counts/counter.py", "tests/counts/launch.py")

_sleep = time.sleep
_lock = threading.Lock()
counters: list[Counter] = []
_names: dict[CodeType, str] = {}


class Counter:
    """The calls of one thread so far, and where it slept."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.calls: dict[CodeType, int] = {}
        self.sleeps: dict[CodeType, int] = {}
        self._starts: dict[CodeType, int] = {}
        with _lock:
            counters.append(self)

    def hook(self, frame: FrameType, event: str, arg: Any) -> None:
        """Take one event of sys.setprofile."""
        if event == "call":
            code = frame.f_code
            if code.co_flags & _RESUMABLE and self._resumed(code, frame.f_lasti):
                return
            try:
                self.calls[code] += 1
            except KeyError:
                self.calls[code] = 1
        elif event == "c_call" and arg is _sleep:
            self.sleeps[frame.f_code] = self.sleeps.get(frame.f_code, 0) + 1

    def _resumed(self, code: CodeType, offset: int) -> bool:
        """Whether a generator goes on where it had paused: how often that is depends on what its waits find ready."""
        # It begins at the least of its offsets.
        start = self._starts.setdefault(code, offset)
        if offset < start:
            self._starts[code] = offset
            self.calls[code] = 0
        return offset > start


def install() -> None:
    """Count from now on, in this thread and in all that start later."""

    def first(frame: FrameType, event: str, arg: Any) -> None:
        counter = Counter()
        sys.setprofile(counter.hook)
        counter.hook(frame, event, arg)

    threading.setprofile(first)
    sys.setprofile(Counter().hook)


def leave() -> None:
    """Do not count the calling thread from now on."""
    sys.setprofile(None)


def place_of(file: str) -> str:
    """A source file as it is called everywhere: relative to the folder that it is imported from."""
    if file.startswith("<frozen "):
        # Parts of the standard library are frozen in some builds and read from files in others.
        file = file[8:-1].replace(".", "/") + ".py"
    roots = [root for root in sys.path if root and file.startswith(root.rstrip("/") + "/")]
    return file[len(max(roots, key=len).rstrip("/")) + 1 :] if roots else file


def by_name(counts: dict[CodeType, int]) -> dict[str, int]:
    """The counts by function, as ``package/module.py:Class.method``."""
    named: dict[str, int] = {}
    for code, count in counts.copy().items():
        if code not in _names:
            place = place_of(code.co_filename)
            _names[code] = "" if place.startswith(_LEFT_OUT) else f"{place}:{code.co_qualname}"
        if name := _names[code]:
            named[name] = named.get(name, 0) + count
    return named


def by_module(counts: dict[str, int]) -> dict[str, int]:
    """The counts of functions, summed by source file."""
    summed: dict[str, int] = {}
    for name, count in counts.items():
        module = name.rsplit(":", 1)[0]
        summed[module] = summed.get(module, 0) + count
    return summed


def added(parts: list[dict[str, int]]) -> dict[str, int]:
    """One count for each name."""
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total
