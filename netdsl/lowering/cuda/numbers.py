"""The numbers that a step's kernels read: a row of a table for each step, worked out by the host."""

from __future__ import annotations

from dataclasses import dataclass, field

from netdsl.graph import Builder, Graph, Node
from netdsl.lowering.cpu.numbers import WRITTEN
from netdsl.operations import REGISTRY
from netdsl.program import Scalars

_KINDS = {"float": "{}", "int": "int({})", "bool": "{} != f32(0.0)"}


@dataclass(slots=True)
class NumberSlots:
    """Gives each number a place in the table, by its graph (a loop's body has one of its own) and node."""

    slots: dict[tuple[Graph, int], int] = field(default_factory=dict)

    def written(self, node: Node) -> str | None:
        """Return the text of a number that stands in a kernel; None for one that is read."""
        value = node.setting("value") if node.operation.name == "constant" else None
        if value is not None and node.dtype != "float":
            return repr(value)
        return f"f32({value!r})" if value in WRITTEN else None

    def place(self, graph: Graph, index: int) -> int:
        """Return the place of a number, a new one unless it has one."""
        return self.slots.setdefault((graph, index), len(self.slots))

    def read(self, node: Node, element: str) -> str:
        """Return the text of a number that is read from the table."""
        return _KINDS[node.dtype].format(element)

    def scalars(self) -> Scalars:
        """Return the formulas of the table's numbers."""
        builder = Builder(REGISTRY)
        names: dict[tuple[Graph, int], str] = {}
        for graph in dict.fromkeys(graph for graph, _ in self.slots):
            numbers = sorted(number for each, number in self.slots if each is graph)
            values = builder.copy(graph, {}, graph.ancestors(numbers))
            for number in numbers:
                name = names[graph, number] = str(len(names))
                builder.outputs[name] = values[number]
        return Scalars(builder.finish(), tuple(names[slot] for slot in self.slots))
