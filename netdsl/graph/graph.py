"""The one intermediate representation: a networkx graph of small operations, with named roots."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import networkx

from netdsl.graph.node import Node


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A finished graph. Nodes are integers in an order in which operands come before their users.

    The nodes of the network are kept in that order; each carries its Node and its operands by position
    (the edges say the same once more, for networkx's algorithms).

    `outputs` names the values that are asked for ("output/label", "loss"); `updates` names weights and
    states with the value that each takes at the end of a step. Made by a Builder, never changed after.
    """

    network: "networkx.MultiDiGraph[int]" = field(repr=False)
    outputs: Mapping[str, int]
    updates: Mapping[str, int]

    def __len__(self) -> int:
        return int(self.network.number_of_nodes())

    def __iter__(self) -> Iterator[int]:
        """Yield the nodes, operands before users."""
        return iter(self.network)

    def __getitem__(self, index: int) -> Node:
        node: Node = self.network.nodes[index]["node"]
        return node

    def operands(self, index: int) -> tuple[int, ...]:
        """Return the operands of a node, by position."""
        operands: tuple[int, ...] = self.network.nodes[index]["operands"]
        return operands

    def users(self, index: int) -> tuple[int, ...]:
        """Return the nodes that use a value, in order, each once."""
        return tuple(sorted(set(self.network.successors(index))))

    def roots(self) -> tuple[int, ...]:
        """Return every node that an output or an update asks for, in order, each once."""
        return tuple(sorted({*self.outputs.values(), *self.updates.values()}))

    def ancestors(self, wanted: Iterable[int]) -> set[int]:
        """Return nodes and all that they are computed from."""
        return all_below(wanted, self.operands)

    def leaves(self, operation: str) -> dict[str, int]:
        """Return the leaves of one operation ("input", "weight", "state", "scalar") by name."""
        return {
            self[index].setting("name"): index for index in self if self[index].operation.name == operation
        }


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
