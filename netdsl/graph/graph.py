"""The one intermediate representation: small operations with named roots; networkx can see it too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from netdsl.graph.node import Node
from netdsl.lazy_dataclass import dataclass, field

if TYPE_CHECKING:
    import networkx


@dataclass(frozen=True, eq=False)
class Graph:
    """A finished graph. Nodes are integers from 0 in an order in which operands come before their users.

    `nodes` has the Node of each, `inputs` its operands by position. `outputs` names the values that are asked
    for ("output/label", "loss"); `updates` names weights and states with the value that each takes at the end
    of a step. Made by a Builder, never changed after.
    """

    nodes: tuple[Node, ...] = field(repr=False)
    inputs: tuple[tuple[int, ...], ...] = field(repr=False)
    outputs: Mapping[str, int]
    updates: Mapping[str, int]

    @cached_property
    def network(self) -> networkx.MultiDiGraph[int]:
        """Return the graph as networkx has it: "node" and "operands" of each node, "position" of each edge.

        It is made when it is first asked for: importing networkx takes a tenth of a second, more than all
        passes over a small network, and no pass needs more than the operands and users of a node.
        """
        import networkx

        network: networkx.MultiDiGraph[int] = networkx.MultiDiGraph()
        for index in self:
            network.add_node(index, node=self.nodes[index], operands=self.inputs[index])
            for position, each in enumerate(self.inputs[index]):
                network.add_edge(each, index, position=position)
        return network

    @cached_property
    def _users(self) -> tuple[tuple[int, ...], ...]:
        found: list[dict[int, None]] = [{} for _ in self.nodes]
        for index, operands in enumerate(self.inputs):
            for each in operands:
                found[each][index] = None
        return tuple(map(tuple, found))

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[int]:
        """Yield the nodes, operands before users."""
        return iter(range(len(self.nodes)))

    def __getitem__(self, index: int) -> Node:
        return self.nodes[index]

    def operands(self, index: int) -> tuple[int, ...]:
        """Return the operands of a node, by position."""
        return self.inputs[index]

    def users(self, index: int) -> tuple[int, ...]:
        """Return the nodes that use a value, in order, each once."""
        return self._users[index]

    @cached_property
    def _root_set(self) -> frozenset[int]:
        return frozenset((*self.outputs.values(), *self.updates.values()))

    def roots(self) -> tuple[int, ...]:
        """Return every node that an output or an update asks for, in order, each once."""
        return tuple(sorted(self._root_set))

    def is_root(self, index: int) -> bool:
        """Tell whether an output or an update asks for a node."""
        return index in self._root_set

    def ancestors(self, wanted: Iterable[int]) -> set[int]:
        """Return nodes and all that they are computed from."""
        return all_below(wanted, self.operands)

    def leaves(self, operation: str) -> dict[str, int]:
        """Return the leaves of one operation ("input", "weight", "state", "scalar") by name."""
        return {
            self[index].setting("name"): index for index in self if self[index].operation.name == operation
        }

    def kept(self) -> dict[str, int]:
        """Return the weights and states, which are kept from step to step, by name."""
        return {**self.leaves("weight"), **self.leaves("state")}


def all_below(wanted: Iterable[int], operands: Callable[[int], Iterable[int]]) -> set[int]:
    """Return nodes and all that they are computed from."""
    found = set(wanted)
    pending = list(found)
    while pending:
        for each in operands(pending.pop()):
            if each not in found:
                found.add(each)
                pending.append(each)
    return found
