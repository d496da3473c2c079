"""`early_terms_first`: of a sum in the body of a scan, what needs no state is added up first.

In `x @ w + h @ u + b` the offset then goes with `x @ w`, which is computed for all steps at once before the
scan: a product begins its sums with it, and of a table it is added to each row once. Its gradient is then a
sum of the table's rows, where it was one of all steps: 0.24 of 11.3 ms of an LSTM (benchmarks/w9.net).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce

from netdsl.graph import Builder, Graph, Origin, Value
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import STATE


def early_terms_first(body: Graph) -> Graph:
    """Return a body of the same values, but for the order in which the terms of sums are added."""
    waiting = _waiting(body)
    builder = Builder(REGISTRY)
    values: dict[int, Value] = {}
    for index in body:
        terms = [] if _goes_on(body, index) else _terms(body, index)
        early = [each for each in terms if each not in waiting]
        late = [each for each in terms if each in waiting]
        in_order = [*early, *late] == terms
        if in_order or not any(body[each].operation.name == "matmul" for each in early):
            values[index] = builder.add(body[index], [values[each] for each in body.operands(index)])
        else:
            node = body[index]
            with builder.within(Origin(node.span, node.path, node.repeat, node.of)):
                values[index] = reduce(Value.__add__, (values[each] for each in (*early, *late)))
    builder.take_roots(body, values)
    return builder.finish(unused=False)


def _waiting(body: Graph) -> set[int]:
    """Return the nodes that depend on a state."""
    found = {index for name, index in body.leaves("input").items() if name.startswith(STATE)}
    for index in body:
        if not found.isdisjoint(body.operands(index)):
            found.add(index)
    return found


def _goes_on(body: Graph, index: int) -> bool:
    """Tell whether a node is a sum that is a term of one other sum, and nothing else."""
    users: Collection[int] = body.users(index)
    is_sum = body[index].operation.name == "add" and not body.is_root(index)
    return is_sum and len(users) == 1 and all(body[user].operation.name == "add" for user in users)


def _terms(body: Graph, index: int) -> list[int]:
    """Return the terms that a sum adds up, in their order."""
    if body[index].operation.name != "add":
        return [index]
    found: list[int] = []
    for each in body.operands(index):
        found += _terms(body, each) if _goes_on(body, each) else [each]
    return found
