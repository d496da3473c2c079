"""`scan`: one graph, applied at each step along an axis, with states that go from step to step.

The body is a graph of its own. Its inputs are `state0`, `state1`, … (what the states are before a step),
`item0`, … (a step's part of each sequence) and `fixed0`, … (what is the same at all steps); its outputs are
`state0`, … (what the states become) and `out0`, … (what is collected of each step). The node's operands are
the states at the start, the sequences, and what is fixed, in this order. Its one result is what was
collected, flattened and joined along the last axis: `[batch, time, columns]`; `collected` cuts it into its
parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from netdsl.graph import (
    BATCH,
    DType,
    Graph,
    Node,
    Operation,
    Run,
    Setting,
    Shape,
    compute,
    count,
    has_pieces,
    is_batched,
    pieces,
    shape_text,
)
from netdsl.operations.scan_gradient import scan_gradient
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, outputs_of
from netdsl.operations.through_time import time_axis

INSIDE: Final = frozenset({"input", "constant", "iota"})
"""The leaves that a body may have. Weights, draws and scalars come in as what is fixed, or as sequences."""

# ---- shape ------------------------------------------------------------------------------------


def _shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
    return check_body(operands, settings, _item_shape)


def check_body(
    operands: Sequence[Node], settings: Mapping[str, Setting], item_of: Callable[[Shape, int], Shape]
) -> tuple[Shape, DType]:
    """Return the shape of what a scan collects; `item_of` is that of a step's part of a sequence."""
    body: Graph = settings["body"]
    steps: int = settings["steps"]
    states, sequences, fixed = apart(settings, operands)
    if len(states) != settings["states"] or len(sequences) != settings["sequences"] or steps < 1:
        raise ValueError(f"scan takes {settings['states']} states and {settings['sequences']} sequences")
    items = [(item_of(each.shape, steps), each.dtype) for each in sequences]
    _check_leaves(body, _given(states, items, fixed))
    kept, outs = outputs_of(body, STATE), outputs_of(body, OUT)
    if not outs or len(kept) != len(states) or len(outs) + len(kept) != len(body.outputs):
        raise ValueError("the body of a scan gives its states, and at least one value that is collected")
    for each, index in zip(states, kept, strict=True):
        if body[index].shape != each.shape:
            shapes = f"{shape_text(each.shape)} and becomes {shape_text(body[index].shape)}"
            raise ValueError(f"a state of a scan begins as {shapes}")
    batched = {is_batched(body[index].shape) for index in (*kept, *outs)}
    if len(batched) > 1 or any(body[index].dtype != "float" for index in (*kept, *outs)):
        raise ValueError("states and what is collected are numbers, of each example or of none")
    total = sum(count(body[index].shape) for index in outs)
    return ((BATCH,) if True in batched else ()) + (steps, total), "float"


def _given(
    states: Sequence[Node], items: Sequence[tuple[Shape, DType]], fixed: Sequence[Node]
) -> dict[str, tuple[Shape, DType]]:
    return {
        **{f"{STATE}{n}": (each.shape, each.dtype) for n, each in enumerate(states)},
        **{f"{ITEM}{n}": each for n, each in enumerate(items)},
        **{f"{FIXED}{n}": (each.shape, each.dtype) for n, each in enumerate(fixed)},
    }


def _item_shape(shape: Shape, steps: int) -> Shape:
    axis = time_axis(shape)
    if len(shape) <= axis or shape[axis] != steps:
        raise ValueError(f"a scan of {steps} steps does not go along {shape_text(shape)}")
    return (*shape[:axis], *shape[axis + 1 :])


def _check_leaves(body: Graph, given: Mapping[str, tuple[Shape, DType]]) -> None:
    for index in body:
        node = body[index]
        if not body.operands(index) and node.operation.name not in INSIDE:
            raise ValueError(f"the body of a scan has no {node.operation.name} of its own")
        name = node.setting("name")
        if node.operation.name == "input" and given.get(name) != (node.shape, node.dtype):
            has = shape_text(given[name][0]) if name in given else "not there"
            raise ValueError(f"the body of a scan reads {name} as {shape_text(node.shape)}, and it is {has}")


# ---- meaning ----------------------------------------------------------------------------------


def _meaning(node: Node, run: Run, *arrays: np.ndarray) -> np.ndarray:
    return np.stack(run_body(node, run, arrays, _item), axis=len(node.shape) - 2)


Item: TypeAlias = Callable[[np.ndarray, int, Shape], np.ndarray]
"""Takes a step's part, of some shape, of a sequence."""


def _item(sequence: np.ndarray, step: int, shape: Shape) -> Any:
    return np.take(sequence, step, time_axis(shape))


def run_body(node: Node, run: Run, arrays: Sequence[np.ndarray], item: Item) -> list[np.ndarray]:
    """Return what a scan collects of each step."""
    outs = outputs_of(node.setting("body"), OUT)
    collected = {
        step: np.concatenate([_flat(found[index], node.shape) for index in outs], axis=-1)
        for step, found in steps_of(node, run, arrays, item)
    }
    return [collected[step] for step in sorted(collected)]


def steps_of(
    node: Node, run: Run, arrays: Sequence[np.ndarray], item: Item = _item
) -> Iterator[tuple[int, Mapping[int, np.ndarray]]]:
    """Yield each step, in the order in which they are made, with the values of the body's nodes."""
    body: Graph = node.setting("body")
    states, sequences, fixed = apart(dict(node.settings), arrays)
    kept, outs = outputs_of(body, STATE), outputs_of(body, OUT)
    always = {("input", f"{FIXED}{n}"): each for n, each in enumerate(fixed)}
    shapes = {
        int(name.removeprefix(ITEM)): body[index].shape
        for name, index in body.leaves("input").items()
        if name.startswith(ITEM)
    }
    steps = list(range(node.setting("steps")))
    for step in reversed(steps) if node.setting("reverse") else steps:
        now = {("input", f"{STATE}{n}"): each for n, each in enumerate(states)}
        now |= {("input", f"{ITEM}{n}"): item(sequences[n], step, shape) for n, shape in shapes.items()}
        inside = Run(run.rows, run.seed, run.step, run.scalars, {**always, **now})
        found = compute(body, inside, [*kept, *outs], _precision(arrays))
        states = [found[index] for index in kept]
        yield step, found


def _pieces(node: Node, y: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
    """Return the pieces of the body's values at each step, one behind the other."""
    body: Graph = node.setting("body")
    if not any(has_pieces(body[index]) and body.operands(index) for index in body):
        return np.zeros(0)
    run = Run(len(y) if is_batched(node.shape) else 0)
    return np.concatenate(
        [
            pieces(body, index, found).ravel().astype(np.float64)
            for _, found in steps_of(node, run, arrays)
            for index in found
            if has_pieces(body[index])
        ]
    )


def _precision(arrays: Sequence[np.ndarray]) -> type[Any]:
    return np.float32 if any(each.dtype == np.float32 for each in arrays) else np.float64


def _flat(value: np.ndarray, shape: Shape) -> np.ndarray:
    return value.reshape((len(value), -1) if is_batched(shape) else (-1,))


OPERATIONS = (
    Operation("scan", "scan", _shape, _meaning, scan_gradient, "scan({operands})",
              r"\operatorname{{scan}}({operands})",
              corners="where its body has them", pieces=_pieces,
              doc="One graph applied at each step along an axis, with states that go from step to step."),
)  # fmt: skip
