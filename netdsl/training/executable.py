"""What the trainer is handed: programs that run, and rows for them. It sees nothing else of a compiler."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass, field

Array: TypeAlias = NDArray[np.generic]
Values: TypeAlias = Mapping[str, Array]
"""Arrays by name: the fields of a part, or the weights and states of a program."""


class Executable(Protocol):
    """A program with its memory: weights that stay, and passes over rows that are bound to it."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the weights and states that it keeps."""

    def read(self, name: str) -> Array:
        """Return a copy of a weight or state, row-major."""

    def write(self, name: str, value: Array) -> None:
        """Set a weight or state."""

    def bind(self, fields: Values) -> None:
        """Take all rows of a part, to be picked from by `run`."""

    def run(
        self,
        order: NDArray[np.int64],
        batch: int,
        *,
        step: int = 0,
        seed: int = 0,
        scalars: Mapping[str, float] = ...,
    ) -> Values:
        """Pass once over the rows of `order`, in batches, the steps numbered from `step`.

        Shapes: an output for each example is (rows of `order`, …), one for each batch (batches, …).
        """

    def close(self) -> None:
        """Give the memory back."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows of one part: as the programs read them (scaled), and as the data has them (raw units)."""

    rows: int
    prepared: Values
    raw: Values


@dataclass(frozen=True, slots=True, eq=False)
class Programs:
    """The programs of one experiment. `evaluation` is None where nothing is evaluated (a model without
    data), `whole` where no figure is asked for that sees a whole part."""

    training: Executable
    evaluation: Executable | None = None
    whole: Executable | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A step whose loss was not a number: everything that is needed to make it again."""

    step: int
    epoch: int
    rows: NDArray[np.int64]
    values: Values
    scalars: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a step went wrong: a sentence, the place in the text, and what to do, as far as it is known."""

    note: str
    span: Span | None = None
    cure: str = ""


Inspect: TypeAlias = Callable[[Failure], Finding]
"""Finds out where a step went wrong, from the weights before it."""
