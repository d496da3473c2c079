"""Which of the library's products a contraction is, and which memory shows a value."""

from collections.abc import Container

from netdsl.graph import Graph, is_batched
from netdsl.program import LANES, Group, Template
from netdsl.program.layout import columns, places, same_matrix

FEW = 4
"""Columns that a value with places has at least where it lies in panels: others would be mostly empty."""


def product_form(graph: Graph, index: int) -> Template:
    """Tell which product a contraction is: X W, Y W^T, X^T Y, or another.

    Rows are all axes but the last: examples, or places of examples.
    """
    left, right = (graph[each].shape for each in graph.operands(index))
    if graph[index].setting("align") or len(left) < 2 or not is_batched(left):
        return "any"
    contract, last = tuple(sorted(graph[index].setting("contract"))), len(left) - 1
    if is_batched(right):
        rows = tuple((axis, axis) for axis in range(last))
        return "gradient" if left[:-1] == right[:-1] and contract == rows else "any"
    if len(right) == 2 and contract in (((last, 0),), ((last, 1),)):
        return "product" if contract == ((last, 0),) else "back"
    return "any"


def is_joining(graph: Graph, index: int) -> bool:
    """Tell whether a node only shows side by side what products of weights' gradients give: matrices of whole
    panels, which are written where they are to lie."""
    node, operands = graph[index], graph.operands(index)
    if node.operation.name != "concat" or len(node.shape) != 2 or node.setting("axis") != 1:
        return False
    return len({*operands}) == len(operands) and all(
        graph[each].operation.name == "matmul"
        and product_form(graph, each) == "gradient"
        and graph[each].shape[1] % LANES == 0
        and not graph.is_root(each)
        and sum(graph[user].operation.name == "concat" for user in graph.users(each)) == 1
        for each in operands
    )


def is_part(graph: Graph, index: int) -> bool:
    """Tell whether a node takes some columns of a value, all its rows, which begin and end where lines do."""
    node = graph[index]
    if node.operation.name != "slice":
        return False
    given = graph[graph.operands(index)[0]].shape
    starts, stops, steps = (node.setting(name) for name in ("starts", "stops", "steps"))
    whole = zip(starts[:-1], stops[:-1], given[:-1], strict=True)
    at_lines = starts[-1] % LANES == 0 and (stops[-1] - starts[-1]) % LANES == 0
    return all((start, stop) == (0, end) for start, stop, end in whole) and {*steps} == {1} and at_lines


def is_matrix_part(graph: Graph, index: int) -> bool:
    """Tell whether a node takes some whole panels of a matrix of examples: in panels, it only shows them."""
    node = graph[index]
    return is_part(graph, index) and len(node.shape) == 2 and is_batched(node.shape) and node.dtype == "float"


def is_of_panels(graph: Graph, index: int) -> bool:
    """Tell whether a node joins whole panels of matrices of examples side by side."""
    node = graph[index]
    if node.operation.name != "concat" or len(node.shape) != 2 or not is_batched(node.shape):
        return False
    operands = graph.operands(index)
    return node.dtype == "float" and all(graph[each].shape[1] % LANES == 0 for each in operands)


def lies_side_by_side(graph: Graph, index: int) -> bool:
    """Tell whether a node joins panels of values that are made for it, so that they are written where they
    are to lie."""
    operands = graph.operands(index)
    return is_of_panels(graph, index) and all(is_made_for(graph, each, index) for each in operands)


def is_made_for(graph: Graph, index: int, join: int) -> bool:
    """Tell whether a value can be written where a node joins it to others: it lies nowhere else."""
    users = graph.users(index)
    others = [user for user in users if user != join and graph[user].operation.name == "concat"]
    lies = not graph.operands(index) or graph.is_root(index) or is_matrix_part(graph, index)
    return not lies and not others and graph.operands(join).count(index) == 1


def is_view(graph: Graph, index: int) -> bool:
    """Tell whether a node only shows the memory of its operand: a reshape to the same matrix, or of a value
    that lies row by row in any case."""
    if graph[index].operation.name != "reshape" or not is_batched(graph[index].shape):
        return False
    (operand,) = graph.operands(index)
    return same_matrix(graph[operand].shape, graph[index].shape) or lies_in_rows(graph, operand)


def lies_in_rows(graph: Graph, index: int) -> bool:
    """Tell whether a batched value never lies in panels."""
    node = graph[index]
    if node.dtype == "int" or (
        is_batched(node.shape) and places(node.shape) > 1 and columns(node.shape) < FEW
    ):
        return True
    if is_view(graph, index):
        return lies_in_rows(graph, graph.operands(index)[0])
    if node.operation.name == "input":
        return any(_moves(graph, user) for user in graph.users(index)) or len(node.shape) > 2
    return node.operation.name == "scatter_add"


def _moves(graph: Graph, index: int) -> bool:
    """Tell whether a node is a reshape to another matrix."""
    node = graph[index]
    if node.operation.name != "reshape":
        return False
    return not same_matrix(graph[graph.operands(index)[0]].shape, node.shape)


def is_flattening(graph: Graph, index: int) -> bool:
    """Tell whether a node moves the columns of all places into one row, or back."""
    node = graph[index]
    if node.operation.name != "reshape" or node.dtype != "float" or not is_batched(node.shape):
        return False
    given = graph[graph.operands(index)[0]].shape
    if is_view(graph, index) or min(columns(given), columns(node.shape)) < FEW:
        return False
    return (places(given) == 1) != (places(node.shape) == 1)


def is_sum_over_places(graph: Graph, index: int) -> bool:
    """Tell whether a node is the sum over all places of each example."""
    node = graph[index]
    if node.operation.name != "sum":
        return False
    given = graph[graph.operands(index)[0]].shape
    axes = tuple(range(1, len(given) - 1))
    return is_batched(given) and places(given) > 1 and columns(given) >= FEW and node.setting("axes") == axes


def in_memory(graph: Graph, index: int, lying: Container[int]) -> int:
    """Return the value whose memory shows a value: itself, or what it is a reshaped view of.

    `lying` are the values that lie in memory.
    """
    while index not in lying and is_view(graph, index):
        index = graph.operands(index)[0]
    return index


def contraction_of(graph: Graph, group: Group) -> int:
    """Return the contraction of a product's group, which may add an offset to it."""
    return next(index for index in group.nodes if graph[index].operation.name == "matmul")
