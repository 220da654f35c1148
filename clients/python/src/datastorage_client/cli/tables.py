"""What commands print: tables of one style, within the width of the terminal; and JSON."""

from __future__ import annotations

import os
import sys

import click
from datastorage_common import jsonvalue
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Where there is no terminal, nothing says how wide: wide enough that ids are never cut.
_PIPE_WIDTH = 200
# A width that no table needs.
_ANY_WIDTH = 100_000


def console() -> Console:
    """What tables are printed on."""
    return Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH)


def table(*columns: str) -> Table:
    """A table with these columns; others are added to it."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column)
    return made


def show(rows: Table, on: Console) -> None:
    """Print a table: as wide as what is in it, at the most as wide as the console."""
    natural = on.measure(rows, options=on.options.update(width=_ANY_WIDTH)).maximum
    # Columns with a ratio give way to the others only in a table of a set width.
    rows.expand = natural > on.width
    for line in on.render_lines(rows, pad=False):
        text = Text.assemble(*((segment.text, segment.style or "") for segment in line))
        text.rstrip()
        on.print(text, soft_wrap=True)


def print_json(value: object) -> None:
    """Print a value as JSON in one line."""
    # Bytes: as UTF-8 in any encoding of the terminal, so that nothing is replaced.
    click.echo(jsonvalue.compact(value))
