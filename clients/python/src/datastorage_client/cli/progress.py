"""Progress of a command that sends many things."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_DRAW_EVERY_S = 0.25
# Between two lines of progress where there is no terminal.
PROGRESS_EVERY_S = 5.0


class Meter:
    """Progress on standard error: a bar on a terminal, elsewhere a line now and then."""

    def __init__(self, total: int, *, unit: str = "records") -> None:
        self._total = total
        self._unit = unit
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console)
            self._task = self._bar.add_task(unit, total=total)
        self._said = time.monotonic()

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, total: int) -> None:
        """So many there are, as was not known at first."""
        self._total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)

    def show(self, done: int) -> None:
        """So many are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif time.monotonic() - self._said >= PROGRESS_EVERY_S:
            self._said = time.monotonic()
            click.echo(f"{done:,} of {self._total:,} {self._unit}", err=True)

    def note(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        else:
            click.echo(text, err=True)


class Flow:
    """Progress on standard error of what comes without a known end: a line that changes on a terminal, else lines."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._line: Progress | None = None
        if self._console.is_terminal:
            self._line = Progress(TextColumn("{task.description}"), console=self._console, transient=True)
            self._task = self._line.add_task("asking", total=None)
        self._every = PROGRESS_EVERY_S if self._line is None else _DRAW_EVERY_S
        self._begun = self._said = time.monotonic()

    def __enter__(self) -> Flow:
        if self._line is not None:
            self._line.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        if self._line is not None:
            self._line.stop()

    def show(self, text: Callable[[float], str]) -> None:
        """How far it is: a text from the seconds that it takes, asked for where it is time to show one."""
        now = time.monotonic()
        if now - self._said < self._every:
            return
        self._said = now
        if self._line is not None:
            self._line.update(self._task, description=text(now - self._begun))
        else:
            click.echo(text(now - self._begun), err=True)

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._line is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        else:
            click.echo(text, err=True)
