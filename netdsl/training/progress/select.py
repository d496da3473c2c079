"""Picks the reporter for a style and the terminal it writes to."""

import os
import sys
from typing import TextIO

from netdsl.training.progress.lines import Course, JsonLines, Plain
from netdsl.training.progress.reporter import Quiet, Reporter, Style, Write


def reporter_for(style: Style, *, messages: TextIO | None = None, results: TextIO | None = None) -> Reporter:
    """Return the reporter of a style. Progress goes to stderr, JSON records are results and go to stdout."""
    messages = sys.stderr if messages is None else messages
    results = sys.stdout if results is None else results
    match style:
        case "quiet":
            return Quiet()
        case "json":
            return JsonLines(_writer(results))
        case "course":
            return Course(_writer(messages))
        case "table":
            return _live(messages)
        case "auto" if messages.isatty() and os.environ.get("TERM") != "dumb":
            return _live(messages)
        case _:
            return Plain(_writer(messages))


def _live(stream: TextIO) -> Reporter:
    from rich.console import Console  # 60 ms that a pipe need not wait for

    from netdsl.training.progress.live import LiveTable

    return LiveTable(Console(file=stream, highlight=False))


def _writer(stream: TextIO) -> Write:
    def write(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    return write
