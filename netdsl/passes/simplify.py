"""`simplify`: the same values by simpler formulas, and by formulas that hold for any argument."""

from __future__ import annotations

from collections.abc import Sequence

from netdsl.graph import Graph, Node, Value
from netdsl.passes.rewriting import Rewrite, Rewriter, Rule, rebuild, table
from netdsl.passes.rules import algebra, labels, movement, scans, stable

RULES = (*stable.RULES, *labels.RULES, *movement.RULES, *algebra.RULES, *scans.RULES)
"""All rules; of those that fit, the first is applied."""


def _through(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
    return operands[0]


GRADIENTS_DONE = (
    Rule("gradients are done", ("stop_gradient",), "stop_gradient(x) -> x", _through, quiet=True),
)
"""Rules that hold once nothing is differentiated any more."""

_BEFORE = table(RULES)
_AFTER = table((*GRADIENTS_DONE, *RULES))


def simplify(graph: Graph, log: list[Rewrite] | None = None, *, differentiated: bool = False) -> Graph:
    """Rewrite a graph by the rules, until none fits, and drop what nothing needs any more.

    To be called before `differentiate`, so that gradients are those of the stable forms, and after it, with
    `differentiated`. Results change by no more than rounding. Each rewrite but those that only tidy up is
    added to `log`.
    """
    return rebuild(graph, Rewriter(_AFTER if differentiated else _BEFORE, log))
