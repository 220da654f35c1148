"""Reads what memray has written: bytes allocated by place, by the threads that serve.

    python -m tests.counts.allocations FOLDER

prints for each file of the folder what it holds, as JSON: a process of its own, since a start takes seconds to read
and other measurements can go on meanwhile. Files of forked processes, NAME.PID, are added to those of their parents.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import memray

from tests.counts.counter import place_of

_FREED = {memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP, memray.AllocatorType.PYMALLOC_FREE}
# Where only the threads that serve are: the loop and a request thread, the flusher.
_SERVING = ("app/server/worker.py", "app/server/request_threads.py", "app/audit/flusher.py")
# Where nearly all is one thread's.
_ONE_THREAD = ("start", "replay")
_NO_FRAME = "(no Python code)"


def by_place(file: Path, *, everything: bool) -> Counter[str]:
    """Bytes allocated, by function; ``everything``: not only by the threads that serve."""
    sizes: Counter[tuple[int, int]] = Counter()
    places: dict[int, str] = {}
    serves: set[int] = set()
    with memray.FileReader(file) as reader:
        for record in reader.get_allocation_records():
            if record.allocator in _FREED:
                continue
            stack = record.stack_id
            if stack not in places:
                # Asked for once a stack: it takes a hundred times as long as all the rest.
                frames = record.stack_trace(max_stacks=1 if everything else None)
                places[stack] = _named(frames[0]) if frames else _NO_FRAME
                if any(place_of(frame[1]) in _SERVING for frame in frames):
                    serves.add(stack)
            sizes[record.tid, stack] += record.size
    # A thread that waited when memray came shows only what it has entered since: one stack tells of the others.
    serving = {thread for thread, stack in sizes if stack in serves}
    total: Counter[str] = Counter()
    for (thread, stack), size in sizes.items():
        if everything or thread in serving:
            total[places[stack]] += size
    return total


def _named(frame: tuple[str, str, int]) -> str:
    return f"{place_of(frame[1])}:{frame[0]}"


def main(folder: Path) -> None:
    """Print what the files of a folder hold."""
    total: dict[str, Counter[str]] = {}
    for file in sorted(folder.iterdir()):
        name = file.name.split(".")[0]
        total.setdefault(name, Counter()).update(by_place(file, everything=name in _ONE_THREAD))
    json.dump(total, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
