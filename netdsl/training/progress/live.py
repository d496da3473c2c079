"""A table of epochs with a bar below it, on a terminal."""

import time
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from netdsl.training.progress.lines import number_text, opening_lines
from netdsl.training.records import EpochRecord, Moment, Opening

INTERVAL: Final = 0.125
"""Seconds between two refreshes: at most eight in a second."""

WIDTH: Final = 11
"""Characters of a column of figures."""


class Rows:
    """Rows of figures in columns of one width, so that each can be printed when its epoch ends."""

    def __init__(self, opening: Opening) -> None:
        self.columns = opening.columns
        self.dataless = opening.dataless
        self.total = opening.steps if opening.dataless else opening.epochs

    def head(self) -> Text:
        """Return the line of names."""
        names = [each.replace(".", " ") for each in self.columns]
        first = "step" if self.dataless else "epoch"
        return Text(f"{first:>11}" + "".join(f"{_fit(name):>{_width(name)}}" for name in names), style="bold")

    def row(self, record: EpochRecord) -> Text:
        """Return the line of an epoch, marked where it is the best so far."""
        figures = record.figures()
        at = record.step if self.dataless else record.epoch
        line = Text(f"{f'{at}/{self.total}':>11}")
        for name in self.columns:
            line.append(f"{number_text(figures.get(name)):>{_width(name)}}")
        rate = "" if record.rate is None else f"  lr {record.rate:.3g}"
        line.append(f"{rate}  {record.seconds:.1f} s", style="dim")
        line.append("  *" if record.best else "", style="green")
        return line


class LiveTable:
    """Prints each epoch's row and keeps a bar of the epoch under way at the bottom."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._table: Rows | None = None
        self._shown = 0.0
        self._row = 0.0

    def begin(self, opening: Opening) -> None:
        """Print the head of the table."""
        for line in opening_lines(opening):
            self._console.print(Text(line))
        self._table = Rows(opening)
        self._console.print(self._table.head())
        self._live.start()

    def advance(self, moment: Moment) -> None:
        """Move the bar, unless it was moved a moment ago."""
        now = time.monotonic()
        if now - self._shown < INTERVAL:
            return
        self._shown = now
        self._live.update(_bar(moment), refresh=True)

    def epoch(self, record: EpochRecord) -> None:
        """Print the row of an epoch."""
        assert self._table is not None
        self._live.console.print(self._table.row(record), soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        self._live.stop()


def _bar(moment: Moment) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        Text(f"{f'epoch {moment.epoch}':>11}"),
        ProgressBar(total=moment.length, completed=moment.position, width=30),
        Text(f"{moment.position}/{moment.length} steps  objective {number_text(moment.loss)}", style="dim"),
    )
    return grid


def _width(name: str) -> int:
    return max(WIDTH, len(_fit(name)) + 2)


def _fit(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
