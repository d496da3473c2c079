"""The operations that reduce an axis, which stays with extent 1, and the stable forms made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from netdsl.graph import DType, Node, Operation, Run, Setting, Shape
from netdsl.operations.define import Gradient, ShapeRule, expect_axis, expect_count, expect_kind
from netdsl.operations.elementwise import where

if TYPE_CHECKING:
    from netdsl.graph import Value

Gradients = Sequence["Value | None"]
_LARGEST: Final = float(np.finfo(np.float32).max)
"""The bound of what is taken off before exp on the CPU: infinity less itself would be no number."""


def _sum_shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
    expect_count("sum", operands, 1)
    (x,) = operands
    expect_kind("sum", x, "float")
    axes: tuple[int, ...] = settings["axes"]
    if not axes or list(axes) != sorted(set(axes)):
        raise ValueError("sum takes its axes in rising order, each once")
    for axis in axes:
        expect_axis("sum", x, axis)
    return tuple(1 if axis in axes else extent for axis, extent in enumerate(x.shape)), "float"


def _sum_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    return np.sum(x, axis=node.setting("axes"), keepdims=True)


def _sum_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    return (dy.broadcast(x.shape),)


def _over(name: str, gives: DType, *, stays: bool = False) -> ShapeRule:
    def shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
        expect_count(name, operands, 1)
        (x,) = operands
        expect_kind(name, x, "float")
        axis: int = settings["axis"]
        expect_axis(name, x, axis)
        return x.shape if stays else (*x.shape[:axis], 1, *x.shape[axis + 1 :]), gives

    return shape


def positions(like: Value, axis: int) -> Value:
    """Number the entries along an axis: whole numbers of the shape of another value."""
    shape = tuple(extent if each == axis else 1 for each, extent in enumerate(like.shape))
    return like.builder.apply("iota", extent=like.shape[axis]).reshape(shape).broadcast(like.shape)


def _extreme_gradient(argument: str) -> Gradient:
    def gradient(dy: Value, y: Value, x: Value) -> Gradients:
        axis = y.node.setting("axis")
        chosen = x.apply(argument, axis=axis).broadcast(x.shape)
        return (where(positions(x, axis).apply("equal", chosen), dy.broadcast(x.shape), 0.0),)

    return gradient


def _max_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    return np.max(x, axis=node.setting("axis"), keepdims=True)


def _min_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    return np.min(x, axis=node.setting("axis"), keepdims=True)


def _which_is_greatest(node: Node, y: np.ndarray, x: np.ndarray) -> Any:
    return np.argmax(x, axis=node.setting("axis"), keepdims=True)


def _which_is_least(node: Node, y: np.ndarray, x: np.ndarray) -> Any:
    return np.argmin(x, axis=node.setting("axis"), keepdims=True)


def _argmax_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    return np.argmax(x, axis=node.setting("axis"), keepdims=True)


def _argmin_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    return np.argmin(x, axis=node.setting("axis"), keepdims=True)


# ---- stable forms -----------------------------------------------------------------------------


def _shift(x: np.ndarray, axis: int) -> Any:
    """Return the greatest along the axis, 0 where it is infinite: what may be taken off before exp."""
    greatest = np.max(x, axis=axis, keepdims=True)
    return np.where(np.isinf(greatest), np.zeros_like(greatest), greatest)


def _logsumexp_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    axis = node.setting("axis")
    shift = _shift(x, axis)
    return shift + np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True))


def _logsumexp_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    return (dy.broadcast(x.shape) * x.apply("softmax", axis=y.node.setting("axis")),)


def _logsumexp_expanded(x: Value, axis: int) -> Value:
    greatest = x.apply("maximum_over", axis=axis)
    shift = greatest.pointwise("minimum", _LARGEST).pointwise("maximum", -_LARGEST)
    return shift + (x - shift).apply("exp").sum([axis]).apply("log")


def _softmax_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    axis = node.setting("axis")
    powers = np.exp(x - _shift(x, axis))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _softmax_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    return (y * (dy - (dy * y).sum([y.node.setting("axis")])),)


def _softmax_expanded(x: Value, axis: int) -> Value:
    powers = (x - x.apply("maximum_over", axis=axis)).apply("exp")
    return powers / powers.sum([axis])


def _log_softmax_meaning(node: Node, run: Run, x: np.ndarray) -> Any:
    axis = node.setting("axis")
    shifted = x - _shift(x, axis)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _log_softmax_gradient(dy: Value, y: Value, x: Value) -> Gradients:
    axis = y.node.setting("axis")
    return (dy - x.apply("softmax", axis=axis) * dy.sum([axis]),)


def _log_softmax_expanded(x: Value, axis: int) -> Value:
    shifted = x - x.apply("maximum_over", axis=axis)
    return shifted - shifted.apply("exp").sum([axis]).apply("log")


OPERATIONS = (
    Operation("sum", "reduction", _sum_shape, _sum_meaning, _sum_gradient,
              "sum({0}, over={axes})", r"\sum_{{{axes}}} {0}",
              doc="The sum over some axes, in the order of the elements."),
    Operation("maximum_over", "reduction", _over("maximum_over", "float"),
              _max_meaning, _extreme_gradient("argmax"),
              "max({0}, over={axis})", r"\max_{{{axis}}} {0}", corners="equal maxima",
              pieces=_which_is_greatest,
              doc="The greatest along an axis; the gradient goes to the first of equals."),
    Operation("minimum_over", "reduction", _over("minimum_over", "float"),
              _min_meaning, _extreme_gradient("argmin"),
              "min({0}, over={axis})", r"\min_{{{axis}}} {0}", corners="equal minima",
              pieces=_which_is_least,
              doc="The smallest along an axis; the gradient goes to the first of equals."),
    Operation("argmax", "reduction", _over("argmax", "int"), _argmax_meaning, None,
              "argmax({0}, over={axis})", r"\operatorname{{argmax}}_{{{axis}}} {0}",
              doc="The position of the greatest along an axis, the first of equals."),
    Operation("argmin", "reduction", _over("argmin", "int"), _argmin_meaning, None,
              "argmin({0}, over={axis})", r"\operatorname{{argmin}}_{{{axis}}} {0}",
              doc="The position of the smallest along an axis, the first of equals."),
    Operation("logsumexp", "reduction", _over("logsumexp", "float"),
              _logsumexp_meaning, _logsumexp_gradient,
              "logsumexp({0}, over={axis})", r"\ln \sum_{{{axis}}} e^{{{0}}}",
              expand=_logsumexp_expanded,
              doc="log(sum(exp(x))) along an axis, for any x."),
    Operation("softmax", "reduction", _over("softmax", "float", stays=True),
              _softmax_meaning, _softmax_gradient,
              "softmax({0}, over={axis})", r"\operatorname{{softmax}}({0})", expand=_softmax_expanded,
              doc="exp(x) / sum(exp(x)) along an axis, for any x."),
    Operation("log_softmax", "reduction", _over("log_softmax", "float", stays=True),
              _log_softmax_meaning, _log_softmax_gradient,
              "log_softmax({0}, over={axis})", r"\ln \operatorname{{softmax}}({0})",
              expand=_log_softmax_expanded,
              doc="The logarithm of softmax, precise where the softmax is 0 or 1."),
)  # fmt: skip
