"""Progress of a command that sends many things."""

from __future__ import annotations

import time
from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

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
