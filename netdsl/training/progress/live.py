"""A table of epochs with a bar below it, on a terminal."""

import time
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from netdsl.training.progress.lines import number_text, opening_lines
from netdsl.training.records import EpochRecord, Moment, Opening

INTERVAL: Final = 0.125
"""Seconds between two refreshes: at most eight in a second."""

FIRST: Final = 12
"""Characters of the column that numbers the epochs."""

LAST: Final = 24
"""Characters that the learning rate, the time and the mark of the best take."""


class LiveTable:
    """Prints each epoch's row and keeps a bar of the epoch under way at the bottom.

    The rows of epochs that take less than a refresh are printed together.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._rows: EpochRows | None = None
        self._waiting: list[Text] = []
        self._moment: Moment | None = None
        self._shown = 0.0

    def begin(self, opening: Opening) -> None:
        """Print the head of the table."""
        for line in opening_lines(opening):
            self._console.print(Text(line))
        self._rows = EpochRows(opening, self._console.width)
        self._console.print(Group(*self._rows.head()))
        self._live.start()

    def advance(self, moment: Moment) -> None:
        """Move the bar, unless it was moved a moment ago."""
        self._moment = moment
        self._refresh()

    def epoch(self, record: EpochRecord) -> None:
        """Print the row of an epoch."""
        assert self._rows is not None
        self._waiting.append(self._rows.row(record))
        self._refresh()

    def close(self) -> None:
        """Print what waits, and take the bar away."""
        self._print_waiting()
        self._live.stop()

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._shown < INTERVAL:
            return
        self._shown = now
        if self._moment is not None:
            self._live.update(_bar(self._moment))
        self._print_waiting()
        self._live.refresh()

    def _print_waiting(self) -> None:
        if self._waiting:
            self._console.print(Group(*self._waiting))
            self._waiting.clear()


class EpochRows:
    """The lines of the table: columns of a fixed width, so that a row can be printed when its epoch ends.

    Columns that the terminal has no room for are left out, the last ones first.
    """

    def __init__(self, opening: Opening, width: int) -> None:
        self._dataless = opening.dataless
        self._total = opening.steps if opening.dataless else opening.epochs
        room = max(width - FIRST - LAST, 0)
        self._columns: list[tuple[str, str]] = []
        for name in opening.columns:
            part, _, figure = name.partition(".")
            room -= _width(figure)
            if room >= 0:
                self._columns.append((part, figure))

    def head(self) -> Iterator[Text]:
        """Yield the two lines of names: parts, and figures below."""
        parts = Text(" " * FIRST, style="dim")
        for part, figures in groupby(self._columns, key=lambda each: each[0]):
            parts.append(f"{part:>{sum(_width(figure) for _, figure in figures)}}")
        yield parts
        names = Text(f"{'step' if self._dataless else 'epoch':>{FIRST}}", style="bold")
        for _, figure in self._columns:
            names.append(f"{figure:>{_width(figure)}}")
        yield names

    def row(self, record: EpochRecord) -> Text:
        """Return the line of an epoch, marked where it is the best so far."""
        figures = record.figures()
        at = record.step if self._dataless else record.epoch
        line = Text(f"{f'{at}/{self._total}':>{FIRST}}", no_wrap=True, overflow="ignore")
        for part, figure in self._columns:
            line.append(f"{number_text(figures.get(f'{part}.{figure}')):>{_width(figure)}}")
        rate = "" if record.rate is None else f"  lr {record.rate:.3g}"
        line.append(f"{rate}  {record.seconds:.1f} s", style="dim")
        line.append("  *" if record.best else "", style="green")
        return line


def _bar(moment: Moment) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        Text(f"{f'epoch {moment.epoch}':>{FIRST}}"),
        ProgressBar(total=moment.length, completed=moment.position, width=30),
        Text(f"{moment.position}/{moment.length} steps  objective {number_text(moment.loss)}", style="dim"),
    )
    return grid


def _width(figure: str) -> int:
    return max(9, len(figure)) + 2
