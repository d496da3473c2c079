"""How operations are defined: the shape rules that many of them share, and what an element-wise one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from netdsl.graph import DType, Node, Operation, Run, Setting, Shape, shape_text

if TYPE_CHECKING:
    from netdsl.graph import Value

ShapeRule: TypeAlias = Callable[[Sequence[Node], Mapping[str, Setting]], tuple[Shape, DType]]
Gradient: TypeAlias = "Callable[..., Sequence[Value | None]]"


def elementwise(
    name: str,
    arity: int,
    evaluate: Callable[..., np.ndarray],
    gradient: Gradient | None,
    text: str,
    latex: str,
    scalar: str,
    doc: str,
    *,
    takes: DType | None = "float",
    gives: DType = "float",
    corners: str = "",
    binds: int = 10,
    expand: Callable[..., Value] | None = None,
    pieces: Callable[..., np.ndarray] | None = None,
) -> Operation:
    """Define an operation that works on each element alone: operands and result have one shape.

    `takes` is the kind that all operands have, None for any one kind; `gives` is the kind of the result;
    `pieces` is given the operands' elements.
    """

    def shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
        expect_count(name, operands, arity)
        for each in operands:
            if takes is not None and each.dtype != takes:
                raise ValueError(f"{name} takes {KINDS[takes]}, and is given {KINDS[each.dtype]}")
        expect_same(name, operands)
        return operands[0].shape, gives

    def meaning(node: Node, run: Run, *arrays: np.ndarray) -> np.ndarray:
        return evaluate(*arrays)

    def numbered(node: Node, y: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        assert pieces is not None
        return pieces(*arrays)

    return Operation(
        name,
        "elementwise",
        shape,
        meaning,
        gradient,
        text,
        latex,
        scalar,
        corners,
        doc,
        expand,
        binds,
        numbered if pieces else None,
    )


KINDS: Mapping[DType, str] = {"float": "numbers", "int": "whole numbers", "bool": "yes or no"}


def expect_count(name: str, operands: Sequence[Node], arity: int) -> None:
    """Check the number of operands."""
    if len(operands) != arity:
        raise ValueError(f"{name} takes {arity} values, and is given {len(operands)}")


def expect_kind(name: str, operand: Node, kind: DType) -> None:
    """Check the kind of an operand's elements."""
    if operand.dtype != kind:
        raise ValueError(f"{name} takes {KINDS[kind]}, and is given {KINDS[operand.dtype]}")


def expect_same(name: str, operands: Sequence[Node]) -> None:
    """Check that operands have one shape and one kind."""
    first = operands[0]
    for each in operands[1:]:
        if each.shape != first.shape:
            shapes = f"{shape_text(first.shape)} and {shape_text(each.shape)}"
            raise ValueError(f"{name} takes values of one shape, and is given {shapes}")
        if each.dtype != first.dtype:
            raise ValueError(
                f"{name} takes values of one kind, and is given {KINDS[first.dtype]} and {KINDS[each.dtype]}"
            )


def expect_axis(name: str, operand: Node, axis: int) -> None:
    """Check that an axis is one of an operand's."""
    if not 0 <= axis < len(operand.shape):
        raise ValueError(f"{name} works over axis {axis}, and {shape_text(operand.shape)} has no such axis")
