"""The numbers that a step's kernels read: a list for each kernel, in a table that the host fills."""

from __future__ import annotations

from netdsl.graph import Graph
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lowering.cpu.kernel_text import KernelText
from netdsl.lowering.numbers import read, scalars_of, written
from netdsl.program import Count, Scalars, symbol


@dataclass(slots=True)
class NumberTable:
    """Gives each kernel a list of numbers, neighbors in memory, and each list a place in the table."""

    graph: Graph
    slots: list[tuple[Graph, int]] = field(default_factory=list)
    places: dict[tuple[Graph, tuple[int, ...]], int] = field(default_factory=dict)

    def inside(self, graph: Graph) -> NumberTable:
        """Return the same table for kernels of another graph, the body of a loop."""
        return NumberTable(graph, self.slots, self.places)

    def _address(self, text: KernelText) -> Count:
        """Return the address of a kernel's numbers, as a launch passes it."""
        numbers = wanted(text)
        key = self.graph, numbers
        if key not in self.places:
            self.places[key] = len(self.slots)
            self.slots.extend((self.graph, number) for number in numbers)
        return symbol("numbers") + 4 * self.places[key]

    def pass_to(self, text: KernelText) -> None:
        """Let a kernel that reads numbers have its address of them."""
        if PARAMETER in text.arguments:
            text.arguments[PARAMETER] = self._address(text)

    def scalars(self) -> Scalars:
        """Return the formulas of the table's numbers."""
        return scalars_of(self.slots)


PARAMETER = "numbers_"


def read_number(graph: Graph, text: KernelText, index: int) -> str:
    """Return the text of a number of the host: a common constant as it is, else an entry of the kernel's
    list."""
    if (standing := written(graph[index])) is not None:
        return standing
    known = text.blocks[0].known
    if (number := known.get(("number", index))) is None:
        place = len(wanted(text))
        if place == 0:
            text.line(f"numbers = at({text.parameter(PARAMETER, Count())})", 0)
        number = known["number", index] = f"n{place}"
        text.line(f"{number} = {read(graph[index], f'numbers[{place}]')}", 0)
    return number


def wanted(text: KernelText) -> tuple[int, ...]:
    """Return the list of numbers that a kernel reads."""
    keys = [key for key in text.blocks[0].known if isinstance(key, tuple) and key[0] == "number"]
    return tuple(key[1] for key in keys)
