"""Pooling: sums and maxima over windows, as two pairs of operations that are each other's adjoints.

The greatest of a window is found once (`argmax_pool` says which tap it is); taking it and putting a gradient
back there are linear, so that derivatives of any order are made of the same operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netdsl.graph import DType, Node, Operation, Run, Setting, Shape, shape_text
from netdsl.operations.define import ShapeRule, expect_count, expect_kind
from netdsl.operations.windows import Windows, expect_fit, expect_places, windows_of

if TYPE_CHECKING:
    from netdsl.graph import Value

Gradients = Sequence["Value | None"]
Settings = Mapping[str, Setting]


def _windows(name: str, settings: Settings) -> Windows:
    """Read the settings of a pool, whose windows all see a place of the value."""
    windows = windows_of(name, settings["size"], settings)
    sides = (windows.before, windows.after)
    if any(pad >= size for side in sides for pad, size in zip(side, windows.size, strict=True)):
        raise ValueError(f"{name} takes padding smaller than its windows")
    return windows


def _pooled(name: str, gives: DType, *, indexed: bool = False) -> ShapeRule:
    """Return the shape rule of what goes from places to windows."""

    def shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
        expect_count(name, operands, 2 if indexed else 1)
        x = operands[0]
        expect_kind(name, x, "float")
        windows = _windows(name, settings)
        space = expect_places(name, x.shape, len(windows.size))
        result = (x.shape[0], *expect_fit(name, windows, space), x.shape[-1])
        if indexed:
            _expect_taps(name, operands[1], result)
        return result, gives

    return shape


def _unpooled(name: str, *, indexed: bool = False) -> ShapeRule:
    """Return the shape rule of what goes from windows back to the places of `space`."""

    def shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
        expect_count(name, operands, 2 if indexed else 1)
        dy = operands[0]
        expect_kind(name, dy, "float")
        windows, space = _windows(name, settings), settings["space"]
        counts = expect_places(name, dy.shape, len(windows.size))
        if len(space) != len(counts) or expect_fit(name, windows, space) != counts:
            raise ValueError(f"{name}: the windows of {shape_text(space)} are not {shape_text(counts)}")
        if indexed:
            _expect_taps(name, operands[1], dy.shape)
        return (dy.shape[0], *space, dy.shape[-1]), "float"

    return shape


def _expect_taps(name: str, taps: Node, shape: Shape) -> None:
    expect_kind(name, taps, "int")
    if taps.shape != shape:
        raise ValueError(f"{name} takes a tap for each of {shape_text(shape)}, not {shape_text(taps.shape)}")


# ---- meaning ----------------------------------------------------------------------------------


def _sum_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    windows, counts = _windows("sum_pool", dict(node.settings)), node.shape[1:-1]
    padded = windows.padded(x)
    total = np.zeros((len(x), *counts, x.shape[-1]), x.dtype)
    for part, _ in windows.taps(counts):
        total += padded[part]
    return total


def _spread_meaning(node: Node, run: Run, dy: np.ndarray) -> np.ndarray:
    windows, space = _windows("spread_pool", dict(node.settings)), node.setting("space")
    total = np.zeros((len(dy), *windows.room(space), dy.shape[-1]), dy.dtype)
    for part, _ in windows.taps(dy.shape[1:-1]):
        total[part] += dy
    return windows.cropped(total, space)


def _greatest(node: Node, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the greatest of each window and its tap; what is no number is greater than all else."""
    windows, counts = _windows("max_pool", dict(node.settings)), node.shape[1:-1]
    padded = windows.padded(x)
    there = windows.padded(np.ones((1, *x.shape[1:-1], 1))) > 0
    best = np.full((len(x), *counts, x.shape[-1]), -np.inf, x.dtype)
    taps = np.full(best.shape, -1)
    for number, (part, _) in enumerate(windows.taps(counts)):
        value = padded[part]
        wins = there[part] & ((taps < 0) | (value > best) | (np.isnan(value) & ~np.isnan(best)))
        best, taps = np.where(wins, value, best), np.where(wins, number, taps)
    return best, taps


def _max_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return _greatest(node, x)[0]


