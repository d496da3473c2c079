"""Figures of a part: loss, objective and metrics, over its rows, with the weights of the moment."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.semantics.experiment import Figure
from netdsl.training.executable import Array, Part, Programs, Values
from netdsl.training.pace import Pace
from netdsl.training.signals import Signals

BATCH = 256
"""Rows that are evaluated at a time. No figure depends on it."""

Number: TypeAlias = float | list[object]
Figures: TypeAlias = Mapping[str, Number]
"""Numbers by name; a table (a confusion matrix) is a list of lists."""


class SignalError(Exception):
    """A signal came while something was measured."""


class Meter:
    """Measures parts with the evaluation program."""

    def __init__(self, programs: Programs, figures: Sequence[Figure], signals: Signals) -> None:
        self._programs = programs
        self._figures = tuple(each for each in figures if each.name not in ("loss", "objective"))
        self._signals = signals
        self._pace = Pace()

    def load(self, values: Values) -> None:
        """Take the weights that are measured from now on."""
        for each in (self._programs.evaluation, self._programs.whole):
            for name in each.names() if each else ():
                assert each is not None
                each.write(name, values[name])

    def measure(self, part: Part, rows: NDArray[np.int64]) -> dict[str, Number]:
        """Return the figures over some rows of a part.

        Errors: SignalError when a signal came.
        """
        outputs = self.outputs(part, rows)
        result: dict[str, Number] = {"loss": _mean(outputs["loss"])}
        penalty = float(outputs["penalty"][0]) if "penalty" in outputs else 0.0
        result["objective"] = _mean(outputs["loss"]) + penalty
        whole = self._whole(part, rows, outputs)
        for each in self._figures:
            name = f"figure/{each.name}"
            result[each.name] = _mean(outputs[name]) if each.kind == "example" else _number(whole[name][0])
        return result

    def outputs(self, part: Part, rows: NDArray[np.int64]) -> dict[str, Array]:
        """Return everything that the evaluation program tells of some rows of a part."""
        program = self._programs.evaluation
        assert program is not None
        assert len(rows)
        program.bind(part.prepared)
        pieces: list[Values] = []
        at = 0
        while at < len(rows):
            if self._signals.received is not None:
                raise SignalError
            piece = rows[at : at + self._pace.steps * BATCH]
            self._pace.begin()
            pieces.append(program.run(piece, BATCH))
            self._pace.end(-(-len(piece) // BATCH))
            at += len(piece)
        return {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}

    def _whole(self, part: Part, rows: NDArray[np.int64], outputs: Values) -> Values:
        program = self._programs.whole
        if program is None:
            return {}
        prefix = "output/"
        values = {
            name.removeprefix(prefix): each for name, each in outputs.items() if name.startswith(prefix)
        }
        fields = {name: each[rows] for name, each in part.raw.items() if name not in values}
        program.bind({**fields, **values})
        return program.run(np.arange(len(rows), dtype=np.int64), len(rows))


def _mean(values: Array) -> float:
    """Return the mean, summed in float64 and in the order of the rows, however they were cut in pieces."""
    return float(np.mean(values.astype(np.float64)))


def _number(value: Array) -> Number:
    number: Number = value.astype(np.float64).tolist()
    return number
