"""The numbers of steps: rates, corrections, constants, in float64 for all steps of a run at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import Run
from netdsl.program import Scalars


class Numbers:
    """Works out the table of a program's numbers: a row of float32 a step, in the order of its slots.

    Constants are worked out once.
    """

    def __init__(self, scalars: Scalars) -> None:
        graph = scalars.graph
        self._slots = [graph.outputs[name] for name in scalars.slots]
        self._values: dict[int, NDArray[np.float64]] = {}
        self._nodes = []
        for index in graph:
            node, operands = graph[index], graph.operands(index)
            if node.operation.name == "scalar" or any(each not in self._values for each in operands):
                self._nodes.append((index, node, operands))
            else:
                with np.errstate(all="ignore"):
                    known = (self._values[each] for each in operands)
                    self._values[index] = node.operation.evaluate(node, Run(0), *known)
        fixed = [self._values.get(index, 0.0) for index in self._slots]
        self._row = np.array([fixed], np.float64).reshape(1, -1).astype(np.float32)
        self._columns = [(c, index) for c, index in enumerate(self._slots) if index not in self._values]

    def of_batches(
        self, count: int, batch: int, first: int, scalars: Mapping[str, float]
    ) -> NDArray[np.float32]:
        """Return the numbers of the steps that `count` rows take in batches, of which the last may be short.

        Errors: as those of `table`.
        """
        full, rest = divmod(count, batch)
        rows = np.full(full + (rest > 0), batch, np.float64)
        rows[full:] = rest
        return self.table(rows, first, scalars)

    def table(
        self, rows: NDArray[np.float64], first: int, scalars: Mapping[str, float]
    ) -> NDArray[np.float32]:
        """Return the numbers of as many steps as there are entries in `rows`, numbered from `first`.

        Errors: KeyError for a scalar that is not given.
        """
        if not self._columns and len(rows) == 1:
            return self._row
        table = np.repeat(self._row, len(rows), axis=0)
        if not self._columns:
            return table
        step = np.arange(first, first + len(rows), dtype=np.float64)
        run = Run(0, scalars={"step": step, "t": step + 1, "rows": rows, **scalars})  # type: ignore[dict-item]
        values = dict(self._values)
        with np.errstate(all="ignore"):
            for index, node, operands in self._nodes:
                values[index] = node.operation.evaluate(node, run, *(values[each] for each in operands))
            for column, index in self._columns:
                table[:, column] = values[index]
        return table
