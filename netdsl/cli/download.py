"""Tells how far a download is."""

import sys
import time
from typing import Final

INTERVAL: Final = 0.25
"""Seconds between two lines on a terminal."""


class Download:
    """Told by a data source; writes to stderr: a line that moves on a terminal, else one for each file."""

    def __init__(self) -> None:
        self._name = ""
        self._shown = 0.0

    def __call__(self, name: str, here: int, total: int) -> None:
        """Tell the bytes of a file that are here, and the bytes there will be."""
        first, whole = name != self._name, here >= total
        self._name = name
        if sys.stderr.isatty():
            if first or whole or time.monotonic() - self._shown >= INTERVAL:
                self._shown = time.monotonic()
                sys.stderr.write(f"\r{name}: {_text(here)} of {_text(total)}" + ("\n" if whole else ""))
                sys.stderr.flush()
        elif first:
            print(f"downloading {name}, {_text(total)}", file=sys.stderr)


def _text(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
