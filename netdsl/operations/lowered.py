"""Operations that lowering makes of scans: steps of a sequence as batches one behind the other, and loops.

A sequence `[batch, time, ...]` becomes `[time batches, ...]`, all examples of the first step before those of
the second. So a step's part is a view of it, and a product of all steps is one of a tall matrix. No graph of
a model has these operations, and nothing differentiates them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from netdsl.graph import BATCH, DType, Node, Operation, Run, Setting, Shape, batches, is_batched
from netdsl.operations.define import expect_count
from netdsl.operations.scan import check_body, run_body

Settings = Mapping[str, Setting]


def _stack_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("stack", operands, 1)
    (x,) = operands
    if len(x.shape) < 2 or x.shape[0] != BATCH:
        raise ValueError("stack takes a sequence of each example")
    return (-x.shape[1], *x.shape[2:]), x.dtype


def _stack_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    return np.swapaxes(x, 0, 1).reshape((-1, *x.shape[2:]))


def _unstack_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("unstack", operands, 1)
    (x,) = operands
    if not is_batched(x.shape):
        raise ValueError("unstack takes batches one behind the other")
    return (BATCH, batches(x.shape), *x.shape[1:]), x.dtype


def _unstack_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    return np.swapaxes(x.reshape((node.shape[1], -1, *x.shape[1:])), 0, 1)


def _step_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("step", operands, 1)
    (x,) = operands
    if not is_batched(x.shape) or not 0 <= settings["number"] < batches(x.shape):
        raise ValueError("step takes one of several batches")
    return (BATCH, *x.shape[1:]), x.dtype


def _step_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    first = node.setting("number") * run.rows
    return x[first : first + run.rows]


def _stored_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("stored", operands, 1)
    return operands[0].shape, operands[0].dtype


def _stored_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return x


# ---- loops ------------------------------------------------------------------------------------


def _loop_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    (_, steps, total), dtype = check_body(operands, settings, _item_of_stack)
    return (-steps, total), dtype


def _item_of_stack(shape: Shape, steps: int) -> Shape:
    if not is_batched(shape) or batches(shape) != steps:
        raise ValueError(f"a loop of {steps} steps goes along as many batches")
    return (BATCH, *shape[1:])


def _loop_meaning(node: Node, run: Run, *arrays: np.ndarray) -> Any:
    def item(sequence: np.ndarray, step: int, shape: Shape) -> Any:
        return sequence[step * run.rows : (step + 1) * run.rows]

    return np.concatenate(run_body(node, run, arrays, item))


def _part_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("loop_part", operands, 1)
    (loop,) = operands
    shape: Shape = settings["shape"]
    if not 0 <= settings["start"] <= loop.shape[1] - prod(shape):
        raise ValueError(f"a loop that collects {loop.shape[1]} columns has no part like this")
    return (loop.shape[0], *shape), "float"


def _part_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    start = node.setting("start")
    return x[:, start : start + prod(node.shape[1:])].reshape((-1, *node.shape[1:]))


OPERATIONS = (
    Operation("stack", "lowered", _stack_shape, _stack_meaning, None, "{0}", "{0}",
              doc="The steps of a sequence as batches, one behind the other."),
    Operation("unstack", "lowered", _unstack_shape, _unstack_meaning, None, "{0}", "{0}",
              doc="Batches one behind the other as the steps of a sequence."),
    Operation("step", "lowered", _step_shape, _step_meaning, None, "{0}[{number}]", "{0}_{{{number}}}",
              doc="One of several batches."),
    Operation("stored", "lowered", _stored_shape, _stored_meaning, None, "{0}", "{0}",
              doc="The value itself, in memory."),
    Operation("loop", "lowered", _loop_shape, _loop_meaning, None, "scan({operands})",
              r"\operatorname{{scan}}({operands})",
              doc="A scan along batches one behind the other, which collects such batches."),
    Operation("loop_part", "lowered", _part_shape, _part_meaning, None, "{0}", "{0}",
              doc="One of the values that a loop collects, by number; `start` is its first column."),
)  # fmt: skip
