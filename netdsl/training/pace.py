"""How much work is asked for at a time, so that progress is told and signals are seen soon."""

from time import perf_counter

SEGMENT = 0.05
"""Seconds that a segment should last: a kept pool of threads makes shorter ones costly, and a signal waits
for its end."""


class Pace:
    """The number of steps of the next segment. It never has a say in what is computed, only in when."""

    def __init__(self, seconds: float | None = None) -> None:
        self.steps = 1
        self._target = SEGMENT if seconds is None else seconds
        self._began = 0.0

    def begin(self) -> None:
        """Start the clock of a segment."""
        self._began = perf_counter()

    def end(self, steps: int) -> None:
        """Stop the clock; the next segment has the size that would have fit, but grows four-fold at most."""
        seconds = max(perf_counter() - self._began, 1e-9)
        fitting = int(self._target * steps / seconds)
        self.steps = max(1, min(fitting, 4 * self.steps))
