"""The random draws: leaves whose elements follow from (seed, stream, step, index); see `philox`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from netdsl.graph import DType, Node, Operation, Run, Setting, Shape, is_batched, sized
from netdsl.operations import philox
from netdsl.operations.define import expect_count


def _draw(
    name: str, family: str, fill: Callable[[int, str, int, int], np.ndarray], latex: str, doc: str
) -> Operation:
    def shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
        expect_count(name, operands, 0)
        if family == "host" and is_batched(settings["shape"]):
            raise ValueError(f"{name} is for the start of weights, not for each example")
        return settings["shape"], "float"

    def meaning(node: Node, run: Run) -> np.ndarray:
        extents = sized(node.shape, run.rows)
        count = int(np.prod(extents, dtype=np.int64))
        return fill(count, node.setting("stream"), run.seed, run.step).reshape(extents)

    return Operation(name, family, shape, meaning, None, f"{name}()", latex, doc=doc)


def _orthogonal_shape(operands: Sequence[Node], settings: Mapping[str, Setting]) -> tuple[Shape, DType]:
    expect_count("orthogonal", operands, 0)
    shape: Shape = settings["shape"]
    if len(shape) < 2 or is_batched(shape):
        raise ValueError("orthogonal fills weights of at least two axes")
    return shape, "float"


def _orthogonal_meaning(node: Node, run: Run) -> np.ndarray:
    """Make the rows of a gaussian matrix, or its columns if these are fewer, orthonormal."""
    columns = node.shape[-1]
    rows = int(np.prod(node.shape[:-1]))
    draws = philox.gaussian(rows * columns, node.setting("stream"), run.seed, run.step).reshape(rows, columns)
    result = _orthonormal(draws) if rows <= columns else _orthonormal(draws.T).T
    return result.reshape(node.shape)


def _orthonormal(matrix: np.ndarray) -> np.ndarray:
    """Make rows orthonormal by Gram and Schmidt, twice for precision.

    einsum without `optimize` adds in an order of its own, where a library of linear algebra would add in one
    that depends on the number of its threads.
    """
    done = np.ascontiguousarray(matrix)
    for row in range(len(done)):
        for _ in range(2):
            shares = np.einsum("ij,j->i", done[:row], done[row])
            done[row] -= np.einsum("ij,i->j", done[:row], shares)
        done[row] /= np.sqrt(np.sum(done[row] ** 2))
    return done


OPERATIONS = (
    _draw("uniform", "random", philox.uniform, r"\mathcal{{U}}(0, 1)", "Even draws from [0, 1)."),
    _draw("gaussian", "random", philox.gaussian, r"\mathcal{{N}}(0, 1)", "Draws of mean 0 and deviation 1."),
    _draw(
        "truncated",
        "host",
        philox.truncated,
        r"\mathcal{{N}}_{{[-2, 2]}}(0, 1)",
        "Draws of a standard normal distribution cut off at -2 and 2.",
    ),
    Operation(
        "orthogonal",
        "host",
        _orthogonal_shape,
        _orthogonal_meaning,
        None,
        "orthogonal()",
        r"\operatorname{{orthogonal}}()",
        doc="A random matrix with orthonormal rows or columns, whichever are fewer.",
    ),
)
