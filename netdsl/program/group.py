"""Groups: the nodes of a graph that one kernel computes."""

from typing import Literal, TypeAlias

from netdsl.graph import Graph
from netdsl.lazy_dataclass import dataclass

Form: TypeAlias = Literal[
    "loops", "product", "windows", "draw", "scatter", "rank", "copy", "loop", "join", "part"
]
"""How a group is computed: nested loops, a product, a convolution or pool, a random draw, a table added to,
numbers ranked, a value moved as it is, a loop, or values that lie side by side."""


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that one kernel computes, operands before users, and those of them that it stores.

    A node may be in several groups: what is cheap is computed again rather than stored and read.
    """

    form: Form
    nodes: tuple[int, ...]
    stores: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """A graph cut into groups, each after those whose values it reads. `host` are the numbers that the host
    works out before a run."""

    graph: Graph
    groups: tuple[Group, ...]
    host: frozenset[int]