def _argmax_meaning(node: Node, run: Run, x: np.ndarray) -> np.ndarray:
    return _greatest(node, x)[1]


def _max_pieces(node: Node, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return _greatest(node, x)[1]


def _expect_range(windows: Windows, taps: np.ndarray) -> None:
    count = int(np.prod(windows.size))
    if taps.size and not (taps.min() >= 0 and taps.max() < count):
        raise IndexError(f"a tap is outside of 0 .. {count - 1}")


def _take_meaning(node: Node, run: Run, x: np.ndarray, taps: np.ndarray) -> np.ndarray:
    windows = _windows("take_window", dict(node.settings))
    _expect_range(windows, taps)
    padded = windows.padded(x)
    result = np.zeros(taps.shape, x.dtype)
    for number, (part, _) in enumerate(windows.taps(taps.shape[1:-1])):
        result = np.where(taps == number, padded[part], result)
    return result


def _put_meaning(node: Node, run: Run, dy: np.ndarray, taps: np.ndarray) -> np.ndarray:
    windows, space = _windows("put_window", dict(node.settings)), node.setting("space")
    _expect_range(windows, taps)
    total = np.zeros((len(dy), *windows.room(space), dy.shape[-1]), dy.dtype)
    for number, (part, _) in enumerate(windows.taps(taps.shape[1:-1])):
        total[part] += np.where(taps == number, dy, 0)
    return windows.cropped(total, space)


# ---- gradients --------------------------------------------------------------------------------


def _windowing(y: Value) -> dict[str, Setting]:
    """Return the settings that all pools share."""
    return {name: value for name, value in y.node.settings if name != "space"}


def _sum_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    return (dy.apply("spread_pool", space=x.shape[1:-1], **_windowing(y)),)


def _spread_gradient(dx: Value, y: Value, dy: Value) -> Gradients:
    return (dx.apply("sum_pool", **_windowing(y)),)


def _max_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    taps = x.apply("argmax_pool", **_windowing(y))
    return (dy.apply("put_window", taps, space=x.shape[1:-1], **_windowing(y)),)


def _take_gradient(dy: Value, y: Value, x: Value, taps: Value) -> Gradients:
    return dy.apply("put_window", taps, space=x.shape[1:-1], **_windowing(y)), None


def _put_gradient(dx: Value, y: Value, dy: Value, taps: Value) -> Gradients:
    return dx.apply("take_window", taps, **_windowing(y)), None


OPERATIONS = (
    Operation("sum_pool", "pooling", _pooled("sum_pool", "float"), _sum_meaning, _sum_gradient,
              "sum_pool({0}, {size})", r"\operatorname{{sumpool}}({0})",
              doc="The sum over each window of [lead, *places, c]; padding counts as 0."),
    Operation("spread_pool", "pooling", _unpooled("spread_pool"), _spread_meaning, _spread_gradient,
              "spread_pool({0}, {size})", r"\operatorname{{sumpool}}^\top({0})",
              doc="Each window's number added to all places that it saw: the adjoint of sum_pool."),
    Operation("max_pool", "pooling", _pooled("max_pool", "float"), _max_meaning, _max_gradient,
              "max_pool({0}, {size})", r"\operatorname{{maxpool}}({0})", corners="equal maxima",
              pieces=_max_pieces,
              doc="The greatest of each window of [lead, *places, c]; padding never wins, and the gradient "
                  "goes to the first of equals."),
    Operation("argmax_pool", "pooling", _pooled("argmax_pool", "int"), _argmax_meaning, None,
              "argmax_pool({0}, {size})", r"\operatorname{{argmaxpool}}({0})",
              doc="Where in its window the greatest stands, counted row by row; the first of equals."),
    Operation("take_window", "pooling", _pooled("take_window", "float", indexed=True),
              _take_meaning, _take_gradient,
              "take_window({0}, {1})", r"({0})_{{{1}}}",
              doc="From each window the place that is counted."),
    Operation("put_window", "pooling", _unpooled("put_window", indexed=True), _put_meaning, _put_gradient,
              "put_window({0}, {1})", r"\operatorname{{put}}_{{{1}}}({0})",
              doc="Each window's number added to its counted place: the adjoint of take_window."),
)  # fmt: skip
