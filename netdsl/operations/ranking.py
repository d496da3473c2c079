"""The operation that ranks numbers along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netdsl.graph import DType, Node, Operation, Run, Setting, Shape
from netdsl.operations.define import expect_axis, expect_count, expect_kind


def _shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
    expect_count("rank_over", operands, 1)
    (x,) = operands
    expect_kind("rank_over", x, "float")
    expect_axis("rank_over", x, settings["axis"])
    return x.shape, "float"


def _meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    axis = node.setting("axis")
    lines = np.moveaxis(x, axis, -1)
    ranks = np.array([_ranks(line) for line in lines.reshape(-1, lines.shape[-1])]).reshape(lines.shape)
    return np.moveaxis(ranks, -1, axis)


def _ranks(line: np.ndarray) -> np.ndarray:
    """Rank one line: the middle of the places that equals have among the sorted ones."""
    if np.isnan(line).any():
        return np.full(len(line), np.nan)
    ordered = np.sort(line)
    below, up_to = (np.searchsorted(ordered, line, side) for side in ("left", "right"))
    return np.asarray((below + up_to + 1) / 2)


def _itself(node: Node, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return y


OPERATIONS = (
    Operation("rank_over", "reduction", _shape, _meaning, None,
              "rank({0}, over={axis})", r"\operatorname{{rank}}_{{{axis}}} {0}", corners="equal values",
              pieces=_itself,
              doc="The rank along an axis, 1 for the least; equals share the mean of theirs. NaN if one is."),
)  # fmt: skip
