"""`specialize`: what a graph is where some of its scalars are known."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.graph import Graph, Value
from netdsl.passes.rewriting import Rewriter, rebuild, table
from netdsl.passes.rules import algebra, scans

_RULES = table((*algebra.NUMBERS, *algebra.BRANCHES, *scans.RULES))


def specialize(graph: Graph, scalars: Mapping[str, float]) -> Graph:
    """Put numbers in the place of scalar leaves, and drop the branches that are then never taken."""
    builder = Rewriter(_RULES)
    known: dict[int, Value] = {}
    for index in graph:
        name = graph[index].setting("name")
        if graph[index].operation.name == "scalar" and name in scalars:
            known[index] = builder.constant(scalars[name])
    return rebuild(graph, builder, known)
