"""The numbers that a step's kernels read: a row of a table for each step, worked out by the host."""

from __future__ import annotations

from dataclasses import dataclass, field

from netdsl.graph import Graph
from netdsl.lowering.numbers import scalars_of
from netdsl.program import Scalars


@dataclass(slots=True)
class NumberSlots:
    """Gives each number a place in the table, by its graph (a loop's body has one of its own) and node."""

    slots: dict[tuple[Graph, int], int] = field(default_factory=dict)

    def place(self, graph: Graph, index: int) -> int:
        """Return the place of a number, a new one unless it has one."""
        return self.slots.setdefault((graph, index), len(self.slots))

    def scalars(self) -> Scalars:
        """Return the formulas of the table's numbers."""
        return scalars_of(tuple(self.slots))
