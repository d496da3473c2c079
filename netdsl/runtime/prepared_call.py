"""A pass over a few rows that is asked for again and again: what is alike each time is done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import sized
from netdsl.lowering.cpu import words
from netdsl.program import Input, Program
from netdsl.runtime.arena import address
from netdsl.runtime.fields import TYPES, in_range, room, shape_of

MOST: Final = 1 << 16
"""Numbers that a prepared call copies in and out at most: with more, the copies cost what it spares."""

WHOLE: Final = "bhilqBHILQ"
"""The kinds of whole numbers, as NumPy's type codes."""


class PreparedCall:
    """One batch of so many rows: fields are copied in, results are copied out.

    A network's weights drive out of the second cache what Python needs for a call, so that a line of Python
    costs several times of what it costs in a loop by itself: a row of 784-512-256-10 took 29 us beside its
    kernels, and takes 3.
    """

    def __init__(
        self,
        program: Program,
        rows: int,
        table: NDArray[np.float32],
        contexts: NDArray[np.int64],
        walk: Callable[[], None],
    ) -> None:
        """Make room for fields and results; `walk` takes a step by launch lists with these `contexts`, a row
        for each thread."""
        self._inputs = [_Given(each, rows) for each in program.inputs]
        self._results = [(each.name, room(each, rows, 1)) for each in program.outputs]
        self._kept = np.arange(rows, dtype=np.int64), table
        places: list[NDArray[Any]] = [each.place for each in self._inputs]
        places += [*(each for _, each in self._results), *self._kept]
        *rest, order, numbers = map(address, places)
        run = words.of_run(rows, 0, 0, order, numbers, rest)
        self._run = np.array(run, np.int64)
        self._words = contexts[:, words.BATCH : words.BATCH + len(run)]
        self._walk = walk

    def __call__(self, fields: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
        """Return the results; None where a field is not just so many rows of the right shape and kind."""
        for each in self._inputs:
            given: Any = fields.get(each.name)
            if given.__class__ is not np.ndarray or given.shape != each.shape:
                return None
            if given.dtype.char not in each.kinds:
                return None
            if each.below is not None and not in_range(given, each.below):
                return None
            each.place[...] = given
        self._words[:] = self._run
        self._walk()
        return {name: place.copy() for name, place in self._results}


class _Given:
    """A field of a call, and the place that it is copied to."""

    __slots__ = "below", "kinds", "name", "place", "shape"

    def __init__(self, field: Input, rows: int) -> None:
        self.name, self.below, self.shape = field.name, field.below, sized(field.shape, rows)
        self.place = np.zeros(self.shape, TYPES[field.dtype])
        self.kinds = WHOLE if field.dtype == "int" else f"fd?{WHOLE}"


def prepared_call(
    program: Program,
    rows: int,
    table: NDArray[np.float32],
    contexts: NDArray[np.int64],
    walk: Callable[[], None],
) -> PreparedCall | None:
    """Return a call of so many rows, None where it would copy too much."""
    copied = [sized(each.shape, rows) for each in program.inputs]
    copied += [shape_of(each, rows, 1) for each in program.outputs]
    return PreparedCall(program, rows, table, contexts, walk) if sum(map(prod, copied)) <= MOST else None
