"""The operations that move, repeat, choose and place values without computing with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netdsl.graph import (
    BATCH,
    DType,
    Node,
    Operation,
    Run,
    Setting,
    Shape,
    broadcast_shapes,
    count,
    is_batched,
    shape_text,
    sized,
)
from netdsl.operations.define import expect_axis, expect_count, expect_kind

if TYPE_CHECKING:
    from netdsl.graph import Value

Gradients = Sequence["Value | None"]
Settings = Mapping[str, Setting]


# ---- shape ------------------------------------------------------------------------------------


def _reshape_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("reshape", operands, 1)
    (x,) = operands
    shape: Shape = settings["shape"]
    if is_batched(shape) != is_batched(x.shape) or BATCH in shape[1:]:
        raise ValueError(
            f"{shape_text(x.shape)} cannot become {shape_text(shape)}: the batch axis stays first"
        )
    if count(shape) != count(x.shape):
        raise ValueError(
            f"{shape_text(x.shape)} has {count(x.shape)} elements, and {shape_text(shape)} has {count(shape)}"
        )
    return shape, x.dtype


def _reshape_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return x.reshape(sized(node.shape, run.rows))


def _reshape_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    return (dy.reshape(x.shape),)


def _transpose_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("transpose", operands, 1)
    (x,) = operands
    axes: tuple[int, ...] = settings["axes"]
    if sorted(axes) != list(range(len(x.shape))):
        raise ValueError(f"transpose takes each axis of {shape_text(x.shape)} once, not {list(axes)}")
    if is_batched(x.shape) and axes[0] != 0:
        raise ValueError("transpose leaves the batch axis first")
    return tuple(x.shape[axis] for axis in axes), x.dtype


def _transpose_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return np.transpose(x, node.setting("axes"))


def _transpose_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    axes = y.node.setting("axes")
    return (dy.apply("transpose", axes=tuple(axes.index(axis) for axis in range(len(axes)))),)


def _broadcast_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("broadcast", operands, 1)
    (x,) = operands
    shape: Shape = settings["shape"]
    if broadcast_shapes([x.shape, shape]) != shape:
        raise ValueError(f"{shape_text(x.shape)} does not broadcast to {shape_text(shape)}")
    return shape, x.dtype


def _broadcast_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return np.broadcast_to(x, sized(node.shape, run.rows))


def repeated_axes(given: Shape, wanted: Shape) -> tuple[int, ...]:
    """Return the axes of the wanted shape along which a broadcast repeats what is given."""
    new = len(wanted) - len(given)
    return tuple(
        axis for axis, extent in enumerate(wanted) if extent != 1 and (axis < new or given[axis - new] == 1)
    )


def _broadcast_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    return (dy.sum(repeated_axes(x.shape, y.shape)).reshape(x.shape),)


# ---- parts ------------------------------------------------------------------------------------


def _slice_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("slice", operands, 1)
    (x,) = operands
    bounds = list(zip(settings["starts"], settings["stops"], settings["steps"], strict=True))
    if len(bounds) != len(x.shape):
        raise ValueError(f"slice takes bounds for each axis of {shape_text(x.shape)}")
    shape: list[int] = []
    for extent, (start, stop, step) in zip(x.shape, bounds, strict=True):
        if extent < 0 and (start, stop, step) != (0, extent, 1):
            raise ValueError("slice takes the batch axis whole")
        if extent >= 0 and not (0 <= start < stop <= extent and step >= 1):
            raise ValueError(f"{start} .. {stop} is no part of an axis of {extent}")
        shape.append(extent if extent < 0 else -(-(stop - start) // step))
    return tuple(shape), x.dtype


def _slice_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    bounds = zip(node.setting("starts"), node.setting("stops"), node.setting("steps"), strict=True)
    return x[tuple(slice(start, None if stop < 0 else stop, step) for start, stop, step in bounds)]


def part(x: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """Take a part of one axis; the value itself where the part is the whole."""
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x
    starts, stops, steps = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return x.apply("slice", starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))


def padded(x: Value, axis: int, before: int, after: int) -> Value:
    """Put zeros around one axis; the value itself where there are none to put."""
    if before == after == 0:
        return x
    befores, afters = [0] * len(x.shape), [0] * len(x.shape)
    befores[axis], afters[axis] = before, after
    return x.apply("pad", before=tuple(befores), after=tuple(afters))


def _slice_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    for axis, (start, step) in enumerate(zip(y.node.setting("starts"), y.node.setting("steps"), strict=True)):
        if x.shape[axis] == BATCH:
            continue
        room = x.shape[axis] - start
        dy = _spread(dy, axis, step)
        dy = part(dy, axis, 0, min(dy.shape[axis], room))
        dy = padded(dy, axis, start, room - dy.shape[axis])
    return (dy,)


def _spread(x: Value, axis: int, step: int) -> Value:
    """Put step - 1 zeros behind each entry along an axis."""
    if step == 1:
        return x
    before, extent, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    loose = padded(x.reshape((*before, extent, 1, *after)), axis + 1, 0, step - 1)
    return loose.reshape((*before, extent * step, *after))


def _pad_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("pad", operands, 1)
    (x,) = operands
    expect_kind("pad", x, "float")
    before, after = settings["before"], settings["after"]
    if not len(before) == len(after) == len(x.shape) or min(*before, *after, 0) < 0:
        raise ValueError(f"pad takes what to add before and after each axis of {shape_text(x.shape)}")
    if is_batched(x.shape) and before[0] + after[0]:
        raise ValueError("pad leaves the batch axis as it is")
    added = zip(x.shape, before, after, strict=True)
    return tuple(extent + first + last for extent, first, last in added), "float"


def _pad_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return np.pad(x, list(zip(node.setting("before"), node.setting("after"), strict=True)))


def _pad_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    for axis, start in enumerate(y.node.setting("before")):
        if x.shape[axis] != BATCH:
            dy = part(dy, axis, start, start + x.shape[axis])
    return (dy,)


def _concat_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    axis: int = settings["axis"]
    first = operands[0]
    expect_axis("concat", first, axis)
    if first.shape[axis] == BATCH:
        raise ValueError("concat does not join examples")
    for each in operands:
        if _without(each.shape, axis) != _without(first.shape, axis) or each.dtype != first.dtype:
            shapes = f"{shape_text(first.shape)} and {shape_text(each.shape)}"
            raise ValueError(f"concat joins values that differ along one axis, not {shapes}")
    joined = sum(each.shape[axis] for each in operands)
    return (*first.shape[:axis], joined, *first.shape[axis + 1 :]), first.dtype


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _concat_meaning(node: Node, run: Run, *arrays: np.ndarray) -> np.ndarray:
    return np.concatenate(arrays, axis=node.setting("axis"))


def _concat_gradient(dy: Value, y: Value, *operands: Value) -> Gradients:
    axis = y.node.setting("axis")
    parts: list[Value] = []
    start = 0
    for each in operands:
        parts.append(part(dy, axis, start, start + each.shape[axis]))
        start += each.shape[axis]
    return parts


# ---- by index ---------------------------------------------------------------------------------


def _gather_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("gather", operands, 2)
    table, indices = operands
    expect_kind("gather", indices, "int")
    if not table.shape or is_batched(table.shape):
        raise ValueError(
            f"gather takes rows of a table that all examples share, not of {shape_text(table.shape)}"
        )
    return (*indices.shape, *table.shape[1:]), table.dtype


def _gather_meaning(node: Node, run: Run, table: np.ndarray, indices: np.ndarray) -> Any:
    _expect_range(indices, len(table))
    return table[indices]


def _gather_gradient(dy: Value, y: Value, table: Value, indices: Value) -> Gradients:
    return indices.apply("scatter_add", dy, extent=table.shape[0]), None


def _expect_range(indices: np.ndarray, extent: int) -> None:
    if indices.size and not (indices.min() >= 0 and indices.max() < extent):
        raise IndexError(f"an index is outside of 0 .. {extent - 1}")


def _scatter_add_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("scatter_add", operands, 2)
    indices, updates = operands
    expect_kind("scatter_add", indices, "int")
    expect_kind("scatter_add", updates, "float")
    rank = len(indices.shape)
    if updates.shape[:rank] != indices.shape or BATCH in updates.shape[rank:]:
        shapes = f"{shape_text(indices.shape)} for {shape_text(updates.shape)}"
        raise ValueError(f"scatter_add takes an index for each row: {shapes}")
    return (settings["extent"], *updates.shape[rank:]), "float"


def _scatter_add_meaning(node: Node, run: Run, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    _expect_range(indices, node.setting("extent"))
    result = np.zeros(node.shape, updates.dtype)
    np.add.at(result, indices, updates)
    return result


def _scatter_add_gradient(dy: Value, y: Value, indices: Value, updates: Value) -> Gradients:
    return None, dy.apply("gather", indices)


def _one_hot_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("one_hot", operands, 1)
    expect_kind("one_hot", operands[0], "int")
    return (*operands[0].shape, settings["classes"]), "float"


def _one_hot_meaning(node: Node, run: Run, indices: np.ndarray) -> Any:
    return (indices[..., None] == np.arange(node.setting("classes"))).astype(np.float64)


def _pick_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("pick", operands, 2)
    x, indices = operands
    expect_kind("pick", indices, "int")
    if not x.shape or x.shape[-1] == BATCH or x.shape[:-1] != indices.shape:
        shapes = f"{shape_text(indices.shape)} does not fit {shape_text(x.shape)}"
        raise ValueError(f"pick takes an index for each row: {shapes}")
    return (*indices.shape, 1), x.dtype


def _pick_meaning(node: Node, run: Run, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    _expect_range(indices, x.shape[-1])
    return np.take_along_axis(x, indices[..., None], axis=-1)


def _pick_gradient(dy: Value, y: Value, x: Value, indices: Value) -> Gradients:
    return indices.apply("one_hot", classes=x.shape[-1]) * dy, None


OPERATIONS = (
    Operation("reshape", "movement", _reshape_shape, _reshape_meaning, _reshape_gradient,
              "reshape({0}, {shape})", "{0}", doc="The same elements, in the same order, in another shape."),
    Operation("transpose", "movement", _transpose_shape, _transpose_meaning, _transpose_gradient,
              "transpose({0}, {axes})", r"{0}^\top", doc="The axes in another order.", binds=8),
    Operation("broadcast", "movement", _broadcast_shape, _broadcast_meaning, _broadcast_gradient,
              "{0}", "{0}", doc="The value repeated along axes of extent 1 and new ones before."),
    Operation("slice", "movement", _slice_shape, _slice_meaning, _slice_gradient,
              "slice({0}, {starts}, {stops}, {steps})", "{0}_{{{starts}:{stops}}}",
              doc="A part along each axis: from a start to before a stop, every so many."),
    Operation("pad", "movement", _pad_shape, _pad_meaning, _pad_gradient,
              "pad({0}, {before}, {after})", r"\operatorname{{pad}}({0})",
              doc="The value with zeros before and after along each axis."),
    Operation("concat", "movement", _concat_shape, _concat_meaning, _concat_gradient,
              "concat({operands}, over={axis})", r"[{operands}]",
              doc="Values behind each other along one axis."),
    Operation("gather", "movement", _gather_shape, _gather_meaning, _gather_gradient,
              "gather({0}, {1})", "{0}_{{{1}}}", doc="Rows of a shared table, one for each index."),
    Operation("scatter_add", "movement", _scatter_add_shape, _scatter_add_meaning, _scatter_add_gradient,
              "scatter_add({0}, {1})", r"\operatorname{{scatter}}_{{{0}}}({1})",
              doc="A table of zeros to whose rows the updates are added, in order: the gradient of gather."),
    Operation("one_hot", "movement", _one_hot_shape, _one_hot_meaning, None,
              "one_hot({0})", "e_{{{0}}}", doc="1 at the index along a new last axis, 0 elsewhere."),
    Operation("pick", "movement", _pick_shape, _pick_meaning, _pick_gradient,
              "pick({0}, {1})", "({0})_{{{1}}}",
              doc="The entry of the last axis at the index: sum(one_hot(i) * x) over it, without the sum."),
)  # fmt: skip
