"""The product of tensors: any contraction of two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from netdsl.graph import BATCH, DType, Node, Operation, Run, Setting, Shape, is_batched, shape_text
from netdsl.operations.define import expect_count, expect_kind

if TYPE_CHECKING:
    from netdsl.graph import Value

Pairs: TypeAlias = tuple[tuple[int, int], ...]
Place: TypeAlias = tuple[int | None, int | None]
"""An axis of a product: which axis of the left and of the right it is, None where it is not of that one."""


def places(left: int, right: int, contract: Pairs, align: Pairs) -> tuple[Place, ...]:
    """Return the axes of a product of operands of such ranks: aligned, the left's free, the right's free."""
    of_left = {axis for axis, _ in (*contract, *align)}
    of_right = {axis for _, axis in (*contract, *align)}
    return (
        *align,
        *((axis, None) for axis in range(left) if axis not in of_left),
        *((None, axis) for axis in range(right) if axis not in of_right),
    )


def _shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
    expect_count("matmul", operands, 2)
    left, right = operands
    expect_kind("matmul", left, "float")
    expect_kind("matmul", right, "float")
    return product_shape(left.shape, right.shape, settings["contract"], settings["align"]), "float"


def product_shape(left: Shape, right: Shape, contract: Pairs, align: Pairs) -> Shape:
    """Return the shape of a product. Raises ValueError when the axes do not fit."""
    _expect_pairs(left, right, (*contract, *align))
    shape = tuple(
        left[a] if a is not None else right[b or 0] for a, b in places(len(left), len(right), contract, align)
    )
    if BATCH in shape[1:]:
        raise ValueError(
            f"the product of {shape_text(left)} and {shape_text(right)} would not have its batch axis first"
        )
    return shape


def _expect_pairs(left: Shape, right: Shape, pairs: Pairs) -> None:
    for side, shape in ((0, left), (1, right)):
        axes = [pair[side] for pair in pairs]
        if len(set(axes)) != len(axes) or not all(0 <= axis < len(shape) for axis in axes):
            raise ValueError(f"a product pairs axes {axes} of {shape_text(shape)}")
    for a, b in pairs:
        if left[a] != right[b]:
            which = f"axis {a} of {shape_text(left)} with axis {b} of {shape_text(right)}"
            raise ValueError(f"a product pairs equal extents, not {which}")


def _meaning(node: Node, run: Run, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number the axes of the left, and give those of the right that are not paired further numbers."""
    contract, align = node.setting("contract"), node.setting("align")
    paired = {b: a for a, b in (*contract, *align)}
    of_right = [paired.get(axis, left.ndim + axis) for axis in range(right.ndim)]
    result = [
        a if a is not None else of_right[b or 0] for a, b in places(left.ndim, right.ndim, contract, align)
    ]
    return np.asarray(np.einsum(left, list(range(left.ndim)), right, of_right, result, optimize=True))


# ---- products in any order --------------------------------------------------------------------


def product_places(left: Shape, right: Shape, contract: Pairs, align: Pairs) -> list[Place]:
    """Return the axes of `product`: those of `places`, but the batch axis first."""
    result = places(len(left), len(right), contract, align)
    return sorted(result, key=lambda place: BATCH not in _extents(left, right, place))


def _extents(left: Shape, right: Shape, place: Place) -> list[int]:
    return [shape[axis] for shape, axis in zip((left, right), place, strict=True) if axis is not None]


def product(left: Value, right: Value, contract: Pairs, align: Pairs = ()) -> Value:
    """Multiply two values, whichever has the batch axis; `product_places` says what the axes are.

    What `matmul` refuses is done by exchanging the operands, or by repeating the shared one for each example.
    """
    want = product_places(left.shape, right.shape, contract, align)
    align = tuple(pair for pair in want if pair in align)
    have = places(len(left.shape), len(right.shape), contract, align)
    if want == list(have):
        return left.apply("matmul", right, contract=contract, align=align)
    if align:
        return _repeated(left, right, contract, align)
    swapped = tuple((b, a) for a, b in contract)
    value = right.apply("matmul", left, contract=swapped, align=())
    have = tuple((a, b) for b, a in places(len(right.shape), len(left.shape), swapped, ()))
    return transposed(value, [have.index(place) for place in want])


def _repeated(left: Value, right: Value, contract: Pairs, align: Pairs) -> Value:
    """Give the shared operand a batch axis of its own, first, and align it with the other's."""
    by_left, by_right = (0, 1) if is_batched(left.shape) else (1, 0)

    def batched(value: Value) -> Value:
        if is_batched(value.shape):
            return value
        return value.reshape((1, *value.shape)).broadcast((BATCH, *value.shape))

    def shifted(pairs: Pairs) -> Pairs:
        return tuple((a + by_left, b + by_right) for a, b in pairs)

    both = ((0, 0), *shifted(align))
    return batched(left).apply("matmul", batched(right), contract=shifted(contract), align=both)


def transposed(value: Value, axes: Sequence[int]) -> Value:
    """Reorder axes; the value itself where they are in order."""
    return value if list(axes) == sorted(axes) else value.apply("transpose", axes=tuple(axes))


def labels(left: int, right: int, contract: Pairs, align: Pairs) -> tuple[list[int], list[int], list[int]]:
    """Number the axes of both operands and of the result, what is paired alike."""
    of_left = list(range(left))
    paired = {b: a for a, b in (*contract, *align)}
    of_right = [paired.get(axis, left + axis) for axis in range(right)]
    result = [
        of_left[a] if a is not None else of_right[b or 0] for a, b in places(left, right, contract, align)
    ]
    return of_left, of_right, result


def labeled_product(
    left: Value, of_left: Sequence[int], right: Value, of_right: Sequence[int], result: Sequence[int]
) -> Value:
    """Multiply as `einsum` does: what both have is contracted unless the result has it too."""
    both = [label for label in of_left if label in of_right]
    pairs = {label: (of_left.index(label), of_right.index(label)) for label in both}
    contract = tuple(pairs[label] for label in both if label not in result)
    align = tuple(pairs[label] for label in result if label in both)
    value = product(left, right, contract, align)
    have = [
        of_left[a] if a is not None else of_right[b or 0]
        for a, b in product_places(left.shape, right.shape, contract, align)
    ]
    return transposed(value, [have.index(label) for label in result])


def _gradient(dy: Value, y: Value, left: Value, right: Value) -> Sequence[Value | None]:
    of_left, of_right, result = labels(
        len(left.shape), len(right.shape), y.node.setting("contract"), y.node.setting("align")
    )
    return (
        labeled_product(dy, result, right, of_right, of_left),
        labeled_product(left, of_left, dy, result, of_right),
    )


OPERATIONS = (
    Operation("matmul", "linear", _shape, _meaning, _gradient, "{0} @ {1}", "{0} {1}", binds=5,
              doc="The product of two tensors: pairs of axes contracted (summed over) and aligned (kept)."),
)  # fmt: skip
