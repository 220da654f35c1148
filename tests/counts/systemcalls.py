"""Reads what strace has written: system calls by name, between marks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.counts.launch import MARK

_CALL = re.compile(rb"^(\d+)\s+(\w+)\((.*)")


def sections(file: Path) -> Iterator[tuple[str, dict[int, Counter[str]]]]:
    """What each thread has called up to each mark since the one before: (mark, thread number → calls by name)."""
    calls: dict[int, Counter[str]] = {}
    with open(file, "rb") as lines:
        for line in lines:
            found = _CALL.match(line)
            if found is None:  # the end of a call that began before another thread's, or of a thread
                continue
            thread, name, arguments = int(found[1]), found[2].decode(), found[3]
            if (at := arguments.find(MARK.encode())) >= 0:
                yield arguments[at + len(MARK) :].split(b'"')[0].decode(), calls
                calls = {}
            else:
                calls.setdefault(thread, Counter())[name] += 1


def of(calls: dict[int, Counter[str]], threads: Iterable[int]) -> Counter[str]:
    """The calls of some threads together."""
    total: Counter[str] = Counter()
    for thread in threads:
        total.update(calls.get(thread, Counter()))
    return total
