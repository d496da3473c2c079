"""The numbers of steps: rates, corrections, constants, in float64 for all steps of a run at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import Run
from netdsl.program import Scalars


class Numbers:
    """Works out the table of a program's numbers: a row of float32 a step, in the order of its slots."""

    def __init__(self, scalars: Scalars) -> None:
        graph = scalars.graph
        self._nodes = [(index, graph[index], graph.operands(index)) for index in graph]
        self._slots = [graph.outputs[name] for name in scalars.slots]

    def table(
        self, rows: NDArray[np.float64], first: int, scalars: Mapping[str, float]
    ) -> NDArray[np.float32]:
        """Return the numbers of as many steps as there are entries in `rows`, numbered from `first`.

        Errors: KeyError for a scalar that is not given.
        """
        table = np.zeros((len(rows), len(self._slots)), np.float32)
        step = np.arange(first, first + len(rows), dtype=np.float64)
        run = Run(0, scalars={"step": step, "t": step + 1, "rows": rows, **scalars})  # type: ignore[dict-item]
        values: dict[int, NDArray[np.float64]] = {}
        with np.errstate(all="ignore"):
            for index, node, operands in self._nodes:
                values[index] = node.operation.evaluate(node, run, *(values[each] for each in operands))
            for column, index in enumerate(self._slots):
                table[:, column] = values[index]
        return table
