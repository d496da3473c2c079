"""Which of the library's products a contraction is."""

from collections.abc import Container

from netdsl.graph import Graph, is_batched
from netdsl.program import Group, Template


def product_form(graph: Graph, index: int) -> Template:
    """Tell which product a contraction is: X W, Y W^T, X^T Y, or another."""
    left, right = (graph[each].shape for each in graph.operands(index))
    if graph[index].setting("align") or not len(left) == len(right) == 2 or not is_batched(left):
        return "any"
    match graph[index].setting("contract"), is_batched(right):
        case ((1, 0),), False:
            return "product"
        case ((1, 1),), False:
            return "back"
        case ((0, 0),), True:
            return "gradient"
    return "any"


def in_memory(graph: Graph, index: int, lying: Container[int]) -> int:
    """Return the value whose memory shows a value: itself, or what it is a reshaped view of.

    `lying` are the values that lie in memory.
    """
    while index not in lying and graph[index].operation.name == "reshape" and is_batched(graph[index].shape):
        index = graph.operands(index)[0]
    return index


def contraction_of(graph: Graph, group: Group) -> int:
    """Return the contraction of a product's group, which may add an offset to it."""
    return next(index for index in group.nodes if graph[index].operation.name == "matmul")
