"""The gradient of a use, as the compiler derives it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from netdsl.compiler import with_objective, with_prepared_inputs
from netdsl.explain.derivations import derivations
from netdsl.lsp.analysis import Analysis
from netdsl.passes.differentiate import differentiate
from netdsl.passes.simplify import simplify
from netdsl.passes.specialize import specialize
from netdsl.semantics.experiment import Experiment

_MOST_NODES: Final = 2000
"""A larger graph is not differentiated while someone waits for a hover."""
_MOST_LINES: Final = 8
_LONGEST: Final = 160


def gradient_lines(analysis: Analysis, path: str) -> list[str]:
    """Return the lines of the derivation that speak of a use: what flows back to it, and to its weights."""
    for survey in analysis.surveys.values():
        if survey.experiment is not None and len(survey.experiment.graph) <= _MOST_NODES:
            lines = [each for each in _derived(survey.experiment) if _speaks_of(each, path)]
            if lines:
                return [
                    each if len(each) <= _LONGEST else each[:_LONGEST] + " …" for each in lines[:_MOST_LINES]
                ]
    return []


@lru_cache(maxsize=8)
def _derived(experiment: Experiment) -> tuple[str, ...]:
    graph = with_objective(specialize(with_prepared_inputs(experiment.graph), {"training": 1.0}))
    graph = differentiate(simplify(graph), "objective", experiment.rules)
    rows = [" ".join(each.split()) for each in derivations(graph).splitlines()]
    return tuple(each for each in rows if each.startswith(("d ", "∂/∂ ")))


def _speaks_of(line: str, path: str) -> bool:
    use = re.escape(path.rsplit("/", 1)[-1])
    return line.startswith(f"∂/∂ {path}/") or re.match(rf"d {use}(\.\d+)? ", line) is not None
