"""Evaluates a figure of all training rows without holding an intermediate value of all rows.

A formula such as the mean of (x - mean(x))^2 reduces the rows twice. Each reduction is one pass over the
rows, a piece at a time; what does not depend on single rows is kept from pass to pass.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from netdsl.data.content import Arrays
from netdsl.graph import Graph, Node, Run, is_batched
from netdsl.graph.evaluate import evaluate
from netdsl.lazy_dataclass import dataclass

_PIECE: Final = 1 << 20  # numbers of the inputs in one piece
_EXTREMES: Final = {"maximum_over": np.maximum, "minimum_over": np.minimum}
_ROW_BY_ROW: Final = {"input", "broadcast", "cast", "one_hot", "stop_gradient"}


def measure(graph: Graph, rows: Arrays, output: str = "value") -> np.ndarray:
    """Return an output that has no batch axis, in float64, of rows as large as they are."""
    names = graph.leaves("input")
    total = len(rows[next(iter(names))]) if names else 0
    wanted = graph.outputs[output]
    if not _in_pieces(graph, wanted):
        leaves = {("input", name): rows[name] for name in names}
        return evaluate(graph, Run(total, leaves=leaves, scalars=_scalars(total)), [output])[output]
    return _Passes(graph, {name: rows[name] for name in names}, total).value(wanted)


@dataclass(frozen=True, slots=True)
class _Passes:
    """The evaluation of one graph, pass by pass."""

    graph: Graph
    rows: Mapping[str, np.ndarray]
    total: int

    def value(self, wanted: int) -> np.ndarray:
        """Return the value of a node without a batch axis."""
        levels = _levels(self.graph, wanted)
        known: dict[int, np.ndarray] = {}
        for level in range(1, max(levels.values(), default=0) + 1):
            reductions = [
                index for index, each in levels.items() if each == level and _reduces(self.graph, index)
            ]
            self._shared(known, [index for index, each in levels.items() if each < level])
            for piece in self._pieces():
                self._reduce(reductions, known, piece)
        self._shared(known, list(levels))
        return known[wanted].astype(np.float64)

    def _shared(self, known: dict[int, np.ndarray], indices: list[int]) -> None:
        """Work out the nodes without a batch axis that can be now."""
        run = Run(self.total, scalars=_scalars(self.total))
        for index in sorted(indices):
            if index not in known and not is_batched(self.graph[index].shape):
                known[index] = self._node(index, run, known)

    def _reduce(self, reductions: list[int], known: dict[int, np.ndarray], run: Run) -> None:
        """Add a piece of the rows to the reductions of this pass."""
        values: dict[int, np.ndarray] = {}
        for index in sorted(self._needed(reductions, known)):
            values[index] = self._node(index, run, {**known, **values})
        for index in reductions:
            found = self._node(index, run, {**known, **values})
            known[index] = _combined(self.graph[index], known[index], found) if index in known else found

    def _needed(self, reductions: list[int], known: Mapping[int, np.ndarray]) -> set[int]:
        found: set[int] = set()
        waiting = [each for index in reductions for each in self.graph.operands(index)]
        while waiting:
            index = waiting.pop()
            if index not in found and index not in known:
                found.add(index)
                waiting += self.graph.operands(index)
        return found

    def _node(self, index: int, run: Run, values: Mapping[int, np.ndarray]) -> np.ndarray:
        """Evaluate one node. Bytes stay bytes where only the least or largest is looked for."""
        node = self.graph[index]
        operands = [values[each] for each in self.graph.operands(index)]
        if node.operation.name not in _EXTREMES:
            operands = [
                each.astype(np.float64) if self.graph[operand].dtype == "float" else each
                for operand, each in zip(self.graph.operands(index), operands, strict=True)
            ]
        with np.errstate(all="ignore"):
            return np.asarray(node.operation.evaluate(node, run, *operands))

    def _pieces(self) -> Iterator[Run]:
        size = max(1, _PIECE // max(1, max(array[:1].size for array in self.rows.values())))
        for start in range(0, self.total, size):
            leaves = {("input", name): array[start : start + size] for name, array in self.rows.items()}
            count = min(size, self.total - start)
            yield Run(count, leaves=leaves, scalars=_scalars(self.total))


def _scalars(total: int) -> dict[str, float]:
    return {"rows": float(total), "examples": float(total), "training": 1.0}


def _reduces(graph: Graph, index: int) -> bool:
    """Tell whether a node reduces the rows."""
    operands = graph.operands(index)
    return not is_batched(graph[index].shape) and any(is_batched(graph[each].shape) for each in operands)


def _levels(graph: Graph, wanted: int) -> dict[int, int]:
    """Return for each node that is needed how many reductions of rows lie one after the other before it."""
    levels: dict[int, int] = {}
    for index in sorted(graph.ancestors([wanted])):
        before = max((levels[each] for each in graph.operands(index)), default=0)
        levels[index] = before + _reduces(graph, index)
    return levels


def _in_pieces(graph: Graph, wanted: int) -> bool:
    """Tell whether values of a row depend on that row alone, and reductions can go on with more rows."""
    return not is_batched(graph[wanted].shape) and all(
        _goes_on(graph[index]) if _reduces(graph, index) else _is_row_by_row(graph[index])
        for index in graph.ancestors([wanted])
        if is_batched(graph[index].shape) or _reduces(graph, index)
    )


def _goes_on(node: Node) -> bool:
    if node.operation.name == "sum":
        return 0 in node.setting("axes")
    return node.operation.name in _EXTREMES and node.setting("axis") == 0


def _is_row_by_row(node: Node) -> bool:
    match node.operation.name:
        case "sum":
            return 0 not in node.setting("axes")
        case "maximum_over" | "minimum_over":
            return bool(node.setting("axis") != 0)
        case "reshape":
            return True  # the batch axis stays first
        case "concat":
            return bool(node.setting("axis") != 0)
        case "slice":
            return bool(node.setting("starts")[0] == 0 and node.setting("steps")[0] == 1)
        case name:
            return name in _ROW_BY_ROW or node.operation.family == "elementwise"


def _combined(node: Node, before: np.ndarray, found: np.ndarray) -> np.ndarray:
    combine = np.add if node.operation.name == "sum" else _EXTREMES[node.operation.name]
    return np.asarray(combine(before, found))
