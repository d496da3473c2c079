"""Which smooth piece of its operation each element of a value lies on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netdsl.graph.graph import Graph
from netdsl.graph.node import Node


def has_pieces(node: Node) -> bool:
    """Tell whether a value is not a smooth function of its operands everywhere."""
    return node.operation.pieces is not None or node.dtype != "float"


def pieces(graph: Graph, index: int, values: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return a number for the piece of each element: between different ones there is a corner or a jump."""
    node = graph[index]
    if node.operation.pieces is None:
        return values[index]
    operands = [values[each] for each in graph.operands(index)]
    with np.errstate(all="ignore"):
        return np.asarray(node.operation.pieces(node, values[index], *operands))
